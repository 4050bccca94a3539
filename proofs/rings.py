"""Exact numbers that run the shipped operators: numbers with a derivative.

``Dual`` is a + b·ε with ε² = 0, over rationals or over residues modulo a prime
(``proofs.modular``). Running a forward function on x + v·ε returns its value and its derivative
along v, both without rounding; that is what judges a backward.

Three functions are not rational, and are defined over rationals so that derivatives stay exact:

    √(a + bε) = √a·(1 + b/(2a)·ε)    only where a is the square of a rational
    exp(a + bε) = E(a)·(1 + b·ε)     with E(a) any positive rational; here 1 + a for a ≥ 0, else
                                     1/(1 − a): exp' = exp is the only property a gradient uses
    log(a + bε) = L(a) + b/a·ε       with L(a) any rational; here the inverse of E: a − 1 for a ≥ 1,
                                     else 1 − 1/a: log' = 1/x is the only property a gradient uses

so what holds for every such E and L holds for the exponential and the logarithm. Numbers that have
functions of their own, such as the enclosures of ``proofs.balls``, keep them.

Source: W. K. Clifford, "Preliminary sketch of biquaternions", Proc. London Math. Soc. 4 (1873), for
dual numbers; as forward differentiation, Griewank and Walther, "Evaluating Derivatives" (2008), §3.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from typing import Any, Self, TypeAlias

import numpy as np

from proofs.modular import Mod

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Scalar: TypeAlias = Fraction | Mod
Number: TypeAlias = "Dual | Scalar | int"


@dataclass(frozen=True, slots=True, eq=False)
class Dual:
    """The number ``value`` + ``slope``·ε with ε² = 0."""

    value: Any  # a Scalar: arithmetic on unions of types is beyond what a checker follows
    slope: Any = Fraction(0)

    def __add__(self, other: Number) -> Self:
        right = _dual(other)
        return type(self)(self.value + right.value, self.slope + right.slope)

    __radd__ = __add__

    def __neg__(self) -> Self:
        return type(self)(-self.value, -self.slope)

    def __sub__(self, other: Number) -> Self:
        return self + (-_dual(other))

    def __rsub__(self, other: Number) -> Self:
        return -self + other

    def __mul__(self, other: Number) -> Self:
        right = _dual(other)
        slope = self.slope * right.value + self.value * right.slope
        return type(self)(self.value * right.value, slope)

    __rmul__ = __mul__

    def __truediv__(self, other: Number) -> Self:
        right = _dual(other)
        quotient = self.value / right.value
        return type(self)(quotient, (self.slope - quotient * right.slope) / right.value)

    def __rtruediv__(self, other: Number) -> Self:
        return type(self)(_dual(other).value, _dual(other).slope) / self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Dual | Fraction | Mod | int):
            return NotImplemented
        right = _dual(other)
        return bool(self.value == right.value and self.slope == right.slope)

    def __hash__(self) -> int:
        return hash((self.value, self.slope))

    def __lt__(self, other: Number) -> bool:
        return self.value < _dual(other).value

    def __gt__(self, other: Number) -> bool:
        return self.value > _dual(other).value

    def __le__(self, other: Number) -> bool:
        return self.value <= _dual(other).value

    def __ge__(self, other: Number) -> bool:
        return self.value >= _dual(other).value

    def sqrt(self) -> Self:
        """Square root, of squares of rationals only."""
        exact = isinstance(self.value, Fraction | Mod)
        root = exact_root(self.value) if exact else self.value.sqrt()
        return type(self)(root, self.slope / (2 * root))

    def exp(self) -> Self:
        """A positive rational E with E' = E; see the module."""
        value: Any = self.value
        if not isinstance(self.value, Fraction | Mod):
            raised = value.exp()
        else:
            raised = 1 + value if value >= 0 else 1 / (1 - value)
        return type(self)(raised, raised * self.slope)

    def log(self) -> Self:
        """A rational L with L' = 1/x, of positive numbers only; see the module.

        Raises
        ------
        ValueError
            If the number is not positive.
        """
        if not isinstance(self.value, Fraction | Mod):
            return type(self)(self.value.log(), self.slope / self.value)
        value: Any = self.value
        if value <= 0:
            raise ValueError(f"a logarithm needs a positive number, not {value}")
        power = value - 1 if value >= 1 else 1 - 1 / value
        return type(self)(power, self.slope / value)


class Square(Fraction):
    """A rational that has a square root, or will have once something is added to it.

    Sums of it are ``Square`` too, so that var + eps keeps the root; all else is a ``Fraction``.
    """

    def __add__(self, other: Any) -> "Square":  # type: ignore[override]
        return Square(Fraction(self) + other)

    __radd__ = __add__  # type: ignore[assignment]

    def sqrt(self) -> Fraction:
        """Square root, of squares of rationals only."""
        return exact_root(self)


def _dual(number: Number) -> Dual:
    return number if isinstance(number, Dual) else Dual(_scalar(number))


def _scalar(number: Scalar | int) -> Scalar:
    """A number that divides exactly: Python's integers do not."""
    return Fraction(number) if isinstance(number, int | float) else number


def exact_root(square: Fraction) -> Fraction:
    """Square root of the square of a positive rational.

    Raises
    ------
    ValueError
        If the argument is not one.
    """
    over, under = isqrt(max(square.numerator, 0)), isqrt(square.denominator)
    root = Fraction(over, under)
    if root * root != square or root <= 0:
        raise ValueError(f"an exact square root needs the square of a positive rational: {square}")
    return root


def duals(value: Array, slope: Array | int = 0) -> Array:
    """Join values and slopes (integers too) into an array of dual numbers."""
    make = np.frompyfunc(lambda a, b: Dual(_scalar(a), _scalar(b)), 2, 1)
    return np.asarray(make(value, np.broadcast_to(np.asarray(slope, object), value.shape)), object)


def values(array: Array) -> Array:
    """Return the part without ε of an array of dual numbers."""
    return np.asarray(np.frompyfunc(lambda a: _dual(a).value, 1, 1)(array), object)


def slopes(array: Array) -> Array:
    """Return the derivative part of an array of dual numbers."""
    return np.asarray(np.frompyfunc(lambda a: _dual(a).slope, 1, 1)(array), object)


def rationals(*shape: int, seed: int) -> Array:
    """Small seeded rationals, numerators −9…9 over 1…9, in an object array."""
    rng = np.random.default_rng(seed)
    make = np.frompyfunc(lambda a, b: Fraction(int(a), int(b)), 2, 1)
    return np.asarray(make(rng.integers(-9, 10, shape), rng.integers(1, 10, shape)), object)


def same(left: Array, right: Array) -> bool:
    """Whether two arrays have one shape and the same exact numbers in it."""
    return left.shape == right.shape and bool(np.all(left == right))
