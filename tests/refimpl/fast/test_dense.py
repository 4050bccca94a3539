"""The dense product where its blocks meet: many channels, wide images, remainders of every kind."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import config, get_num_threads, set_num_threads

import refimpl as ref

if config.DISABLE_JIT:
    pytest.skip("the fast paths are compiled or not at all", allow_module_level=True)

from refimpl import fast
from refimpl.fast import weights
from refimpl.panels import product

seeds = st.integers(0, 2**32 - 1)
types = st.sampled_from([np.float32, np.float64])
channels = st.integers(1, 70)
sides = st.integers(1, 40)
quickly = settings(deadline=None, max_examples=30)


def small_integers(seed, dtype, *shapes):
    """Numbers whose every sum of products is exact."""
    rng = np.random.default_rng(seed)
    return [rng.integers(-3, 4, shape).astype(dtype) for shape in shapes]


@given(
    n=st.integers(1, 3), c=channels, o=channels, h=sides, w=sides,
    kernel=st.sampled_from([(1, 1), (3, 3), (5, 3), (7, 7)]), stride=st.integers(1, 3),
    seed=seeds, dtype=types,
)  # fmt: skip
@quickly
def test_a_convolution_of_any_size_is_exact_on_integers(n, c, o, h, w, kernel, stride, seed, dtype):
    x, k, b = small_integers(seed, dtype, (n, c, h, w), (o, c, *kernel), (o,))
    options = {"stride": stride, "padding": (kernel[0] // 2, kernel[1] // 2)}
    y = fast.conv2d(x, k, b, **options)
    np.testing.assert_array_equal(y, ref.conv2d(x, k, b, **options))
    (dy,) = small_integers(seed + 1, dtype, y.shape)
    for quick, slow in zip(
        fast.conv2d_backward(dy, x, k, **options), ref.conv2d_backward(dy, x, k, **options),
        strict=True,
    ):  # fmt: skip
        np.testing.assert_array_equal(quick, slow)


@given(
    n=st.integers(1, 2), c=st.integers(1, 20), o=st.integers(1, 40), h=sides, w=sides,
    length=st.integers(1, 50), boundary=st.sampled_from(["circular", "zero"]),
    stride=st.integers(1, 3), kernel=st.sampled_from([1, 3]), seed=seeds, dtype=types,
)  # fmt: skip
@quickly
def test_a_fused_x_volution_of_any_size_is_exact_on_integers(
    n, c, o, h, w, length, boundary, stride, kernel, seed, dtype
):
    x, k, b = small_integers(seed, dtype, (n, c, h, w), (o, 9 * c, kernel, kernel), (o,))
    options = {
        "directions": ref.EIGHT_DIRECTIONS, "length": length, "boundary": boundary,
        "stride": stride,
    }  # fmt: skip
    y = fast.xvolution_fused(x, k, b, **options)
    np.testing.assert_array_equal(y, ref.xvolution_fused(x, k, b, **options))
    (dy,) = small_integers(seed + 1, dtype, y.shape)
    for quick, slow in zip(
        fast.xvolution_fused_backward(dy, x, k, **options),
        ref.xvolution_fused_backward(dy, x, k, **options),
        strict=True,
    ):  # fmt: skip
        np.testing.assert_array_equal(quick, slow)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_number_of_threads_changes_no_bit(dtype):
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(shape).astype(dtype) for shape in ((2, 40, 33, 31), (70, 40, 3, 3)))
    before, seen = get_num_threads(), []
    for threads in range(1, before + 1):
        set_num_threads(threads)
        y = fast.conv2d(x, w, padding=1)
        seen.append([y, *fast.conv2d_backward(np.cos(y), x, w, padding=1)])
    set_num_threads(before)
    for other in seen[1:]:
        for one, two in zip(seen[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(("together", "few"), [(1, 0), (4, 10**9)])
def test_how_the_work_is_split_changes_no_result(monkeypatch, together, few):
    x, w, b = small_integers(3, np.float32, (2, 9, 21, 17), (150, 9, 3, 3), (150,))
    expected = ref.conv2d(x, w, b, padding=1)
    monkeypatch.setattr(product, "TOGETHER", together)
    monkeypatch.setattr(product, "FEW_GROUPS", few)
    np.testing.assert_array_equal(fast.conv2d(x, w, b, padding=1), expected)


def test_a_gradient_whose_upstream_does_not_fit_in_the_buffer_is_the_same(monkeypatch):
    x, w, dy = small_integers(4, np.float32, (3, 5, 30, 31), (33, 5, 3, 3), (3, 33, 30, 31))
    monkeypatch.setattr(weights, "TURNED_BYTES", 1)
    grads = fast.conv2d_backward(dy, x, w, padding=1)
    np.testing.assert_array_equal(grads.w, ref.conv2d_backward(dy, x, w, padding=1).w)


@given(
    n=st.integers(1, 3), c=st.integers(1, 9), each=st.integers(1, 3), h=sides, w=sides,
    stride=st.integers(1, 3), seed=seeds, dtype=types,
)  # fmt: skip
@quickly
def test_a_depthwise_convolution_is_exact_on_integers(n, c, each, h, w, stride, seed, dtype):
    x, k, b = small_integers(seed, dtype, (n, c, h, w), (c * each, 1, 3, 3), (c * each,))
    options = {"stride": stride, "padding": 1, "groups": c}
    y = fast.conv2d(x, k, b, **options)
    np.testing.assert_array_equal(y, ref.conv2d(x, k, b, **options))
    (dy,) = small_integers(seed + 1, dtype, y.shape)
    for quick, slow in zip(
        fast.conv2d_backward(dy, x, k, **options), ref.conv2d_backward(dy, x, k, **options),
        strict=True,
    ):  # fmt: skip
        np.testing.assert_array_equal(quick, slow)


@given(
    n=st.integers(1, 2), c=st.integers(1, 5), h=sides, w=sides, length=st.integers(1, 50),
    boundary=st.sampled_from(["circular", "zero"]), seed=seeds, dtype=types,
)  # fmt: skip
@quickly
def test_a_depthwise_pssa_is_exact_on_integers(n, c, h, w, length, boundary, seed, dtype):
    x, k, b = small_integers(seed, dtype, (n, c, h, w), (4 * c, 1, 3, 3), (4 * c,))
    options = {"groups": 4 * c, "length": length, "boundary": boundary}
    y = fast.pssa(x, k, b, **options)
    np.testing.assert_array_equal(y, ref.pssa(x, k, b, **options))
    (dy,) = small_integers(seed + 1, dtype, y.shape)
    quick, slow = (m.pssa_backward(dy, x, k, **options) for m in (fast, ref))
    for one, two in zip(quick[:3], slow[:3], strict=True):
        np.testing.assert_array_equal(one, two)


@given(
    n=st.integers(0, 2), c=st.integers(1, 4), o=st.integers(1, 4), h=st.integers(1, 9),
    w=st.integers(1, 9), stride=st.integers(1, 2), seed=seeds, dtype=types,
)  # fmt: skip
@quickly
def test_a_kernel_for_every_pixel_is_exact_on_integers(n, c, o, h, w, stride, seed, dtype):
    out = -(-h // stride), -(-w // stride)
    x, k, b = small_integers(seed, dtype, (n, c, h, w), (n, o, c, 3, 3, *out), (o,))
    from refimpl.forms import dynamic_conv2d  # noqa: PLC0415 - the definition, of the same name

    expected = dynamic_conv2d(x, k, b, stride=stride)
    np.testing.assert_array_equal(fast.dynamic_conv2d(x, k, b, stride=stride), expected)


def test_queries_in_many_blocks_attend_as_all_at_once():
    rng = np.random.default_rng(5)
    x, w_q, w_k, w_v = (
        rng.standard_normal(shape) for shape in ((2, 4, 17, 13), (6, 4), (6, 4), (5, 4))
    )
    y = fast.global_attention(x, w_q, w_k, w_v)
    np.testing.assert_allclose(y, ref.global_attention(x, w_q, w_k, w_v), rtol=0, atol=1e-12)
    quick, slow = (
        module.global_attention_backward(np.cos(y), x, w_q, w_k, w_v) for module in (fast, ref)
    )
    for one, two in zip(quick[:4], slow[:4], strict=True):
        np.testing.assert_allclose(one, two, rtol=0, atol=1e-11)


@pytest.mark.parametrize("kind", [np.float16, np.int64, object])
def test_a_number_type_that_has_no_fast_path_is_refused_by_name(kind):
    x = np.ones((1, 1, 3, 3), kind)
    with pytest.raises(ValueError, match="must be given arrays all float32 or all float64"):
        fast.conv2d(x, np.ones((1, 1, 1, 1), kind))
    with pytest.raises(ValueError, match="x float32, w float64"):
        fast.conv2d(np.ones((1, 1, 3, 3), np.float32), np.ones((1, 1, 1, 1)))


def test_nothing_beside_the_input_is_read():
    """Numbers just outside are not a number; one of them in a sum would show."""
    for h in (1, 2, 5):
        for w in range(1, 40):
            for stride in (1, 2):
                padded = np.full((3 + 1 * 2 * h * w + 64,), np.nan, np.float32)
                padded[3 : 3 + 2 * h * w] = 1
                x = padded[3 : 3 + 2 * h * w].reshape(1, 2, h, w)
                y = fast.conv2d(x, np.ones((3, 2, 3, 3), np.float32), padding=1, stride=stride)
                assert np.isfinite(y).all()
