"""Enclosures: real numbers known to lie in a ball, through exp, log and √ too.

Run on balls, a shipped definition returns balls that contain the exact result, whatever is rounded
on the way. Two results that must be equal have balls that overlap and are tiny; two that differ by
more are proved different. Comparisons that the balls do not decide are refused, not guessed.

Source: Johansson, "Arb: efficient arbitrary-precision midpoint-radius interval arithmetic", IEEE
Trans. Comput. 66 (2017); by way of python-flint, which only this module and its users need.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self, TypeAlias

import flint
import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
BITS = 200  # of midpoints; ours: leaves room after the cancellations of small cases


@dataclass(frozen=True, slots=True, eq=False)
class Ball:
    """A real number within the radius of ``arb`` of its midpoint."""

    arb: flint.arb

    def __add__(self, other: Any) -> Self:
        right = _arb(other)
        return NotImplemented if right is None else type(self)(_at(lambda: self.arb + right))

    __radd__ = __add__

    def __neg__(self) -> Self:
        return type(self)(_at(lambda: -self.arb))

    def __sub__(self, other: Any) -> Self:
        return self + (-other)

    def __rsub__(self, other: Any) -> Self:
        return -self + other

    def __mul__(self, other: Any) -> Self:
        right = _arb(other)
        return NotImplemented if right is None else type(self)(_at(lambda: self.arb * right))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Self:
        right = _arb(other)
        return NotImplemented if right is None else type(self)(_at(lambda: self.arb / right))

    def __rtruediv__(self, other: Any) -> Self:
        return type(self)(_at(lambda: _arb(other) / self.arb))

    def exp(self) -> Self:
        """The exponential."""
        return type(self)(_at(self.arb.exp))

    def log(self) -> Self:
        """The natural logarithm."""
        return type(self)(_at(self.arb.log))

    def sqrt(self) -> Self:
        """The square root."""
        return type(self)(_at(self.arb.sqrt))

    def __abs__(self) -> Self:
        return type(self)(_at(lambda: abs(self.arb)))

    def __ge__(self, other: Any) -> bool:
        return self is other or _decided(self.arb, _arb(other))

    def __le__(self, other: Any) -> bool:
        return self is other or _decided(_arb(other), self.arb)

    def __gt__(self, other: Any) -> bool:
        return not self <= other

    def __lt__(self, other: Any) -> bool:
        return not self >= other

    @property
    def may_vanish(self) -> bool:
        """Whether 0 lies in the ball."""
        return bool(self.arb.contains(0))

    @property
    def radius(self) -> float:
        """How far from the midpoint the number may be."""
        return float(self.arb.rad())


def _decided(left: flint.arb, right: flint.arb) -> bool:
    """Whether left ≥ right, if the balls say so."""
    if left >= right:
        return True
    if left < right:
        return False
    if left.is_exact() and right.is_exact() and left == right:
        return True
    raise ValueError(f"balls must be apart to be compared, not {left} and {right}")


def _at(compute: Any) -> flint.arb:
    """Evaluate at the working precision."""
    before = flint.ctx.prec
    flint.ctx.prec = BITS
    try:
        return compute()
    finally:
        flint.ctx.prec = before


def _arb(number: Any) -> Any:
    """The same number as Arb knows it; None for anything else, such as a dual number."""
    match number:
        case Ball():
            return number.arb
        case Fraction():
            return _at(lambda: flint.arb(number.numerator) / number.denominator)
        case int() | float():
            return flint.arb(number)
    return None


def balls(array: Array) -> Array:
    """Enclose every number of an array of rationals, integers or floats."""
    enclose: Any = np.frompyfunc(_ball, 1, 1)
    return np.asarray(enclose(array), object)


def _ball(number: Any) -> Any:
    return Ball(_arb(number))


def equal(left: Array, right: Array, *, within: float) -> bool:
    """Whether two arrays of balls may be equal, and are known to differ by less than ``within``."""
    if left.shape != right.shape:
        return False
    apart = (left - right).ravel().tolist()
    return all(
        (each.may_vanish and each.radius < within) if isinstance(each, Ball) else each == 0
        for each in apart
    )
