"""Local response normalisation, channel by channel; and what its equation implies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl import local_response_norm, local_response_norm_backward

exactly = settings(deadline=None, derandomize=True, max_examples=60)
options = st.fixed_dictionaries(
    {
        "size": st.sampled_from([1, 3, 5, 7]),
        "alpha": st.sampled_from([0, 1e-4, 0.5]),
        "beta": st.sampled_from([0.5, 0.75, 1]),
        "k": st.sampled_from([1, 2]),
    }
)
shapes = st.tuples(st.integers(1, 2), st.integers(1, 9), st.integers(1, 2), st.integers(1, 2))


def literal(x, size, alpha, beta, k):
    """The paper's formula: from channel max(0, i − n/2) to min(N − 1, i + n/2)."""
    y = np.empty_like(x)
    last = x.shape[1] - 1
    for n, i, row, col in np.ndindex(x.shape):
        near = range(max(0, i - size // 2), min(last, i + size // 2) + 1)
        total = sum(x[n, j, row, col] ** 2 for j in near)
        y[n, i, row, col] = x[n, i, row, col] / (k + alpha * total) ** beta
    return y


@exactly
@given(shapes, options, st.integers(0, 99))
def test_it_is_the_papers_formula(shape, given_options, seed):
    x = np.random.default_rng(seed).normal(0, 3, shape)
    y = local_response_norm(x, **given_options)
    np.testing.assert_allclose(y, literal(x, **given_options), rtol=1e-13)


def test_the_defaults_are_the_papers():
    x = np.random.default_rng(1).normal(0, 30, (1, 9, 2, 2))
    expected = literal(x, size=5, alpha=1e-4, beta=0.75, k=2)
    np.testing.assert_allclose(local_response_norm(x), expected, rtol=1e-13)


@exactly
@given(shapes, options, st.integers(0, 99))
def test_it_is_odd_and_only_pixels_of_one_place_meet(shape, given_options, seed):
    x = np.random.default_rng(seed).normal(0, 3, shape)
    y = local_response_norm(x, **given_options)
    np.testing.assert_array_equal(local_response_norm(-x, **given_options), -y)
    flipped = local_response_norm(x[:, ::-1, ::-1], **given_options)
    np.testing.assert_allclose(flipped[:, ::-1, ::-1], y, rtol=1e-13)


def test_with_alpha_0_it_is_a_scaling():
    x, dy = np.random.default_rng(2).normal(0, 3, (2, 2, 3, 2, 2))
    scale = 4**-0.5
    given_options = {"alpha": 0, "beta": 0.5, "k": 4}
    np.testing.assert_allclose(local_response_norm(x, **given_options), scale * x, rtol=1e-15)
    grad = local_response_norm_backward(dy, x, **given_options).x
    np.testing.assert_allclose(grad, scale * dy, rtol=1e-15)


@exactly
@given(shapes, st.sampled_from([3, 5]), st.integers(0, 99))
def test_the_gradient_along_the_image_itself_follows_from_homogeneity(shape, size, seed):
    """With k → 0, y(t·x) = t^(1 − 2β)·y(x), so Jx·x = (1 − 2β)·y: Euler's relation."""
    rng = np.random.default_rng(seed)
    x = rng.choice([-1, 1], shape) * rng.uniform(1, 2, shape)
    dy = rng.standard_normal(shape)
    given_options = {"size": size, "alpha": 1, "beta": 0.75, "k": 1e-300}
    y = local_response_norm(x, **given_options)
    grad = local_response_norm_backward(dy, x, **given_options).x
    scale = np.abs(grad * x).sum() + np.abs(dy * y).sum()
    assert abs((grad * x).sum() - (1 - 1.5) * (dy * y).sum()) <= 1e-13 * scale


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"size": 4}, "size must be an odd number of channels, not 4"),
        ({"size": -1}, "size must be an odd number of channels, not -1"),
        ({"size": 3.0}, "size must be an odd number of channels, not 3.0"),
        ({"alpha": -1}, "alpha must be at least 0, not -1"),
        ({"k": 0}, "k must be positive, not 0"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(wrong, sentence):
    x = np.ones((1, 3, 1, 1))
    for call in (local_response_norm, lambda *a, **o: local_response_norm_backward(x, *a, **o)):
        with pytest.raises(ValueError, match=f"^{sentence}$"):
            call(x, **wrong)
