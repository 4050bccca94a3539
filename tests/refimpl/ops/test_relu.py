"""relu, value by value."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs.rings import rationals, same
from refimpl import relu, relu_backward
from refimpl.arrays import ShapeError

exactly = settings(deadline=None, derandomize=True, max_examples=50)
shapes = st.lists(st.integers(0, 3), min_size=1, max_size=5)


@exactly
@given(shapes, st.integers(0, 99))
def test_relu_keeps_what_is_positive_and_replaces_the_rest_by_zero(shape, seed):
    x = rationals(*shape, seed=seed)
    expected = np.array([max(0, a) for a in x.flat], object).reshape(shape)
    assert same(relu(x), expected)


@exactly
@given(shapes, st.integers(0, 99))
def test_the_gradient_passes_where_the_input_is_positive_and_nowhere_else(shape, seed):
    x, dy = rationals(*shape, seed=seed), rationals(*shape, seed=seed + 1)
    pairs = zip(dy.flat, x.flat, strict=True)
    expected = np.array([d if a > 0 else 0 for d, a in pairs], object).reshape(shape)
    assert same(relu_backward(dy, x).x, expected)


def test_the_subgradient_at_zero_is_zero():
    zero = np.array([Fraction(0), Fraction(1, 10**30), -Fraction(1, 10**30)], object)
    assert list(relu_backward(np.ones(3), zero).x) == [0, 1, 0]


@given(st.lists(st.floats(-1e300, 1e300), min_size=1))
@exactly
def test_twice_is_once_and_the_two_halves_make_the_whole(numbers):
    x = np.array(numbers)
    np.testing.assert_array_equal(relu(relu(x)), relu(x))
    np.testing.assert_array_equal(relu(x) - relu(-x), x)


def test_what_is_not_a_number_stays_visible():
    assert np.isnan(relu(np.array([np.nan]))[0])


def test_an_upstream_gradient_of_another_shape_is_refused():
    with pytest.raises(ShapeError, match="relu_backward must be given dy"):
        relu_backward(np.ones((1, 2)), np.ones((2, 1)))
