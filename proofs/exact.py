"""One way to draw exact numbers of every kind, so that one predicate climbs several rungs.

rationals   small fractions: an example, without rounding
residues    modulo 2⁶¹ − 1: a polynomial identity that fails passes with a probability
            that ``false_accept`` bounds
variables   polynomials: an identity between them holds for all numbers at that shape
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Literal, TypeAlias

import numpy as np

from proofs.modular import PRIME, residues
from proofs.rings import Array, Square, rationals

Numbers: TypeAlias = Literal["rationals", "residues", "variables"]
Draw: TypeAlias = Callable[..., Array]
EPS = Fraction(1, 4)


def drawer(numbers: Numbers, *, room: int = 0) -> Draw:
    """A function of sides and a seed that gives arrays of such numbers, ``room`` variables at most.

    Raises
    ------
    ValueError
        If the kind is unknown, or variables run out.
    """
    if numbers == "rationals":
        return rationals
    if numbers == "residues":
        return residues
    if numbers != "variables":
        raise ValueError(f"numbers must be rationals, residues or variables, not {numbers!r}")
    from proofs.polynomials import variables  # noqa: PLC0415 - an extra

    (pool,) = variables((room,))
    used = 0

    def draw(*shape: int, seed: int = 0) -> Array:  # noqa: ARG001 - variables need no seed
        nonlocal used
        size = int(np.prod(shape))
        if used + size > room:
            raise ValueError(f"there must be {used + size} variables, not {room}")
        used += size
        return pool[used - size : used].reshape(shape)

    return draw


def square_variances(channels: int) -> Array:
    """Variances that with EPS added are squares of rationals, channel by channel."""
    roots = [Fraction(3 + c, 2 + c) for c in range(channels)]
    return np.array([Square(root * root - EPS) for root in roots], object)


def false_accept(degree: int) -> str:
    """What a test of a polynomial identity at random residues leaves open, in a sentence.

    Source: Schwartz, J. ACM 27 (1980), Lemma 1.
    """
    chance = Fraction(degree, PRIME)
    return (
        f"An identity of degree {degree} that does not hold would pass a case with probability at "
        f"most {degree}/(2⁶¹ − 1) < {_ceiling(chance)}."
    )


def _ceiling(chance: Fraction) -> str:
    """A bound from above with one digit: 2e-18."""
    power = 0
    while chance < 1:
        chance, power = chance * 10, power + 1
    return f"{int(chance) + 1}e-{power}"
