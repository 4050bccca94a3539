"""Claims about stacks: how far a pixel sees, with how many levels."""

from itertools import product

import numpy as np

from proofs.article import (
    STACKING,
)
from proofs.claim import Hypothesis, claim
from proofs.domain import Grid, grid
from proofs.rings import rationals
from refimpl import (
    pssa,
)


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
