"""Exact numbers that remember everything: polynomials in many variables, over the rationals.

Run on variables, a shipped definition returns its own formula. Then the derivative is symbolic
differentiation, which shares nothing with the dual numbers of ``proofs.rings``: two judges of one
gradient. FLINT multiplies and differentiates; the wrapper is here because NumPy takes a bare FLINT
polynomial for a sequence, and because FLINT does not know ``fractions.Fraction``.

Source: The FLINT team, "FLINT: Fast Library for Number Theory" (2024), module fmpq_mpoly. It comes
with the package python-flint, which only this module and its users need.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self, TypeAlias

import flint
import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Polynomial:
    """A polynomial, in FLINT's representation."""

    flint: flint.fmpq_mpoly

    def __add__(self, other: object) -> Self:
        return type(self)(self.flint + _plain(other))

    __radd__ = __add__

    def __neg__(self) -> Self:
        return type(self)(-self.flint)

    def __sub__(self, other: object) -> Self:
        return type(self)(self.flint - _plain(other))

    def __rsub__(self, other: object) -> Self:
        return -self + other

    def __mul__(self, other: object) -> Self:
        return type(self)(self.flint * _plain(other))

    __rmul__ = __mul__

    def __truediv__(self, number: int | Fraction) -> Self:
        return self * (1 / Fraction(number))

    def __eq__(self, other: object) -> bool:
        return bool(self.flint == _plain(other))

    def __hash__(self) -> int:
        return hash(frozenset(self.flint.to_dict().items()))

    def derivative(self, variable: int) -> Self:
        """Partial derivative with respect to a variable, by its number."""
        return type(self)(self.flint.derivative(variable))


def _plain(number: Any) -> Any:
    """The same number as FLINT knows it."""
    if isinstance(number, Polynomial):
        return number.flint
    if isinstance(number, Fraction):
        return flint.fmpq(number.numerator, number.denominator)
    return int(number) if isinstance(number, np.integer) else number


def variables(*shapes: tuple[int, ...]) -> list[Array]:
    """Arrays of these shapes, each entry a variable of its own, numbered in reading order."""
    sizes = [int(np.prod(shape)) for shape in shapes]
    ring = flint.fmpq_mpoly_ctx.get((("x", sum(sizes)),), flint.Ordering.degrevlex)
    generators = iter(ring.gens())
    arrays = []
    for shape, size in zip(shapes, sizes, strict=True):
        flat = np.empty(size, object)
        flat[:] = [Polynomial(next(generators)) for _ in range(size)]
        arrays.append(flat.reshape(shape))
    return arrays
