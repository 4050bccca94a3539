"""Sums against a judge that rounds with Python integers (``softfloat.py``)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.bitexact import accumulate
from refimpl.bitexact.accumulate import (
    channel_statistics,
    kernel_rows,
    patches,
    sum_float32,
    sum_float64,
    sum_int32,
)
from refimpl.ops.conv2d import conv_geometry
from tests.refimpl.bitexact import softfloat

words = st.one_of(
    st.integers(0, 0x4FFFFFFF),  # magnitudes below 2^33: no sum of ours overflows
    st.integers(0, 0x00FFFFFF),  # subnormal, and just above
    st.integers(0x3F7FFFF0, 0x3F80000F),  # around 1: ties
).flatmap(lambda word: st.sampled_from([word, word | softfloat.SIGN]))


def floats(bits):
    return np.array(bits, np.uint32).view(np.float32)


def bits_of(array):
    return np.ascontiguousarray(array).view(np.uint32)


def judged_sum(row, column, start):
    total = start
    for weight, value in zip(row, column, strict=True):
        total = softfloat.add(total, softfloat.multiply(weight, value))
    return total


@given(st.data())
@settings(deadline=None, max_examples=300)
def test_a_float_sum_is_what_integer_rounding_says_bit_for_bit(data):
    taps = data.draw(st.integers(1, 6))
    row = data.draw(st.lists(words, min_size=taps, max_size=taps))
    column = data.draw(st.lists(words, min_size=taps, max_size=taps))
    start = data.draw(st.one_of(st.just(0), words))
    got = sum_float32(floats([row]), floats(column)[None, :, None], floats([start]))
    assert bits_of(got).item() == judged_sum(row, column, start)


@pytest.mark.small
@pytest.mark.parametrize(
    ("row", "column", "start", "expected"),
    [
        ([0x3F800001], [0x3F800001], 0, 0x3F800002),  # (1 + 2^-23)^2 rounds down
        ([0x4B800000, 0x3F800000], [0x3F800000, 0x3F800000], 0, 0x4B800000),  # 2^24 + 1: tie, even
        ([0x3F800000, 0x4B800000], [0x3F800000, 0x3F800000], 0x3F800000, 0x4B800001),  # order
        ([0x00000001], [0x3F000000], 0, 0x00000000),  # half the least subnormal: tie, to zero
        ([0x00000003], [0x3F000000], 0, 0x00000002),  # one and a half of it: tie, to two
        ([0x00800000], [0x3F7FFFFF], 0, 0x00800000),  # rounds up to the least normal number
        ([0x1F800000], [0x1F800000], 0, 0x00200000),  # two normal numbers, a subnormal product
        ([0x80000000], [0x3F800000], 0x80000000, 0x80000000),  # −0 + −0 = −0
        ([0x80000000], [0x3F800000], 0, 0),  # 0 + −0 = 0
    ],
)
def test_hand_computed_sums_round_to_even_and_keep_subnormals(row, column, start, expected):
    assert judged_sum(row, column, start) == expected
    got = sum_float32(floats([row]), floats(column)[None, :, None], floats([start]))
    assert bits_of(got).item() == expected


@given(st.data())
@settings(deadline=None, max_examples=200)
def test_an_integer_sum_wraps_as_python_integers_modulo_two_to_the_32(data):
    taps = data.draw(st.integers(1, 5))
    word = st.one_of(st.integers(-(2**31), 2**31 - 1), st.sampled_from([-(2**31), 2**31 - 1]))
    row, column = (data.draw(st.lists(word, min_size=taps, max_size=taps)) for _ in range(2))
    got = sum_int32(np.array([row], np.int32), np.array(column, np.int32)[None, :, None])
    total = sum(a * b for a, b in zip(row, column, strict=True))
    assert got.dtype == np.int32
    assert got.item() == (total + 2**31) % 2**32 - 2**31


@pytest.mark.small
def test_an_accumulator_one_past_the_largest_is_the_smallest():
    rows, columns = np.array([[1, 1]]), np.array([[[2**31 - 1], [1]]])
    assert sum_int32(rows, columns).item() == -(2**31)


@pytest.mark.parametrize("block", [1, 2, 7, 1000])
@pytest.mark.small
def test_the_number_of_pixels_side_by_side_changes_no_bit(monkeypatch, block):
    rng = np.random.default_rng(3)
    rows, columns = rng.standard_normal((2, 5)), rng.standard_normal((2, 5, 9))
    plain = sum_float32(rows, columns)
    monkeypatch.setattr(accumulate, "BLOCK", block)
    np.testing.assert_array_equal(bits_of(sum_float32(rows, columns)), bits_of(plain))


def test_more_pixels_than_a_block_are_summed_like_few():
    rng = np.random.default_rng(4)
    rows = rng.standard_normal((3, 4)).astype(np.float32)
    columns = rng.standard_normal((1, 4, 2 * accumulate.BLOCK + 3)).astype(np.float32)
    together = sum_float32(rows, columns)
    for p in range(columns.shape[2]):
        alone = sum_float32(rows, columns[:, :, p : p + 1])
        np.testing.assert_array_equal(bits_of(together[:, :, p : p + 1]), bits_of(alone))


@pytest.mark.small
@pytest.mark.parametrize("order", ["cuv", "uvc"])
def test_columns_hold_the_taps_in_the_order_that_is_named(order):
    x = np.arange(2 * 3 * 4, dtype=np.int64).reshape(1, 2, 3, 4) + 1
    w = np.arange(2 * 2 * 3 * 3).reshape(2, 2, 3, 3)
    geometry = conv_geometry(x.shape, w.shape, stride=2, padding=1)
    columns, rows = patches(x, geometry, order), kernel_rows(w, order)
    loops = {
        "cuv": [(c, u, v) for c in range(2) for u in range(3) for v in range(3)],
        "uvc": [(c, u, v) for u in range(3) for v in range(3) for c in range(2)],
    }[order]
    for k, (c, u, v) in enumerate(loops):
        assert [rows[o, k] for o in range(2)] == [w[o, c, u, v] for o in range(2)]
        for p, (i, j) in enumerate(np.ndindex(2, 2)):
            y, z = 2 * i + u - 1, 2 * j + v - 1
            inside = 0 <= y < 3 and 0 <= z < 4
            assert columns[0, k, p] == (x[0, c, y, z] if inside else 0)


@pytest.mark.small
def test_binary64_sums_of_binary32_products_are_exact_where_they_fit():
    rows = np.array([[2.0**-149, 2.0**100]], np.float32)
    columns = np.array([[[2.0**-149], [0.0]]], np.float32)
    assert sum_float64(rows, columns).item() == 2.0**-298


@given(
    st.lists(st.lists(st.integers(-(2**20), 2**20), min_size=8, max_size=8), min_size=1, max_size=3)
)
@settings(deadline=None, max_examples=50)
def test_statistics_of_integers_are_the_exact_mean_and_biased_variance(channels):
    """Eight integers: mean and deviations are exact in binary64, so == holds."""
    x = np.array(channels, np.float32).reshape(-1, 2, 2, 2).swapaxes(0, 1)
    mean, var = channel_statistics(x)
    for c, values in enumerate(channels):
        exact = sum(values) / 8
        assert mean[c] == exact
        assert var[c] == sum((value - exact) ** 2 for value in values) / 8


@pytest.mark.small
def test_statistics_add_in_order_and_not_pairwise():
    values = np.array([1.0, 2.0**53, 1.0, -(2.0**53)]).reshape(1, 1, 2, 2)
    mean, _ = channel_statistics(values)
    assert mean.item() == 0.0  # in order; (1 + 2^53) + (1 − 2^53) would not be
