"""A photograph as input, against Python integers and fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.nets.photograph import normalise, square


@given(st.integers(1, 4), st.integers(0, 5), st.integers(0, 5), st.integers(0, 2**32))
@settings(deadline=None, max_examples=40)
def test_a_pixel_is_the_mean_of_its_block_rounded_half_up(side, more_rows, more_cols, seed):
    height, width = side + more_rows, side + more_cols
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    got = square(pixels, side)
    factor = min(height, width) // side
    top, left = (height - factor * side) // 2, (width - factor * side) // 2
    assert got.dtype == np.uint8
    for y, x, colour in np.ndindex(side, side, 3):
        block = [
            int(pixels[top + y * factor + dy, left + x * factor + dx, colour])
            for dy in range(factor)
            for dx in range(factor)
        ]
        mean = Fraction(sum(block), factor * factor)
        assert got[y, x, colour] == (2 * mean + 1) // 2


@pytest.mark.small
def test_a_tie_rounds_up_and_white_stays_white():
    pixels = np.array([[[0, 255, 1]] * 2, [[1, 255, 2]] * 2], np.uint8)
    assert square(pixels, 1).tolist() == [[[1, 255, 2]]]


@pytest.mark.small
def test_normalised_pixels_are_the_formula_rounded_once_with_channels_first():
    pixels = np.arange(0, 256, 255 // 11, dtype=np.uint8)[:12].reshape(2, 2, 3)
    got = normalise(pixels)
    assert got.shape == (1, 3, 2, 2)
    assert got.dtype == np.float32
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    for y, x, c in np.ndindex(2, 2, 3):
        exact = (Fraction(int(pixels[y, x, c]), 255) - Fraction(mean[c])) / Fraction(std[c])
        assert got[0, c, y, x] == np.float32(float(exact))


@pytest.mark.small
@pytest.mark.parametrize(
    ("pixels", "sentence"),
    [
        (np.zeros((4, 4), np.uint8), "a photograph must be 8-bit RGB"),
        (np.zeros((4, 4, 4), np.uint8), "a photograph must be 8-bit RGB"),
        (np.zeros((4, 4, 3), np.float32), "a photograph must be 8-bit RGB"),
        (np.zeros((8, 7, 3), np.uint8), "a photograph must be at least 8×8 pixels, not 8×7"),
    ],
)
def test_what_is_no_photograph_of_the_size_is_refused(pixels, sentence):
    with pytest.raises(ValueError, match=sentence):
        square(pixels, 8)
