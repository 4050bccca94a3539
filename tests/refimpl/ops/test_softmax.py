"""softmax: positive, adding up to 1, blind to a common shift."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs.rings import duals, rationals, same, values
from refimpl import softmax, softmax_backward
from refimpl.ops.softmax import masked_softmax

exactly = settings(deadline=None, derandomize=True, max_examples=50)
sides, seeds = st.integers(1, 4), st.integers(0, 999)


@exactly
@given(st.lists(st.floats(-700, 700), min_size=1, max_size=6))
def test_each_number_is_its_exponential_over_the_sum_of_all(row):
    total = math.fsum(math.exp(number - max(row)) for number in row)
    literal = [math.exp(number - max(row)) / total for number in row]
    np.testing.assert_allclose(softmax(np.array(row)), literal, rtol=1e-14)


@exactly
@given(sides, sides, sides, seeds, st.integers(-3, 2))
def test_along_its_axis_the_result_is_positive_and_adds_up_to_one(a, b, c, seed, axis):
    """Exactly: over rationals, with a rational in place of the exponential."""
    y = values(softmax(duals(rationals(a, b, c, seed=seed)), axis=axis))
    assert y.shape == (a, b, c)
    assert np.all(y > 0)
    assert np.all(y.sum(axis=axis) == 1)


@exactly
@given(sides, sides, seeds, st.integers(-5, 5))
def test_a_common_shift_changes_nothing(rows, cols, seed, shift):
    x = duals(rationals(rows, cols, seed=seed))
    assert same(softmax(x + shift), softmax(x))


def test_an_axis_is_what_it_would_be_were_it_the_last():
    x = np.random.default_rng(1).standard_normal((2, 3, 4))
    moved = softmax(x.transpose(0, 2, 1)).transpose(0, 2, 1)
    np.testing.assert_array_equal(softmax(x, axis=1), moved)


def test_numbers_that_exp_cannot_hold_are_no_obstacle():
    np.testing.assert_array_equal(softmax(np.array([1e4, -1e4, 1e4])), [0.5, 0.0, 0.5])


@exactly
@given(sides, sides, seeds)
def test_the_gradient_is_blind_to_a_common_shift_and_adds_up_to_zero(rows, cols, seed):
    """∂y + const gives the same ∂x, and Σ ∂x = 0: the output lies on Σ y = 1."""
    x, dy = duals(rationals(rows, cols, seed=seed)), rationals(rows, cols, seed=seed + 1)
    dx = values(softmax_backward(duals(dy), x).x)
    assert np.all(dx.sum(axis=-1) == 0)
    assert same(dx, values(softmax_backward(duals(dy + 5), x).x))


def test_a_masked_softmax_is_the_softmax_of_what_is_inside():
    scores, inside = duals(rationals(2, 5, seed=1)), np.array([True, False, True, True, False])
    y = masked_softmax(scores, inside)
    assert same(y[:, inside], softmax(scores[:, inside]))
    assert np.all(y[:, ~inside] == 0)


@pytest.mark.parametrize("axis", [2, -3, 0.5, True, None])
def test_an_axis_that_is_not_there_is_refused(axis):
    with pytest.raises(ValueError, match=rf"^axis must be one of the 2 axes of x, not {axis}$"):
        softmax(np.ones((2, 2)), axis=axis)


def test_the_softmax_of_nothing_is_refused():
    with pytest.raises(ValueError, match=r"^x must have at least one number along axis -1, not"):
        softmax(np.ones((2, 0)))
