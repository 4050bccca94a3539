"""Local attention as a loop over the window of each pixel."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs.rings import rationals, same
from refimpl import global_attention, local_attention

exactly = settings(deadline=None, derandomize=True, max_examples=50)
sides, odd, seeds = st.integers(1, 4), st.sampled_from([1, 3, 5]), st.integers(0, 99)
pairs = st.tuples(st.integers(1, 2), st.integers(1, 3))


def dot(left, right):
    return sum(a * b for a, b in zip(left, right, strict=True))


def literal(weigh, x, w_q, w_k, w_v, *, kernel, stride, dilation):
    """Σ over the pixels of the window that are inside the image of weigh(scores) · v."""
    height, width = x.shape[2:]
    outputs = -(-height // stride[0]), -(-width // stride[1])
    y = np.empty((len(x), len(w_v), *outputs), x.dtype)
    for n, i, j in np.ndindex(len(x), *outputs):
        row, col = i * stride[0], j * stride[1]
        reach = [range(-(side // 2), side // 2 + 1) for side in kernel]
        places = [(row + u * dilation[0], col + v * dilation[1]) for u, v in product(*reach)]
        pixels = [x[n, :, r, c] for r, c in places if 0 <= r < height and 0 <= c < width]
        query = [dot(line, x[n, :, row, col]) for line in w_q]
        weights = weigh([dot(query, [dot(line, pixel) for line in w_k]) for pixel in pixels])
        y[n, :, i, j] = [dot(weights, [dot(line, pixel) for pixel in pixels]) for line in w_v]
    return y


@exactly
@given(st.tuples(st.integers(1, 2), pairs, sides, sides), st.tuples(odd, odd), pairs, pairs, seeds)
def test_without_softmax_it_is_the_sum_over_the_window(image, kernel, stride, dilation, seed):
    n, (c, d), height, width = image
    x = rationals(n, c, height, width, seed=seed)
    matrices = rationals(3, d, c, seed=seed + 1)
    options = {"kernel": kernel, "stride": stride, "dilation": dilation}
    assert same(local_attention(x, *matrices, **options), literal(list, x, *matrices, **options))


@exactly
@given(st.tuples(st.integers(1, 2), pairs, sides, sides), st.tuples(odd, odd), pairs, pairs, seeds)
def test_with_softmax_pixels_outside_the_image_are_masked(image, kernel, stride, dilation, seed):
    n, (c, d), height, width = image
    rng = np.random.default_rng(seed)
    x, matrices = rng.standard_normal((n, c, height, width)), rng.standard_normal((3, d, c))

    def weigh(scores):
        raised = [math.exp((score - max(scores)) / math.sqrt(d)) for score in scores]
        return [each / math.fsum(raised) for each in raised]

    options = {"kernel": kernel, "stride": stride, "dilation": dilation}
    expected = literal(weigh, x, *matrices, **options)
    y = local_attention(x, *matrices, normalise="softmax", **options)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-12 * (1 + np.abs(expected).max()))


@pytest.mark.parametrize("stride", [1, 2])
def test_a_window_that_covers_the_image_is_global_attention(stride):
    x, matrices = rationals(1, 2, 3, 4, seed=1), rationals(3, 2, 2, seed=2)
    everywhere = global_attention(x, *matrices, normalise="none", stride=stride)
    assert same(local_attention(x, *matrices, kernel=(5, 7), stride=stride), everywhere)


@exactly
@given(st.tuples(pairs, sides, sides), odd, seeds)
def test_it_is_odd_and_of_degree_three(image, kernel, seed):
    (c, d), height, width = image
    x, matrices = rationals(1, c, height, width, seed=seed), rationals(3, d, c, seed=seed + 1)
    y = local_attention(x, *matrices, kernel=kernel)
    assert same(local_attention(-x, *matrices, kernel=kernel), -y)
    assert same(local_attention(2 * x, *matrices, kernel=kernel), 8 * y)


def test_a_window_of_one_pixel_with_softmax_is_the_value_itself():
    rng = np.random.default_rng(1)
    x, matrices = rng.standard_normal((1, 2, 3, 3)), rng.standard_normal((3, 2, 2))
    y = local_attention(x, *matrices, kernel=1, normalise="softmax")
    np.testing.assert_allclose(y, np.einsum("oc,ncij->noij", matrices[2], x), atol=1e-14)


def test_pixels_outside_the_image_do_not_win_where_all_scores_inside_are_very_negative():
    """A masked score of 0 as the maximum would leave nothing of exp(−10⁴): 0/0."""
    x, one = np.array([[[[100.0]]]]), np.ones((1, 1))
    y = local_attention(x, -one, one, one, normalise="softmax")
    np.testing.assert_array_equal(y, x)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"kernel": 2}, "kernel sides must be odd for 'same' padding, not (2, 2)"),
        ({"kernel": (3, 4)}, "kernel sides must be odd for 'same' padding, not (3, 4)"),
        (
            {"kernel": 0},
            "kernel must be an integer or a pair of integers of at least 1, not 0",
        ),
        ({"normalise": "l2"}, "normalise must be 'softmax' or 'none', not 'l2'"),
    ],
    ids=str,
)
def test_what_is_no_window_is_refused_in_one_sentence(options, sentence):
    one = np.ones((1, 1))
    with pytest.raises(ValueError, match="must") as error:
        local_attention(np.ones((1, 1, 4, 4)), one, one, one, **options)
    assert str(error.value) == sentence
