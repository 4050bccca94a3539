"""Runs and transpositions: exact at every length, and nothing beside them is touched."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import config, njit

import refimpl as ref

if config.DISABLE_JIT:
    pytest.skip("the fast paths are compiled or not at all", allow_module_level=True)

from refimpl import fast
from refimpl.fast.run import sum_products, sum_scaled
from refimpl.fast.transpose import transpose

types = st.sampled_from([np.float32, np.float64])
quickly = settings(deadline=None, max_examples=60)


@njit
def products(a, lefts, b, rights, out, at, length, adding):
    sum_products(
        a.ctypes.data, lefts.ctypes.data, b.ctypes.data, rights.ctypes.data, len(lefts),
        out.ctypes.data + at * out.itemsize, length, adding, a[0],
    )  # fmt: skip


@njit
def scaled(a, b, rights, out, at, length, adding):
    sum_scaled(
        a.ctypes.data, rights.ctypes.data, b.ctypes.data, rights.ctypes.data, len(rights),
        out.ctypes.data + at * out.itemsize, length, adding, a[0],
    )  # fmt: skip


@njit
def turned(source, rows, cols, target, row):
    transpose(
        source.ctypes.data, 0, source.shape[1], rows, cols,
        target.ctypes.data, 0, row, source.itemsize, source[0, 0],
    )  # fmt: skip


@given(
    length=st.integers(0, 200), terms=st.integers(0, 11), at=st.integers(0, 5),
    adding=st.booleans(), seed=st.integers(0, 2**32 - 1), dtype=types,
)  # fmt: skip
@quickly
def test_a_run_sums_what_it_says_and_leaves_what_lies_beside_it(
    length, terms, at, adding, seed, dtype
):
    rng = np.random.default_rng(seed)
    a, b = (rng.integers(-3, 4, 300).astype(dtype) for _ in range(2))
    lefts, rights = (rng.integers(0, 100, terms) for _ in range(2))
    before = rng.integers(-3, 4, at + length + 70).astype(dtype)
    for scale in (False, True):
        out, expected = before.copy(), before.copy()
        expected[at : at + length] *= adding
        for t in range(terms):
            left = a[t] if scale else a[lefts[t] : lefts[t] + length]
            expected[at : at + length] += left * b[rights[t] : rights[t] + length]
        if scale:
            scaled(a, b, rights, out, at, length, adding)
        else:
            products(a, lefts, b, rights, out, at, length, adding)
        np.testing.assert_array_equal(out, expected)


@given(rows=st.integers(0, 50), cols=st.integers(0, 50), extra=st.integers(0, 3), dtype=types)
@quickly
def test_a_matrix_of_any_size_is_turned_about_in_its_place(rows, cols, extra, dtype):
    source = np.arange((rows + 1) * (cols + extra + 1), dtype=dtype).reshape(rows + 1, -1)
    target = np.full((cols + 1, rows + extra + 1), -1, dtype)
    expected = target.copy()
    expected[:cols, :rows] = source[:rows, :cols].T
    turned(source, rows, cols, target, target.shape[1])
    np.testing.assert_array_equal(target, expected)


@given(
    n=st.integers(1, 2), c=st.integers(1, 9), h=st.integers(1, 30), w=st.integers(1, 40),
    kernel=st.sampled_from([1, 3, (5, 3), 7]), stride=st.integers(1, 2),
    seed=st.integers(0, 2**32 - 1), dtype=types,
)  # fmt: skip
@quickly
def test_local_attention_of_any_size_is_exact_on_integers(n, c, h, w, kernel, stride, seed, dtype):
    rng = np.random.default_rng(seed)
    x, *weights = (
        rng.integers(-1, 2, shape).astype(dtype) for shape in ((n, c, h, w), (5, c), (5, c), (6, c))
    )
    options = {"kernel": kernel, "stride": stride}
    y = fast.local_attention(x, *weights, **options)
    np.testing.assert_array_equal(y, ref.local_attention(x, *weights, **options))
    dy = rng.integers(-1, 2, y.shape).astype(dtype)
    quick, slow = (m.local_attention_backward(dy, x, *weights, **options) for m in (fast, ref))
    for one, two in zip(quick, slow, strict=True):
        np.testing.assert_array_equal(one, two)
