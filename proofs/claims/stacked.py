"""Claims about what a stack of PSSA computes: its degree, and which of its levels merge.

A stack without weights between its levels is a polynomial: level by level x ← Σ_d x ⊙ shift(x, d),
and PSSA with weights at the end (``refimpl.pssa_stack``).
"""

from fractions import Fraction
from typing import Any, Literal

import numpy as np

from proofs.article import ours
from proofs.claim import Hypothesis, Rung, claim
from proofs.domain import Grid, grid
from proofs.exact import Numbers, drawer, false_accept
from proofs.rings import Array, same
from refimpl import FOUR_DIRECTIONS, conv2d, pssa_stack, shift_product, xvolution_fused

Merged = Literal["last", "first"]


def _scaled(numbers: Numbers, *, bias: bool = False, levels: tuple[int, ...] = (1, 2, 3)) -> Grid:
    return grid(
        numbers=(numbers,),
        image=((1, 1, 2, 3),) if numbers == "rationals" else ((2, 3, 4, 5),),
        levels=levels,
        boundary=("circular", "zero"),
        factor=(-1, 2, Fraction(1, 3)) if numbers == "rationals" else (-1, 3),
        bias=(bias,),
    )


@claim(
    source=ours("A4"),
    status="conditional",
    evidence="exact rationals",
    why="Every level multiplies what it is given with itself, so it doubles the degree.",
    over=_scaled("rationals"),
    hypotheses=(
        Hypothesis(text="there is no bias", without=_scaled("rationals", bias=True, levels=(1, 2))),
    ),
    rungs=(
        Rung(
            evidence="Schwartz–Zippel modulo 2⁶¹ − 1",
            over=_scaled("residues"),
            note=false_accept(9),
        ),
    ),
)
def a_stack_is_even_and_of_degree_two_to_the_number_of_levels(
    numbers: Numbers,
    image: tuple[int, ...],
    levels: int,
    boundary: Any,
    factor: Fraction,
    bias: bool,
) -> bool:
    """S levels of PSSA satisfy f(t·x) = t^(2^S)·f(x), in particular f(−x) = f(x).

    Without weights between the levels.
    """
    draw = drawer(numbers)
    x, w = draw(*image, seed=1), draw(2, 4 * image[1], 3, 3, seed=2)
    b = draw(2, seed=3) if bias else None
    options: dict[str, Any] = {"lengths": (1,) * levels, "boundary": boundary}
    scaled = pssa_stack(x * factor, w, b, **options)
    return same(scaled, factor ** (2**levels) * pssa_stack(x, w, b, **options))


def _merged(numbers: Numbers, level: Merged = "last") -> Grid:
    return grid(
        numbers=(numbers,),
        image=((1, 1, 2, 3),) if numbers == "rationals" else ((2, 3, 5, 4),),
        lengths=((1, 1), (1, 2), (2, 1, 1)),
        boundary=("circular", "zero"),
        stride=(1, 2),
        merged=(level,),
    )


@claim(
    source=ours("A4"),
    status="conditional",
    evidence="exact rationals",
    why="The last level is PSSA of what the levels before it give, and those multiply.",
    over=_merged("rationals"),
    hypotheses=(
        Hypothesis(text="the level that merges is the last", without=_merged("rationals", "first")),
    ),
    rungs=(
        Rung(
            evidence="Schwartz–Zippel modulo 2⁶¹ − 1",
            over=_merged("residues"),
            note=false_accept(9),
        ),
    ),
)
def of_a_stack_the_last_level_merges(
    numbers: Numbers,
    image: tuple[int, ...],
    lengths: tuple[int, ...],
    boundary: Any,
    stride: int,
    merged: Merged,
) -> bool:
    """A convolution beside a stack of PSSA is ONE convolution of [x; T(y)].

    Where y is what enters the last level. The levels before it remain as they are: no kernel on
    [x; T(x)] replaces them.
    """
    draw = drawer(numbers)
    x = draw(*image, seed=1)
    w_c, w_a = draw(2, image[1], 3, 3, seed=2), draw(2, 4 * image[1], 3, 3, seed=3)
    options: dict[str, Any] = {"boundary": boundary}
    separate = conv2d(x, w_c, stride=stride, padding=1) + pssa_stack(
        x, w_a, lengths=lengths, stride=stride, **options
    )
    kernel = np.concatenate([w_c, w_a], axis=1)
    if merged == "first":
        one = xvolution_fused(x, kernel, length=lengths[0], stride=stride, **options)
        return same(separate, one)
    entering = x
    for length in lengths[:-1]:
        entering = _summed(shift_product(entering, length=length, **options))
    augmented = [x, shift_product(entering, length=lengths[-1], **options)]
    return same(separate, conv2d(np.concatenate(augmented, 1), kernel, stride=stride, padding=1))


def _summed(products: Array) -> Array:
    """What an unweighted level gives: the product maps of all directions, added up."""
    first, *others = np.split(products, len(FOUR_DIRECTIONS), axis=1)
    return sum(others, first)
