"""The feature form: one convolution of the image and its shift products, written out."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs.rings import rationals, same
from refimpl import conv2d, pssa, xvolution_fused

exactly = settings(deadline=None, derandomize=True, max_examples=50)
steps = st.integers(-2, 2)
sides, odd = st.integers(1, 4), st.sampled_from([1, 3, 5])
pairs = st.tuples(st.integers(1, 3), st.integers(1, 2))
boundaries = st.sampled_from(["circular", "zero"])
seeds = st.integers(0, 99)


def pixel(x, n, c, row, col, boundary):
    height, width = x.shape[2:]
    if boundary == "circular":
        row, col = row % height, col % width
    return x[n, c, row, col] if 0 <= row < height and 0 <= col < width else 0


def literal(x, w, b, *, directions, length, boundary, stride, dilation):
    """Channel z of the augmented input is x itself (z < C) or a product with x at p + L·d."""
    outputs = [-(-side // step) for side, step in zip(x.shape[2:], stride, strict=True)]
    y = np.empty((len(x), len(w), *outputs), object)
    for n, o, i, j in np.ndindex(y.shape):
        total = b[o]
        for z, u, v in product(*map(range, w.shape[1:])):
            row = i * stride[0] + dilation[0] * (u - w.shape[2] // 2)
            col = j * stride[1] + dilation[1] * (v - w.shape[3] // 2)
            d, c = divmod(z, x.shape[1])
            read = pixel(x, n, c, row, col, "zero")
            if d and read:
                down, right = (length * step for step in directions[d - 1])
                read = read * pixel(x, n, c, row + down, col + right, boundary)
            total += w[o, z, u, v] * read
        y[n, o, i, j] = total
    return y


@exactly
@given(
    st.tuples(st.integers(1, 2), sides, sides),
    st.lists(st.tuples(steps, steps).filter(any), min_size=1, max_size=3),
    st.tuples(odd, odd),
    st.tuples(pairs, pairs, st.integers(1, 2)),
    boundaries,
    seeds,
)
def test_it_is_one_convolution_of_the_image_and_its_shift_products(
    image, directions, kernel, grid, boundary, seed
):
    x = rationals(1, *image, seed=seed)
    w = rationals(2, (1 + len(directions)) * image[0], *kernel, seed=seed + 1)
    b, (stride, dilation, length) = rationals(2, seed=seed + 2), grid
    options = {
        "directions": directions,
        "length": length,
        "boundary": boundary,
        "stride": stride,
        "dilation": dilation,
    }
    assert same(xvolution_fused(x, w, b, **options), literal(x, w, b, **options))


@exactly
@given(st.tuples(st.integers(1, 2), sides, sides), boundaries, seeds)
def test_its_first_channels_are_a_convolution_and_the_rest_pssa(image, boundary, seed):
    x, w = rationals(1, *image, seed=seed), rationals(2, 5 * image[0], 3, 3, seed=seed + 1)
    conv = conv2d(x, w[:, : image[0]], padding=1)
    attention = pssa(x, w[:, image[0] :], boundary=boundary)
    assert same(xvolution_fused(x, w, boundary=boundary), conv + attention)


def test_an_even_kernel_is_refused():
    with pytest.raises(ValueError, match=r"^kernel sides must be odd for 'same' padding"):
        xvolution_fused(np.ones((1, 1, 3, 3)), np.ones((1, 5, 2, 3)))


@pytest.mark.parametrize("channels", [2, 8, 12])
def test_kernels_must_take_the_image_and_a_map_per_direction(channels):
    with pytest.raises(ValueError, match=rf"must have {channels} channels, .* not 10$"):
        xvolution_fused(np.ones((1, 2, 3, 3)), np.ones((1, channels, 3, 3)))
