"""shift, pixel by pixel, also where the offset leaves the image altogether."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs.rings import rationals, same
from refimpl import shift, shift_backward

exactly = settings(deadline=None, derandomize=True, max_examples=100)
sides = st.integers(1, 4)
shapes = st.tuples(st.integers(1, 2), st.integers(1, 2), sides, sides)
steps = st.integers(-9, 9)
offsets = st.tuples(steps, steps)
boundaries = st.sampled_from(["circular", "zero"])


@exactly
@given(shapes, offsets)
def test_a_circular_shift_reads_p_plus_d_modulo_the_image(shape, offset):
    x = rationals(*shape, seed=1)
    y = shift(x, offset=offset, boundary="circular")
    assert y.shape == x.shape
    for (n, c, i, j), value in np.ndenumerate(y):
        assert value == x[n, c, (i + offset[0]) % shape[2], (j + offset[1]) % shape[3]]


@exactly
@given(shapes, offsets)
def test_a_zero_shift_reads_p_plus_d_and_nothing_outside_the_image(shape, offset):
    x = rationals(*shape, seed=1)
    y = shift(x, offset=offset, boundary="zero")
    assert y.shape == x.shape
    for (n, c, i, j), value in np.ndenumerate(y):
        row, col = i + offset[0], j + offset[1]
        inside = 0 <= row < shape[2] and 0 <= col < shape[3]
        assert value == (x[n, c, row, col] if inside else 0)


def test_the_default_boundary_is_circular():
    x = rationals(1, 1, 3, 4, seed=1)
    assert same(shift(x, offset=(1, 2)), shift(x, offset=(1, 2), boundary="circular"))


@exactly
@given(shapes, offsets, boundaries)
def test_the_gradient_returns_to_the_pixel_that_was_read(shape, offset, boundary):
    dy, dx = rationals(*shape, seed=1), np.zeros(shape, object)
    for (n, c, i, j), upstream in np.ndenumerate(dy):
        row, col = i + offset[0], j + offset[1]
        if boundary == "circular":
            row, col = row % shape[2], col % shape[3]
        if 0 <= row < shape[2] and 0 <= col < shape[3]:
            dx[n, c, row, col] += upstream
    assert same(shift_backward(dy, offset=offset, boundary=boundary).x, dx)


@exactly
@given(shapes, offsets, offsets)
def test_circular_shifts_add_up(shape, first, second):
    x = rationals(*shape, seed=1)
    both = (first[0] + second[0], first[1] + second[1])
    assert same(shift(shift(x, offset=first), offset=second), shift(x, offset=both))


def test_zero_shifts_there_and_back_lose_what_left_the_image():
    x = np.array([[[[1, 2, 3]]]])
    away = shift(x, offset=(0, 1), boundary="zero")
    np.testing.assert_array_equal(shift(away, offset=(0, -1), boundary="zero"), [[[[0, 2, 3]]]])


@pytest.mark.parametrize("offset", [(3, 0), (0, -4), (-30, 1), (3, 4)], ids=str)
def test_a_zero_shift_by_more_than_the_image_leaves_nothing(offset):
    assert not shift(np.ones((1, 2, 3, 4)), offset=offset, boundary="zero").any()


@pytest.mark.parametrize("boundary", ["wrap", "reflect", None, ""])
def test_another_boundary_is_refused(boundary):
    with pytest.raises(ValueError, match="boundary") as error:
        shift(np.ones((1, 1, 2, 2)), offset=(0, 1), boundary=boundary)
    assert str(error.value) == f"boundary must be 'circular' or 'zero', not {boundary!r}"
