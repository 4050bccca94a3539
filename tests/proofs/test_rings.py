"""Dual numbers are a commutative ring that knows its derivatives; roots are exact or refused."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs.rings import Dual, duals, exact_root, rationals, same, slopes, values

fractions = st.fractions(min_value=-20, max_value=20, max_denominator=12)
numbers = st.builds(Dual, fractions, fractions)
invertible = numbers.filter(lambda dual: dual.value != 0)
squares = st.builds(
    lambda root, slope: Dual(root * root, slope),
    fractions.filter(bool),
    fractions,
)
ZERO, ONE, EPSILON = Dual(Fraction(0)), Dual(Fraction(1)), Dual(Fraction(0), Fraction(1))


@given(a=numbers, b=numbers, c=numbers)
def test_dual_numbers_are_a_commutative_ring(a, b, c):
    assert a + b == b + a
    assert a * b == b * a
    assert (a + b) + c == a + (b + c)
    assert (a * b) * c == a * (b * c)
    assert a * (b + c) == a * b + a * c
    assert a + ZERO == a * ONE == a
    assert a - a == a + (-a) == ZERO


def test_epsilon_squared_is_zero_but_epsilon_is_not():
    assert EPSILON * EPSILON == ZERO != EPSILON


@given(a=numbers, b=numbers)
def test_a_product_has_the_slope_of_the_product_rule(a, b):
    assert (a * b).slope == a.slope * b.value + a.value * b.slope


@given(a=numbers, b=invertible)
def test_division_undoes_multiplication(a, b):
    assert (a / b) * b == a
    assert b * (1 / b) == ONE


@given(a=numbers, n=st.integers(-9, 9), q=fractions)
def test_integers_and_rationals_stand_on_either_side(a, n, q):
    for plain in (n, q):
        lifted = Dual(Fraction(plain))
        assert a + plain == plain + a == a + lifted
        assert a * plain == plain * a == a * lifted
        assert a - plain == a - lifted
        assert plain - a == lifted - a


@given(a=squares)
def test_a_square_root_squared_is_the_number_slope_included(a):
    root = a.sqrt()
    assert root * root == a
    assert root.value > 0


@given(a=numbers)
def test_exp_is_positive_and_its_own_derivative(a):
    raised = a.exp()
    assert raised.value > 0
    assert raised.slope == raised.value * a.slope


@given(a=numbers.filter(lambda dual: dual.value > 0))
def test_log_has_the_slope_of_the_logarithm_and_undoes_exp(a):
    assert a.log().slope == a.slope / a.value
    assert a.log().exp() == a
    assert a.exp().log() == Dual(a.value, a.slope)


@pytest.mark.parametrize("number", [Fraction(0), Fraction(-1, 2)])
def test_what_is_not_positive_has_no_logarithm(number):
    with pytest.raises(ValueError, match=f"a logarithm needs a positive number, not {number}"):
        Dual(number).log()


@given(a=numbers, b=numbers)
def test_order_is_that_of_the_values(a, b):
    assert (a < b, a <= b, a > b, a >= b) == (
        a.value < b.value,
        a.value <= b.value,
        a.value > b.value,
        a.value >= b.value,
    )


@given(a=numbers)
def test_equal_numbers_have_equal_hashes_and_others_compare_unequal(a):
    assert hash(a) == hash(Dual(a.value, a.slope))
    assert a != Dual(a.value, a.slope + 1)
    assert a != "a"


@given(root=fractions.filter(bool))
def test_an_exact_root_is_the_positive_one(root):
    assert exact_root(root * root) == abs(root)


@pytest.mark.parametrize("number", [Fraction(2), Fraction(1, 3), Fraction(0), Fraction(-4)])
def test_what_is_not_the_square_of_a_positive_rational_has_no_exact_root(number):
    with pytest.raises(ValueError, match="square of a positive rational"):
        exact_root(number)
    with pytest.raises(ValueError, match="square of a positive rational"):
        Dual(number).sqrt()


def test_arrays_split_into_values_and_slopes():
    value, slope = rationals(2, 3, seed=1), rationals(2, 3, seed=2)
    joined = duals(value, slope)
    assert same(values(joined), value)
    assert same(slopes(joined), slope)
    assert same(slopes(duals(value)), value * 0)


def test_numpy_takes_roots_exponentials_and_logarithms_of_dual_numbers():
    array = duals(np.array([Fraction(4), Fraction(9)], object), 1)
    assert list(np.sqrt(array)) == [
        Dual(Fraction(2), Fraction(1, 4)),
        Dual(Fraction(3), Fraction(1, 6)),
    ]
    assert list(np.exp(array)) == [
        Dual(Fraction(5), Fraction(5)),
        Dual(Fraction(10), Fraction(10)),
    ]
    assert list(np.log(array)) == [
        Dual(Fraction(3), Fraction(1, 4)),
        Dual(Fraction(8), Fraction(1, 9)),
    ]


def test_seeded_rationals_are_exact_and_the_same_every_time():
    drawn = rationals(3, 4, seed=5)
    assert {type(each) for each in drawn.flat} == {Fraction}
    assert same(drawn, rationals(3, 4, seed=5))
    assert not same(drawn, rationals(3, 4, seed=6))


def test_arrays_of_other_shapes_or_numbers_are_not_the_same():
    array = rationals(2, 2, seed=1)
    assert same(array, array.copy())
    assert not same(array, array[:1])  # although it broadcasts
    assert not same(array, array + Fraction(1, 10**30))
