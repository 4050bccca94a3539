"""Pooling, window by window; integers with many ties decide where gradients go."""

import statistics
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs.rings import rationals, same
from refimpl import (
    global_avg_pool,
    global_avg_pool_backward,
    max_pool2d,
    max_pool2d_backward,
)

exactly = settings(deadline=None, derandomize=True, max_examples=80)


@st.composite
def pools(draw):
    """Integers −1, 0, 1 (so that maxima tie), and a window that fits with its padding."""
    kernel = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    padding = tuple(draw(st.integers(0, side // 2)) for side in kernel)
    sides = [
        draw(st.integers(max(1, side - 2 * pad), side - 2 * pad + 4))
        for side, pad in zip(kernel, padding, strict=True)
    ]
    stride = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = rng.integers(-1, 2, (2, 2, *sides)) - draw(st.integers(0, 3))
    return x, {"kernel": kernel, "stride": stride, "padding": padding}


def windows(x, kernel, stride, padding):
    """Yield output place and the pixels in its window, in row order, inside the image only."""
    starts = [
        range(-pad, side + pad - taps + 1, step)
        for side, taps, step, pad in zip(x.shape[2:], kernel, stride, padding, strict=True)
    ]
    for n, c in np.ndindex(x.shape[:2]):
        for i, top in enumerate(starts[0]):
            for j, left in enumerate(starts[1]):
                rows = [r for r in range(top, top + kernel[0]) if 0 <= r < x.shape[2]]
                cols = [k for k in range(left, left + kernel[1]) if 0 <= k < x.shape[3]]
                yield (n, c, i, j), [(n, c, row, col) for row in rows for col in cols]


@exactly
@given(pools())
def test_the_maximum_is_over_the_pixels_inside_the_image(pool):
    x, options = pool
    y = max_pool2d(x, **options)
    expected = {at: max(x[pixel] for pixel in seen) for at, seen in windows(x, **options)}
    assert dict(np.ndenumerate(y)) == expected


@exactly
@given(pools())
def test_the_gradient_goes_to_the_first_of_the_largest_in_row_order(pool):
    x, options = pool
    dy = rationals(*max_pool2d(x, **options).shape, seed=1)
    x, dx = x.astype(object), np.zeros(x.shape, object)
    for at, seen in windows(x, **options):
        dx[max(seen, key=lambda pixel: x[pixel])] += dy[at]  # max keeps the first of equals
    assert same(max_pool2d_backward(dy, x, **options).x, dx)


def test_padding_never_wins_against_negative_pixels():
    y = max_pool2d(np.full((1, 1, 3, 3), -5.0), kernel=3, stride=1, padding=1)
    np.testing.assert_array_equal(y, -5.0)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"kernel": 2, "padding": 2},
            "padding (2, 2) must be at most half of the kernel (2, 2)",
        ),
        (
            {"kernel": (3, 1), "padding": (1, 1)},
            "padding (1, 1) must be at most half of the kernel (3, 1)",
        ),
        (
            {"kernel": 5},
            (
                "kernel must fit in the padded image: it spans (5, 5), and "
                "the image with padding is (4, 4)"
            ),
        ),
        (
            {"stride": 0},
            "stride must be an integer or a pair of integers of at least 1, not 0",
        ),
    ],
    ids=str,
)
def test_a_window_that_does_not_fit_is_refused_in_one_sentence(options, sentence):
    with pytest.raises(ValueError, match="must") as error:
        max_pool2d(np.ones((1, 1, 4, 4)), **options)
    assert str(error.value) == sentence


@exactly
@given(st.tuples(*[st.integers(1, 4)] * 4), st.integers(0, 99))
def test_the_global_average_is_the_mean_of_each_channel(shape, seed):
    x = rationals(*shape, seed=seed)
    y = global_avg_pool(x)
    assert y.shape == shape[:2]
    for (n, c), value in np.ndenumerate(y):
        assert value == statistics.mean(x[n, c].flat)


@exactly
@given(st.tuples(*[st.integers(1, 4)] * 4), st.integers(0, 99))
def test_the_gradient_of_the_average_is_shared_evenly(shape, seed):
    x, dy = rationals(*shape, seed=seed), rationals(*shape[:2], seed=seed + 1)
    dx = global_avg_pool_backward(dy, x).x
    for (n, c, *_), share in np.ndenumerate(dx):
        assert share == dy[n, c] * Fraction(1, shape[2] * shape[3])
