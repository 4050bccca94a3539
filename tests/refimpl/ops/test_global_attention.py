"""Global attention as a double loop over queries and pixels."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs.rings import duals, rationals, same, values
from refimpl import conv2d, global_attention
from refimpl.arrays import ShapeError
from refimpl.ops.softmax import softmax

exactly = settings(deadline=None, derandomize=True, max_examples=50)
seeds = st.integers(0, 99)
sides = st.integers(1, 3)


@st.composite
def layers(draw):
    """Shapes of image and projections, heads and stride."""
    heads = draw(st.integers(1, 2))
    image = (draw(st.integers(1, 2)), draw(sides), draw(sides), draw(sides))
    d, v = heads * draw(st.integers(1, 2)), heads * draw(st.integers(1, 2))
    matrices = (d, image[1]), (d, image[1]), (v, image[1])
    return image, matrices, {"heads": heads, "stride": (draw(sides), draw(sides))}


def dot(left, right):
    return sum(a * b for a, b in zip(left, right, strict=True))


def attend(weigh, x, w_q, w_k, w_v, *, heads, stride):
    """Sum weigh(scores)_t · v_t for each head and strided pixel; lists all the way."""
    down, right = stride
    outputs = -(-x.shape[2] // down), -(-x.shape[3] // right)
    y = np.empty((len(x), len(w_v), *outputs), x.dtype)
    d, v = len(w_q) // heads, len(w_v) // heads
    for n, head, i, j in np.ndindex(len(x), heads, *outputs):
        pixels = [x[n, :, row, col] for row, col in np.ndindex(x.shape[2:])]
        rows_q, rows_k = (w[head * d : (head + 1) * d] for w in (w_q, w_k))
        query = [dot(row, x[n, :, i * down, j * right]) for row in rows_q]
        scores = [dot(query, [dot(row, pixel) for row in rows_k]) for pixel in pixels]
        weights = weigh(scores)
        for o in range(head * v, (head + 1) * v):
            y[n, o, i, j] = dot(weights, [dot(w_v[o], pixel) for pixel in pixels])
    return y


def literal_softmax(scores):
    raised = [math.exp(score - max(scores)) for score in scores]
    return [each / math.fsum(raised) for each in raised]


@exactly
@given(layers(), seeds, st.sampled_from(["scores", "context"]))
def test_without_softmax_it_is_the_double_sum_in_either_order(layer, seed, order):
    image, shapes, options = layer
    x, matrices = rationals(*image, seed=seed), [rationals(*s, seed=seed + 1) for s in shapes]
    scale = Fraction(2, 3)

    def scaled(scores):
        return [scale * score for score in scores]

    y = global_attention(x, *matrices, normalise="none", order=order, scale=scale, **options)
    assert same(y, attend(scaled, x, *matrices, **options))


@exactly
@given(layers(), seeds)
def test_with_softmax_it_is_the_weighted_mean_with_scale_one_over_root_d(layer, seed):
    image, shapes, options = layer
    rng = np.random.default_rng(seed)
    x, matrices = rng.standard_normal(image), [rng.standard_normal(shape) for shape in shapes]
    root = math.sqrt(shapes[0][0] // options["heads"])

    def weigh(scores):
        return literal_softmax([score / root for score in scores])

    expected = attend(weigh, x, *matrices, **options)
    y = global_attention(x, *matrices, **options)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-12 * (1 + np.abs(expected).max()))


def test_without_softmax_the_default_scale_is_one():
    x, matrices = rationals(1, 2, 2, 2, seed=1), rationals(3, 4, 2, seed=2)
    plain = global_attention(x, *matrices, normalise="none")
    assert same(plain, global_attention(x, *matrices, normalise="none", scale=Fraction(1)))


@exactly
@given(st.tuples(st.just(1), sides, sides, sides), seeds)
def test_without_softmax_it_is_the_1x1_convolution_with_the_sum_of_v_k_transposed(image, seed):
    x = rationals(*image, seed=seed)
    w_q, w_k, w_v = rationals(3, 2, image[1], seed=seed + 1)
    pixels = x[0].reshape(image[1], -1).T
    context = sum(np.outer(w_v @ pixel, w_k @ pixel) for pixel in pixels)
    y = global_attention(x, w_q, w_k, w_v, normalise="none", stride=2)
    assert same(y, conv2d(x, (context @ w_q)[:, :, None, None], stride=2))


@exactly
@given(st.tuples(sides, sides), seeds)
def test_weights_of_a_query_sum_to_one(shape, seed):
    """Exactly: over rationals, with a rational in place of the exponential."""
    weights = softmax(duals(rationals(*shape, seed=seed)))
    assert list(values(weights.sum(axis=-1))) == [1] * shape[0]
    assert np.all(values(weights) > 0)


def test_where_all_pixels_have_one_value_that_is_the_output():
    x, (w_q, w_k) = np.random.default_rng(1).standard_normal((1, 2, 3, 3)), np.ones((2, 2, 2))
    x[:, 1] = 4.0
    y = global_attention(x, w_q, w_k, np.array([[0.0, 0.5]]))
    np.testing.assert_allclose(y, 2.0, rtol=1e-15)


def test_scores_that_exp_cannot_hold_are_no_obstacle():
    x = np.array([[[[1e4, -1e4, 0.0]]]])
    one = np.ones((1, 1))
    np.testing.assert_array_equal(global_attention(x, one, one, one)[0, 0, 0, :2], [1e4, -1e4])


@pytest.mark.parametrize("normalise", ["softmax", "none"])
def test_it_knows_no_positions_permuted_pixels_give_permuted_outputs(normalise):
    rng = np.random.default_rng(1)
    x, matrices = rng.standard_normal((1, 3, 2, 4)), rng.standard_normal((3, 2, 3))
    order = rng.permutation(8)

    def permuted(image):
        return image.reshape(*image.shape[:2], 8)[..., order].reshape(image.shape)

    y = global_attention(x, *matrices, normalise=normalise)
    again = global_attention(permuted(x), *matrices, normalise=normalise)
    np.testing.assert_allclose(again, permuted(y), rtol=0, atol=1e-12)


def test_a_stride_takes_every_so_many_queries_and_all_keys():
    x, matrices = rationals(1, 2, 4, 5, seed=1), rationals(3, 2, 2, seed=2)
    dense = global_attention(x, *matrices, normalise="none")
    strided = global_attention(x, *matrices, normalise="none", stride=(3, 2))
    assert same(strided, dense[:, :, ::3, ::2])


def test_heads_are_attentions_of_their_own_side_by_side():
    x, (w_q, w_k, w_v) = rationals(1, 3, 2, 3, seed=1), rationals(3, 4, 3, seed=2)
    halves = [
        global_attention(x, w_q[half], w_k[half], w_v[half], normalise="none")
        for half in (slice(2), slice(2, 4))
    ]
    both = global_attention(x, w_q, w_k, w_v, normalise="none", heads=2)
    assert same(both, np.concatenate(halves, axis=1))


def test_an_output_projection_mixes_the_channels_at_the_end():
    x, matrices = rationals(1, 3, 2, 3, seed=1), rationals(3, 2, 3, seed=2)
    w_o = rationals(4, 2, seed=3)
    y = global_attention(x, *matrices, normalise="none")
    mixed = np.einsum("ov,nvij->noij", w_o, y)
    assert same(global_attention(x, *matrices, w_o, normalise="none"), mixed)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"normalise": "l2"}, "normalise must be 'softmax' or 'none', not 'l2'"),
        ({"order": "keys"}, "order must be 'scores' or 'context', not 'keys'"),
        (
            {"order": "context"},
            "order 'context' must go with normalise 'none': softmax needs the scores",
        ),
        (
            {"heads": 3},
            "heads must divide the 4 channels of queries and the 6 of values, not be 3",
        ),
        (
            {"heads": 4},
            "heads must divide the 4 channels of queries and the 6 of values, not be 4",
        ),
        (
            {"heads": 0},
            "heads must divide the 4 channels of queries and the 6 of values, not be 0",
        ),
        (
            {"stride": 0},
            "stride must be an integer or a pair of integers of at least 1, not 0",
        ),
    ],
    ids=str,
)
def test_an_option_there_is_not_is_refused_in_one_sentence(options, sentence):
    x, w, w_v = np.ones((1, 2, 2, 2)), np.ones((4, 2)), np.ones((6, 2))
    with pytest.raises(ValueError, match="must") as error:
        global_attention(x, w, w, w_v, **options)
    assert str(error.value) == sentence


def test_queries_and_keys_of_different_lengths_are_refused():
    with pytest.raises(ShapeError, match=r"w_q \(d c\), w_k \(d c\), w_v \(v c\), not"):
        global_attention(np.ones((1, 2, 2, 2)), np.ones((4, 2)), np.ones((3, 2)), np.ones((4, 2)))
