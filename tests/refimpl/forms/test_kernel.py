"""A kernel for every pixel, stored or factorised, for pixel shifts and for a window."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import refimpl as ref
from proofs.rings import duals, rationals, same, values
from refimpl.forms import dynamic_conv2d, dynamic_kernel, kernel_form, local_kernel
from refimpl.forms.kernel_local import local_kernel_form
from refimpl.fuse import MergeError
from tests.refimpl.forms.layers import image, kernels, shifts, sides, steps

exactly = settings(deadline=None, derandomize=True, max_examples=40)
modes = st.sampled_from(["zero", "circular"])


def padded(x, reach, mode):
    margins = ((0, 0), (0, 0), (reach, reach), (reach, reach))
    if mode == "circular":
        return np.pad(x, margins, mode="wrap")
    return np.pad(x, margins, constant_values=0)


@given(size=sides, k_c=kernels, k_a=kernels, grid=steps, moved=shifts, mode=modes)
@exactly
def test_static_plus_dynamic_is_both_branches_for_all_four_boundaries(
    size, k_c, k_a, grid, moved, mode
):
    x, b = image(size), rationals(3, seed=4)
    w_c = rationals(3, 2, k_c, k_c, seed=1)
    w_a = rationals(3, 2 * len(moved["directions"]), k_a, k_a, seed=2)
    expected = sum(
        ref.conv2d(padded(z, grid["dilation"] * (w.shape[2] // 2), mode), w, **grid)
        for z, w in ((x, w_c), (ref.shift_product(x, **moved), w_a))
    )
    expected = expected + b[:, None, None]
    options = {**grid, **moved, "padding_mode": mode}
    assert same(kernel_form(x, w_c, w_a, b, **options), expected)
    stored = dynamic_kernel(x, w_c, w_a, **options)
    assert same(dynamic_conv2d(x, stored, b, padding_mode=mode, **grid), expected)


@pytest.mark.parametrize("normalise", ["none", "softmax"])
@given(size=sides, k_c=kernels, window=kernels, grid=steps)
@exactly
def test_the_stored_kernel_of_local_attention_is_the_factorised_one(
    normalise, size, k_c, window, grid
):
    x, b = duals(image(size)), rationals(3, seed=4)
    w_c, w_q, w_k, w_v = (
        rationals(*shape, seed=seed)
        for seed, shape in enumerate(((3, 2, k_c, k_c), (2, 2), (2, 2), (3, 2)))
    )
    options = {"kernel": window, "normalise": normalise, "scale": 1, **grid}
    stored = local_kernel(x, w_c, w_q, w_k, w_v, **options)
    factorised = local_kernel_form(x, w_c, w_q, w_k, w_v, b, **options)
    assert same(values(dynamic_conv2d(x, stored, b, **grid)), values(factorised))


def test_without_attention_the_kernel_of_every_pixel_is_the_static_one():
    x, w_c = image((3, 4)), rationals(3, 2, 3, 3, seed=1)
    stored = dynamic_kernel(x, w_c, rationals(3, 8, 3, 3, seed=2) * 0)
    assert same(stored, np.broadcast_to(w_c[None, ..., None, None], stored.shape))


def test_kernels_too_large_to_store_are_refused_with_what_to_call_instead():
    x, w_c = np.ones((1, 2, 4, 4)), np.ones((3, 2, 3, 3))
    size = 3 * 2 * 9 * 16 * 8
    dynamic_kernel(x, w_c, np.ones((3, 8, 3, 3)), most_bytes=size)
    with pytest.raises(
        ValueError, match=rf"at most {size - 1} bytes, not the {size} .* kernel_form"
    ):
        dynamic_kernel(x, w_c, np.ones((3, 8, 3, 3)), most_bytes=size - 1)
    attention = (np.ones((2, 2)), np.ones((2, 2)), np.ones((3, 2)))
    local_kernel(x, w_c, *attention, most_bytes=size)
    with pytest.raises(ValueError, match=rf"not the {size} .* with local_kernel_form"):
        local_kernel(x, w_c, *attention, most_bytes=size - 1)


def test_a_stage_of_resnet_takes_441_mebibytes_stored():
    """C²·K²·n of conv3_x at 224², binary32: C = 128, n = 28². Not stored by default."""
    x = np.broadcast_to(np.float32(0), (1, 128, 28, 28))
    kernels_of = (
        np.broadcast_to(np.float32(0), shape) for shape in ((128, 128, 3, 3), (128, 512, 3, 3))
    )
    with pytest.raises(ValueError, match=f"not the {441 * 2**20} of"):
        dynamic_kernel(x, *kernels_of)


def test_a_padding_or_normalisation_that_is_none_there_is_is_refused():
    x, w_c = image((3, 3)), rationals(3, 2, 3, 3, seed=1)
    with pytest.raises(MergeError, match="padding must be 'zero' or 'circular', not 'mirror'"):
        kernel_form(x, w_c, rationals(3, 8, 3, 3, seed=2), padding_mode="mirror")
    with pytest.raises(ValueError, match="normalise must be 'softmax' or 'none', not 'max'"):
        local_kernel_form(
            x, w_c, *(rationals(*s, seed=2) for s in ((2, 2), (2, 2), (3, 2))), normalise="max"
        )
