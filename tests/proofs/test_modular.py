"""Residues are a field of prime size, and what rationals become in it."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs.modular import PRIME, Mod, residues
from proofs.rings import Dual, duals, rationals, same, slopes, values

numbers = st.builds(Mod, st.integers(0, PRIME - 1))
invertible = numbers.filter(lambda number: number != 0)
fractions = st.fractions(min_value=-99, max_value=99, max_denominator=99)


def reduced(number):
    return Mod(0) + number


@given(a=numbers, b=numbers, c=numbers)
def test_residues_are_a_commutative_ring(a, b, c):
    assert a + b == b + a
    assert a * b == b * a
    assert (a + b) + c == a + (b + c)
    assert (a * b) * c == a * (b * c)
    assert a * (b + c) == a * b + a * c
    assert a + Mod(0) == a * Mod(1) == a
    assert a - a == a + (-a) == Mod(0)


@given(a=numbers, b=invertible)
def test_division_undoes_multiplication(a, b):
    assert (a / b) * b == a
    assert b * (1 / b) == 1


def test_the_modulus_is_prime_by_the_test_of_lucas_and_lehmer():
    """2^p − 1 is prime iff it divides s_(p−2), where s_0 = 4 and s_k = s_(k−1)² − 2."""
    term = 4
    for _ in range(61 - 2):
        term = (term * term - 2) % PRIME
    assert term == 0


@given(p=fractions, q=fractions.filter(bool))
def test_reducing_a_rational_respects_arithmetic(p, q):
    a, b = reduced(p), reduced(q)
    assert (a + b, a - b, a * b, a / b) == (*map(reduced, (p + q, p - q, p * q, p / q)),)


@given(a=invertible, n=st.integers(-9, 9).filter(bool), q=fractions.filter(bool))
def test_integers_and_rationals_stand_on_either_side(a, n, q):
    for plain in (n, q):
        lifted = reduced(plain)
        assert a + plain == plain + a == a + lifted
        assert a * plain == plain * a == a * lifted
        assert (a - plain, plain - a) == (a - lifted, lifted - a)
        assert (a / plain, plain / a) == (a / lifted, lifted / a)


@given(a=numbers, b=numbers)
def test_equal_numbers_have_equal_hashes_and_others_compare_unequal(a, b):
    assert hash(a) == hash(Mod(a.residue))
    assert (a == b) is (a.residue == b.residue)
    assert a != "a"


def test_what_has_no_residue_is_refused():
    with pytest.raises(TypeError, match="unsupported operand"):
        Mod(1) + "a"
    with pytest.raises(TypeError, match="unsupported operand"):
        Mod(1) * 0.5
    with pytest.raises(ValueError, match="not invertible"):
        Mod(1) / 0


@given(a=numbers, b=numbers, c=numbers, d=numbers)
def test_dual_numbers_over_residues_have_the_slope_of_the_product_rule(a, b, c, d):
    product = Dual(a, b) * Dual(c, d)
    assert product == Dual(a * c, a * d + b * c)
    assert a * Dual(c, d) == Dual(c, d) * a == Dual(a * c, a * d)


def test_seeded_residues_are_the_same_every_time_and_join_to_dual_numbers():
    drawn = residues(3, 4, seed=5)
    assert {type(each) for each in drawn.flat} == {Mod}
    assert same(drawn, residues(3, 4, seed=5))
    assert not same(drawn, residues(3, 4, seed=6))
    joined = duals(drawn, residues(3, 4, seed=6))
    assert same(values(joined), drawn)
    assert same(slopes(joined), residues(3, 4, seed=6))


def test_a_sum_of_products_of_rationals_reduces_to_that_of_their_residues():
    left, right = rationals(3, 4, seed=1), rationals(4, 2, seed=2)
    to_residues = np.frompyfunc(reduced, 1, 1)
    assert same(to_residues(left @ right), to_residues(left) @ to_residues(right))
    assert reduced(Fraction(1, 3)) * 3 == 1
