"""X-volution in training: two branches, each normalised with the statistics of its own batch."""

import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs.rings import rationals
from refimpl import conv2d, pssa, xvolution_training

exactly = settings(deadline=None, derandomize=True, max_examples=40)
sides, odd = st.integers(1, 4), st.sampled_from([1, 3])
NAMES = ("gamma_c", "beta_c", "gamma_a", "beta_a")


def normalised(y, gamma, beta, eps):
    """Each channel by Python's own mean and population variance of exact numbers."""
    out = np.empty(y.shape)
    for c in range(y.shape[1]):
        column = list(y[:, c].flat)
        deviation = (float(statistics.pvariance(column)) + eps) ** 0.5
        centred = (y[:, c] - statistics.mean(column)).astype(float)
        out[:, c] = centred / deviation * gamma[c] + beta[c]
    return out


@exactly
@given(
    st.tuples(sides, sides),
    st.tuples(odd, odd),
    st.integers(1, 2),
    st.integers(1, 2),
    st.sampled_from(["circular", "zero"]),
    st.integers(0, 99),
)
def test_each_branch_is_normalised_with_its_own_batch_and_returns_its_statistics(
    image, kernel_sides, stride, dilation, boundary, seed
):
    x, (k_c, k_a) = rationals(2, 2, *image, seed=seed), kernel_sides
    w_c, w_a = rationals(3, 2, k_c, k_c, seed=seed), rationals(3, 8, k_a, k_a, seed=seed + 1)
    b_c, b_a = rationals(2, 3, seed=seed + 2)
    steps = {"stride": stride, "dilation": dilation}
    branches = (
        conv2d(x, w_c, b_c, padding=dilation * (k_c // 2), **steps),
        pssa(x, w_a, b_a, boundary=boundary, **steps),
    )
    parameters = dict(zip(NAMES, rationals(4, 3, seed=seed + 3).astype(float), strict=True))
    gammas_and_betas = np.split(np.stack(list(parameters.values())), 2)
    arrays = {"x": x, "w_c": w_c, "w_a": w_a, "b_c": b_c, "b_a": b_a}
    floats = {name: array.astype(float) for name, array in arrays.items()}
    result = xvolution_training(**floats, **parameters, boundary=boundary, eps=0.5, **steps)
    expected = [
        normalised(y, *each, 0.5) for y, each in zip(branches, gammas_and_betas, strict=True)
    ]
    np.testing.assert_allclose(result.y, sum(expected), rtol=0, atol=1e-9)
    for y, back in zip(branches, (result.conv, result.attention), strict=True):
        columns = [list(y[:, c].flat) for c in range(3)]
        means = [float(statistics.mean(each)) for each in columns]
        unbiased = [float(statistics.variance(each)) for each in columns]
        np.testing.assert_allclose(back.mean, means, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(back.unbiased_var, unbiased, rtol=1e-9, atol=1e-9)


def test_a_bias_before_batch_statistics_changes_nothing_but_the_mean():
    rng = np.random.default_rng(1)
    x, w_c, w_a = (
        rng.standard_normal(shape) for shape in ((2, 1, 3, 3), (2, 1, 3, 3), (2, 4, 3, 3))
    )
    parameters = dict(zip(NAMES, rng.standard_normal((4, 2)), strict=True))
    plain = xvolution_training(x, w_c, w_a, **parameters)
    biased = xvolution_training(x, w_c, w_a, **parameters, b_c=np.full(2, 3.0))
    np.testing.assert_allclose(biased.y, plain.y, rtol=0, atol=1e-12)
    np.testing.assert_allclose(biased.conv.mean, plain.conv.mean + 3, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(biased.attention.mean, plain.attention.mean)


def test_one_image_of_one_pixel_cannot_train():
    one = np.ones(1)
    with pytest.raises(ValueError, match=r"^batch statistics must be taken over N·H·W ≥ 2"):
        xvolution_training(
            np.ones((1, 1, 1, 1)), np.ones((1, 1, 1, 1)), np.ones((1, 4, 1, 1)), one, one, one, one
        )
