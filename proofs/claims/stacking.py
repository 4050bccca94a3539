"""Claims about stacks: how far a pixel sees, with how many levels."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from proofs.article import LINEAR_COST, STACKING, ours
from proofs.claim import Hypothesis, claim
from proofs.claims.forms import norm
from proofs.domain import Grid, grid
from proofs.exact import EPS
from proofs.lattice import Offsets, box_radius, connects, stack
from proofs.modular import residues
from proofs.rings import rationals
from refimpl import EIGHT_DIRECTIONS, FOUR_DIRECTIONS, Level, pssa, pssa_stack_backward


def _stacks(*, length: int, missing: int, rows: tuple[int, ...] = (1, 2, 3)) -> Grid:
    return grid(
        sides=tuple(product(rows, repeat=2)),
        length=(length,),
        missing=(missing,),
    )


@claim(
    source=STACKING,
    status="conditional",
    evidence="exact rationals",
    why="With 1×1 kernels each level lets a pixel see one step further along the rows or columns, "
    "and opposite corners are H + W − 2 steps apart.",
    over=_stacks(length=1, missing=0),
    hypotheses=(
        Hypothesis(
            text="there are as many levels as steps between opposite corners, H + W − 2",
            without=_stacks(length=1, missing=1, rows=(2, 3)),
        ),
        Hypothesis(
            text="the shift length is 1 (a longer one leaves holes)",
            without=_stacks(length=2, missing=0, rows=(5,)),
        ),
    ),
)
def stacking_reaches_the_whole_image(sides: tuple[int, int], length: int, missing: int) -> bool:
    """In a stack of H + W − 2 levels of PSSA every output pixel depends on every input pixel.

    Four directions, 1×1 kernels, shifts that read zeros outside the image.
    """
    pixels, levels = sides[0] * sides[1], sides[0] + sides[1] - 2 - missing
    x = rationals(1, 1, *sides, seed=3) ** 2 + 1  # positive, so that nothing cancels
    nudges = np.eye(pixels, dtype=int).astype(object).reshape(pixels, 1, *sides)
    stack = np.concatenate([x, x + nudges])
    for level in range(levels):
        w = rationals(1, 4, 1, 1, seed=level) ** 2 + 1
        stack = pssa(stack, w, length=length, boundary="zero")
    return bool(np.all(stack[1:] != stack[:1]))


def _stack_cases(*, side: int = 15, weights: str = "non-zero") -> Grid:
    return grid(
        lengths=((1,), (2,), (1, 1), (1, 2), (2, 1, 1)),
        kernel=(1, 3),
        directions=(FOUR_DIRECTIONS, EIGHT_DIRECTIONS, ((0, 1), (-1, 1))),
        side=(side,),
        weights=(weights,),
    )


def seen_by_the_middle(
    lengths: tuple[int, ...], kernel: int, directions: Any, side: int, weights: str
) -> Offsets:
    """Offsets of the pixels on which the middle output pixel of a shipped stack depends.

    They are where the gradient of that output is not 0, at random residues.
    """
    x, middle = residues(1, 1, side, side, seed=1), side // 2
    kernels = [
        residues(1, len(directions), kernel, kernel, seed=2 + number)
        for number in range(len(lengths))
    ]
    if weights == "zero":
        kernels[-1] = kernels[-1] * 0
    levels = tuple(Level(w, norm(residues, 1, 20)) for w in kernels[:-1])
    dy = np.zeros((1, 1, side, side), object)
    dy[0, 0, middle, middle] = 1
    grads = pssa_stack_backward(
        dy,
        x,
        kernels[-1],
        levels,
        lengths=lengths,
        directions=directions,
        boundary="zero",
        eps=EPS,
    )
    rows, cols = np.nonzero(grads.x[0, 0] != 0)
    return frozenset(zip((rows - middle).tolist(), (cols - middle).tolist(), strict=True))


@claim(
    source=STACKING,
    status="conditional",
    evidence="Schwartz–Zippel modulo 2⁶¹ − 1",
    why="A product reads the pixel and its neighbour, a kernel reads around both, and levels add.",
    proof="Induction over the levels: the derivative of a level's output is a sum over its taps "
    "and both factors of the product, and generic weights and pixels let no two terms cancel.",
    over=_stack_cases(),
    hypotheses=(
        Hypothesis(
            text="the image is larger than what the stack reaches", without=_stack_cases(side=5)
        ),
        Hypothesis(
            text="no weight is 0 and no two terms cancel", without=_stack_cases(weights="zero")
        ),
    ),
)
def a_stack_sees_the_minkowski_sum_of_its_levels(
    lengths: tuple[int, ...], kernel: int, directions: Any, side: int, weights: str
) -> bool:
    """A stack of PSSA sees exactly the sum of its levels' sets ({0} ∪ {L·d}) ⊕ K-square.

    Weighted levels with normalisation between them; shifts that read zeros outside. What is seen is
    where the shipped backward gives a gradient that is not 0.
    """
    expected = stack(directions, lengths, kernel)
    return seen_by_the_middle(lengths, kernel, directions, side, weights) == expected


@claim(
    source=ours("A3"),
    status="identity",
    evidence="exhaustive search",
    why="S steps of length L along the axes reach the lattice points at most S steps away.",
    over=grid(levels=range(1, 7), length=(1, 2, 3), kernel=(1, 3, 5)),
)
def a_stack_reaches_s_times_l_plus_half_a_kernel(levels: int, length: int, kernel: int) -> bool:
    """S levels reach a box of radius S·(L + ⌊K/2⌋); with K = 1, 2S² + 2S + 1 pixels of it.

    Four directions. With K = 1 that is a diamond lattice: the multiples of L, S steps at most.
    """
    reached = stack(FOUR_DIRECTIONS, (length,) * levels, kernel)
    radius = levels * (length + kernel // 2)
    lattice = 2 * levels**2 + 2 * levels + 1
    return box_radius(reached) == radius and (kernel > 1 or len(reached) == lattice)


@claim(
    source=ours("A3"),
    status="identity",
    evidence="exhaustive search",
    why="The offsets on the axis are a·L + b with |a| ≤ S and |b| ≤ S·⌊K/2⌋; they leave no gap "
    "where a step of L is at most the width 2·S·⌊K/2⌋ + 1.",
    over=grid(levels=range(1, 4), length=range(1, 11), kernel=(1, 3, 5)),
)
def a_stack_leaves_holes_where_its_shift_is_too_long(levels: int, length: int, kernel: int) -> bool:
    """Along a row a stack leaves no holes if and only if L ≤ 2·S·⌊K/2⌋ + 1.

    Four directions. So with K = 1 there are holes for every L > 1, and with K = 3 for L > 2S + 1.
    """
    reached = stack(FOUR_DIRECTIONS, (length,) * levels, kernel)
    row = {right for down, right in reached if down == 0}
    full = len(row) == 2 * max(row) + 1
    return full == (length <= 2 * levels * (kernel // 2) + 1)


SCHEMES: dict[str, tuple[Any, Callable[[int], int]]] = {
    "four directions, L = 1": (FOUR_DIRECTIONS, lambda _: 1),
    "eight directions, L = 1": (EIGHT_DIRECTIONS, lambda _: 1),
    "eight directions, L = 1, 2, 4 …": (EIGHT_DIRECTIONS, lambda level: 2**level),
}


def levels_needed(scheme: str, side: int) -> int:
    """Fewest levels, 1×1 kernels, with which every pixel of an image sees every other one."""
    directions, length = SCHEMES[scheme]
    levels = 0
    while not connects(directions, map(length, range(levels)), side):
        levels += 1
    return levels


@claim(
    source=LINEAR_COST,
    status="identity",
    evidence="exhaustive search",
    why="The farthest pair is a diagonal apart: n levels' worth of steps, one a level, or twice as "
    "far at every level.",
    proof="One level costs n·D·C² MACs with 1×1 kernels, so a connected stack costs that times the "
    "levels: O(n^1.5) at a fixed length, O(n log n) with dyadic lengths and eight directions.",
    over=grid(scheme=tuple(SCHEMES), side=range(1, 12)),
)
def a_globally_connected_stack_is_not_linear(scheme: str, side: int) -> bool:
    """To connect all n = side² pixels takes 2(√n − 1), √n − 1 or ⌈log₂ √n⌉ levels of n·D·C² MACs.

    With four directions, with eight, and with eight at lengths 1, 2, 4 …; 1×1 kernels.
    """
    expected = {
        "four directions, L = 1": 2 * (side - 1),
        "eight directions, L = 1": side - 1,
        "eight directions, L = 1, 2, 4 …": (side - 1).bit_length(),
    }
    return levels_needed(scheme, side) == expected[scheme]


def _explain_parity(side: int, most_levels: int) -> str:
    return (
        f"on a {side}×{side} image no stack of up to {most_levels} levels lets a pixel see its "
        f"diagonal neighbour: only the first level moves by an odd number, and along one axis"
    )


@claim(
    source=ours("A10"),
    status="false",
    evidence="exhaustive search",
    why="Only the level of length 1 moves by an odd number, along one axis: an offset that is odd "
    "in both is never reached.",
    proof="Modulo 2 every level after the first adds (0, 0), and the first adds (0, 0), (0, 1) or "
    "(1, 0); so (1, 1) is out of reach of any number of levels.",
    over=grid(side=(2, 3, 4), most_levels=(7,)),
    order="square images by side",
    explain=_explain_parity,
)
def dyadic_lengths_connect_with_four_directions(side: int, most_levels: int) -> bool:
    """With four directions, 1×1 kernels and lengths 1, 2, 4 … a stack connects all pixels."""
    return any(
        connects(FOUR_DIRECTIONS, [2**level for level in range(levels)], side)
        for levels in range(most_levels + 1)
    )
