"""Batch normalisation against Python's statistics module and the affine map written out."""

import statistics
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs.rings import duals, rationals, same, values
from refimpl import batch_norm, batch_norm_training, batch_norm_training_backward
from refimpl.arrays import ShapeError

exactly = settings(deadline=None, derandomize=True, max_examples=50)
sides = st.integers(1, 4)
shapes = st.tuples(sides, st.just(1), sides, sides).filter(lambda shape: np.prod(shape) > 1)


def per_channel(function, x):
    return [function(list(x[:, c].flat)) for c in range(x.shape[1])]


def rational_root(variance):
    """(ε, √(variance + ε)), both rational, ε > 0."""
    root = int(variance) + 1
    return root**2 - variance, root


@exactly
@given(shapes, st.integers(0, 99))
def test_training_normalises_with_mean_and_biased_variance_exactly(shape, seed):
    x, (gamma, beta) = rationals(*shape, seed=seed), rationals(2, 1, seed=seed + 1)
    (mean,), (variance,) = per_channel(statistics.mean, x), per_channel(statistics.pvariance, x)
    eps, root = rational_root(variance)
    y = batch_norm_training(duals(x), duals(gamma), duals(beta), eps=eps).y
    assert same(values(y), (x - mean) / root * gamma[0] + beta[0])


@exactly
@given(shapes, st.integers(0, 99))
def test_the_statistics_returned_are_the_mean_and_the_unbiased_variance(shape, seed):
    x, one = rationals(*shape, seed=seed), np.array([Fraction(1)], object)
    eps, _ = rational_root(statistics.pvariance(list(x.flat)))
    result = batch_norm_training(duals(x), duals(one), duals(one), eps=eps)
    assert list(values(result.mean)) == per_channel(statistics.mean, x)
    assert list(values(result.unbiased_var)) == per_channel(statistics.variance, x)


def test_channels_are_normalised_apart_to_mean_beta_and_deviation_gamma():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((3, 4, 5, 2)) * np.arange(1, 5)[:, None, None] + 7
    gamma, beta = rng.uniform(0.5, 2, 4), rng.standard_normal(4)
    y = batch_norm_training(x, gamma, beta, eps=0.0).y
    np.testing.assert_allclose(per_channel(statistics.fmean, y), beta, rtol=0, atol=1e-12)
    np.testing.assert_allclose(per_channel(statistics.pstdev, y), gamma, rtol=1e-12)


def test_mean_and_variance_are_numpys_population_and_sample_moments():
    x = np.random.default_rng(2).standard_normal((3, 4, 5, 2))
    result = batch_norm_training(x, np.ones(4), np.zeros(4))
    columns = x.transpose(0, 2, 3, 1).reshape(-1, 4)
    np.testing.assert_allclose(result.mean, np.mean(columns, axis=0), rtol=0, atol=1e-14)
    np.testing.assert_allclose(result.unbiased_var, np.var(columns, axis=0, ddof=1), rtol=1e-13)


def test_training_with_running_statistics_in_their_place_is_inference():
    x = np.random.default_rng(3).standard_normal((2, 3, 2, 2))
    gamma, beta = np.arange(1.0, 4), np.arange(3.0)
    trained = batch_norm_training(x, gamma, beta)
    biased = trained.unbiased_var * 7 / 8
    again = batch_norm(x, gamma, beta, trained.mean, biased)
    np.testing.assert_allclose(again, trained.y, rtol=0, atol=1e-13)


@exactly
@given(st.tuples(sides, sides, sides, sides), st.integers(0, 99))
def test_inference_is_the_affine_map_of_each_channel(shape, seed):
    x, channels = rationals(*shape, seed=seed), shape[1]
    gamma, beta, mean, roots = rationals(4, channels, seed=seed + 1)
    roots = np.abs(roots) + Fraction(1, 2)
    eps = Fraction(1, 8)
    y = batch_norm(x, gamma, beta, mean, duals(roots * roots - eps), eps=eps)
    for (n, c, i, j), value in np.ndenumerate(values(y)):
        assert value == gamma[c] * (x[n, c, i, j] - mean[c]) / roots[c] + beta[c]


@exactly
@given(shapes, st.integers(0, 99))
def test_in_training_no_gradient_reaches_the_mean_or_the_spread_of_a_channel(shape, seed):
    """The output does not change with x + t, nor (ε = 0) with t·x: Σ ∂x = 0 and Σ ∂x·x = 0."""
    rng = np.random.default_rng(seed)
    x, dy = rng.standard_normal(shape), rng.standard_normal(shape)
    dx = batch_norm_training_backward(dy, x, np.ones(1), eps=0.0).x
    size = np.abs(dy).sum() / x.std() ** 2 * (1 + np.abs(x).max())
    assert abs(dx.sum()) <= 1e-12 * size
    assert abs((dx * x).sum()) <= 1e-12 * size * (1 + np.abs(x).max())


@pytest.mark.parametrize("shape", [(1, 3, 1, 1), (0, 3, 4, 4), (1, 3, 0, 2)], ids=str)
def test_statistics_of_fewer_than_two_values_are_refused(shape):
    x, one = np.ones(shape), np.ones(3)
    for run in (
        lambda: batch_norm_training(x, one, one),
        lambda: batch_norm_training_backward(x, x, one),
    ):
        with pytest.raises(ValueError, match="N·H·W") as error:
            run()
        count = x.size // 3
        sentence = f"batch statistics must be taken over N·H·W ≥ 2 values, not {count}"
        assert str(error.value) == sentence


@pytest.mark.parametrize("shape", [(2, 1, 1, 1), (1, 1, 2, 1), (1, 1, 1, 2)], ids=str)
def test_two_values_are_enough_and_become_plus_and_minus_one(shape):
    x = np.array([3.0, 7.0]).reshape(shape)
    y = batch_norm_training(x, np.ones(1), np.zeros(1), eps=0.0).y
    np.testing.assert_array_equal(y.reshape(-1), [-1.0, 1.0])


def test_a_constant_channel_becomes_beta():
    y = batch_norm_training(np.full((2, 1, 3, 3), 5.0), np.ones(1), np.full(1, 0.25)).y
    np.testing.assert_array_equal(y, 0.25)


@pytest.mark.parametrize("place", range(4))
def test_a_parameter_for_another_number_of_channels_is_refused(place):
    parameters = [np.ones(3) for _ in range(4)]
    parameters[place] = np.ones(1)
    with pytest.raises(ShapeError, match=r"^batch_norm must be given x \(n c h w\), gamma \(c\)"):
        batch_norm(np.ones((2, 3, 2, 2)), *parameters)
