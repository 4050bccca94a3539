"""Nearest-neighbour upsampling: where each pixel comes from, and what adds up on the way back."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs.rings import rationals, same
from refimpl import upsample_nearest, upsample_nearest_backward

exactly = settings(deadline=None, derandomize=True, max_examples=60)
sides = st.integers(1, 6)
images = st.tuples(st.integers(1, 2), st.integers(1, 2), sides, sides)
sizes = st.tuples(st.integers(1, 14), st.integers(1, 14))


def sources(size, shape):
    """Every output pixel with the input pixel its top left corner lies in, in exact rationals."""
    for i in range(size[0]):
        for j in range(size[1]):
            yield (
                (i, j),
                (
                    floor(Fraction(i, size[0]) * shape[2]),
                    floor(Fraction(j, size[1]) * shape[3]),
                ),
            )


@exactly
@given(images, sizes, st.integers(0, 99))
def test_every_pixel_is_the_one_its_corner_lies_in(shape, size, seed):
    x = rationals(*shape, seed=seed)
    y = upsample_nearest(x, size=size)
    assert y.shape == (*shape[:2], *size)
    for to, source in sources(size, shape):
        assert (y[:, :, *to] == x[:, :, *source]).all()


@exactly
@given(images, sizes, st.integers(0, 99))
def test_the_gradient_of_a_pixel_is_the_sum_over_its_copies(shape, size, seed):
    x, dy = rationals(*shape, seed=seed), rationals(*shape[:2], *size, seed=seed + 1)
    expected = np.zeros(shape, object)
    for to, source in sources(size, shape):
        expected[:, :, *source] += dy[:, :, *to]
    assert same(upsample_nearest_backward(dy, x, size=size).x, expected)


@exactly
@given(images)
def test_twice_the_size_makes_a_square_of_four_of_every_pixel(shape):
    x = rationals(*shape, seed=3)
    doubled = upsample_nearest(x, size=(2 * shape[2], 2 * shape[3]))
    assert same(doubled, np.kron(x, np.ones((2, 2), int).astype(object)))


@exactly
@given(images)
def test_the_same_size_is_the_identity(shape):
    x = rationals(*shape, seed=3)
    assert same(upsample_nearest(x, size=shape[2:]), x)


@pytest.mark.parametrize(("coarse", "fine"), [(84, 167), (42, 84), (25, 50), (167, 334)])
def test_at_the_sizes_of_a_detector_every_coarse_pixel_is_read_once_or_twice(coarse, fine):
    x = np.arange(coarse).reshape(1, 1, coarse, 1)
    read = upsample_nearest(x, size=(fine, 1)).ravel()
    assert set(np.bincount(read)) <= {1, 2}
    assert (np.diff(read) >= 0).all()


@pytest.mark.parametrize("size", [(0, 1), (1, -1), (1, 2, 3), "2"])
def test_a_size_that_is_none_is_refused(size):
    with pytest.raises(ValueError, match=r"^size must be an integer or a pair of integers"):
        upsample_nearest(np.ones((1, 1, 2, 2)), size=size)
