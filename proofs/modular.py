"""Exact numbers of one size: integers modulo the prime 2⁶¹ − 1.

A ring in which sums of any length stay as short as their terms, so that the shipped definitions run
exactly on arrays where rationals would grow without end. Every rational whose denominator is not a
multiple of the prime has a residue, and an identity between polynomials over the rationals holds
here too. One that does not hold passes at random residues with probability ≤ degree/(2⁶¹ − 1),
unless the prime divides every coefficient of the difference (Schwartz and Zippel).

Source: J. T. Schwartz, "Fast probabilistic algorithms for verification of polynomial identities",
J. ACM 27 (1980), Lemma 1; 2⁶¹ − 1 is the ninth Mersenne prime (Pervushin, 1883).
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Number: TypeAlias = "Mod | Fraction | int"
PRIME = 2**61 - 1


@dataclass(frozen=True, slots=True, eq=False)
class Mod:
    """An integer modulo the prime, as its ``residue`` in [0, prime)."""

    residue: int

    def __add__(self, other: Number) -> Self:
        right = _residue(other)
        return NotImplemented if right is None else type(self)((self.residue + right) % PRIME)

    __radd__ = __add__

    def __neg__(self) -> Self:
        return type(self)(-self.residue % PRIME)

    def __sub__(self, other: Number) -> Self:
        right = _residue(other)
        return NotImplemented if right is None else type(self)((self.residue - right) % PRIME)

    def __rsub__(self, other: Number) -> Self:
        return -self + other

    def __mul__(self, other: Number) -> Self:
        right = _residue(other)
        return NotImplemented if right is None else type(self)(self.residue * right % PRIME)

    __rmul__ = __mul__

    def __truediv__(self, other: Number) -> Self:
        right = _residue(other)
        return NotImplemented if right is None else self * pow(right, -1, PRIME)

    def __rtruediv__(self, other: Number) -> Self:
        return type(self)(pow(self.residue, -1, PRIME)) * other

    def __eq__(self, other: object) -> bool:
        right = _residue(other)
        return NotImplemented if right is None else self.residue == right

    def __hash__(self) -> int:
        return hash(self.residue)


def _residue(number: object) -> int | None:
    """Residue of a number that has one; None for anything else, such as a dual number."""
    match number:
        case Mod():
            return number.residue
        case int():
            return number % PRIME
        case Fraction():
            return number.numerator * pow(number.denominator, -1, PRIME) % PRIME
    return None


def residues(*shape: int, seed: int) -> Array:
    """Seeded residues, each of the prime's equally likely, in an object array."""
    drawn = np.random.default_rng(seed).integers(0, PRIME, shape)
    return np.asarray(np.frompyfunc(lambda number: Mod(int(number)), 1, 1)(drawn), object)
