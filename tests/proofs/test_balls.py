"""Balls contain what they enclose, stay small, and do not decide what they cannot."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest

from proofs.balls import BITS, Ball, balls, equal
from proofs.rings import rationals


def ball(number) -> Ball:
    return balls(np.array([number], object))[0]


@pytest.mark.parametrize("name", ["exp", "log", "sqrt"])
@pytest.mark.parametrize("number", [Fraction(1, 3), Fraction(7, 2), Fraction(10**2, 7)])
def test_functions_enclose_what_another_library_computes(name, number):
    with mpmath.workprec(BITS + 60):
        reference = getattr(mpmath, name)(mpmath.mpf(number.numerator) / number.denominator)
        sign, mantissa, exponent, _ = reference._mpf_
    near = (-1) ** sign * int(mantissa) * Fraction(2) ** exponent
    found = getattr(ball(number), name)()
    relative = (found - near) / abs(near)
    assert abs(relative) <= 2.0 ** (24 - BITS)
    assert 0 < relative.radius < 2.0 ** (24 - BITS)


def test_arithmetic_encloses_rational_arithmetic():
    left, right = rationals(40, seed=1), rationals(40, seed=2) + 20
    for combine in (np.add, np.subtract, np.multiply, np.divide):
        apart = combine(balls(left), balls(right)) - combine(left, right)
        assert all(each.may_vanish and each.radius < 1e-50 for each in apart)


def test_what_the_balls_do_not_decide_is_refused():
    third = ball(Fraction(1, 3))
    alias = third
    assert third >= alias
    assert ball(2) > ball(1)
    assert ball(1) < third + 1
    with pytest.raises(ValueError, match="balls must be apart to be compared"):
        assert third * 3 >= ball(1)


def test_equality_needs_overlap_and_small_balls_and_one_shape():
    x = balls(rationals(2, 3, seed=1)) / 3
    assert equal(x, x * 3 / 3, within=1e-40)
    assert not equal(x, x + Fraction(1, 10**30), within=1e-40)
    assert not equal(x, x, within=0.0)
    assert not equal(x, x[:1], within=1.0)


def test_what_is_no_number_is_not_enclosed():
    with pytest.raises(TypeError):
        ball(1) + "a"
