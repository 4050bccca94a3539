"""Claims about opposite directions: one product map serves both, where boundaries allow it."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from proofs.article import ours
from proofs.claim import Hypothesis, claim
from proofs.claims.literal import IMAGES, Offset
from proofs.domain import Case, Cases, Grid, grid
from proofs.rings import Array, rationals, same
from refimpl import conv2d, shift, shift_product


@claim(
    source=ours("A2"),
    status="conditional",
    evidence="exact rationals",
    why="The product of pixels p and p + d is found at p for d, and at p + d for −d.",
    over=grid(
        image=IMAGES,
        offset=((0, 1), (1, 0), (-1, 2), (3, 0), (0, -4)),
        boundary=("circular", "zero"),
        projected=(None, "both alike"),
    ),
    hypotheses=(
        Hypothesis(
            text="queries and keys are projected alike (W_q = W_k)",
            without=grid(
                image=IMAGES, offset=((0, 1),), boundary=("circular",), projected=("apart",)
            ),
        ),
    ),
)
def opposite_directions_are_redundant(
    image: tuple[int, ...], offset: Offset, boundary: Any, projected: str | None
) -> bool:
    """The product map of a direction is that of the opposite one, shifted.

    q ⊙ shift(k, d) = shift(q ⊙ shift(k, −d), d).
    """
    q = k = rationals(*image, seed=1)
    if projected is not None:
        w_q, w_k = (rationals(2, image[1], 1, 1, seed=seed) for seed in (2, 3))
        q, k = conv2d(q, w_q), conv2d(k, w_q if projected == "both alike" else w_k)
    back = (-offset[0], -offset[1])
    ahead_map = shift_product(q, k, directions=(offset,), boundary=boundary)
    back_map = shift_product(q, k, directions=(back,), boundary=boundary)
    return same(ahead_map, shift(back_map, offset=offset, boundary=boundary))


def _folding(shift_boundary: str, padding: str, projected: str) -> Grid:
    return grid(
        image=IMAGES,
        kernel=((1, 1), (3, 3), (1, 3)),
        offset=((0, 1), (1, 0), (-1, 2)),
        stride=(1, 2),
        boundaries=((shift_boundary, padding),),
        projected=(projected,),
    )


def _folding_exact() -> Iterator[Case]:
    for boundaries in (("zero", "zero"), ("zero", "circular"), ("circular", "circular")):
        yield from _folding(*boundaries, projected="alike")


@claim(
    source=ours("A2"),
    status="conditional",
    evidence="exact rationals",
    why="Convolving a displaced map is convolving the map with a displaced kernel, if what the "
    "displacement brings in at the border is what the convolution reads there.",
    over=Cases(_folding_exact),
    hypotheses=(
        Hypothesis(
            text="queries and keys are projected alike (W_q = W_k)",
            without=_folding("zero", "zero", projected="apart"),
        ),
        Hypothesis(
            text="not a circular shift with a zero-padded convolution (the default of pssa)",
            without=_folding("circular", "zero", projected="alike"),
        ),
    ),
)
def an_opposite_direction_folds_into_a_larger_kernel(
    image: tuple[int, ...],
    kernel: tuple[int, int],
    offset: Offset,
    stride: int,
    boundaries: tuple[Any, str],
    projected: str,
) -> bool:
    """Two opposite directions need one product map, under a kernel larger by the offset each way.

    `boundaries` are those of the shift and of the convolution.
    """
    channels, back = image[1], (-offset[0], -offset[1])
    q = rationals(*image, seed=1)
    k = q if projected == "alike" else rationals(*image, seed=4)
    w_ahead, w_back = (rationals(2, channels, *kernel, seed=seed) for seed in (2, 3))
    ahead, both = (
        shift_product(q, k, directions=each, boundary=boundaries[0])
        for each in ((offset,), (offset, back))
    )
    folded = displaced(w_ahead, (0, 0), offset) + displaced(w_back, back, offset)
    apart = _same_convolution(both, np.concatenate([w_ahead, w_back], 1), boundaries[1], stride)
    return same(_same_convolution(ahead, folded, boundaries[1], stride), apart)


def displaced(w: Array, by: Offset, margin: Offset) -> Array:
    """Surround a kernel with ``margin`` zeros on each side, and move it by ``by`` in there."""
    rows, cols = abs(margin[0]), abs(margin[1])
    before_after = ((0, 0), (0, 0), (rows + by[0], rows - by[0]), (cols + by[1], cols - by[1]))
    return np.pad(w, before_after)


def _same_convolution(z: Array, w: Array, boundary: str, stride: int) -> Array:
    """Convolve with "same" padding: zeros, or the opposite side of the image."""
    rows, cols = (w.shape[2] - 1) // 2, (w.shape[3] - 1) // 2
    mode: Any = "wrap" if boundary == "circular" else "constant"
    padded = np.pad(z, ((0, 0), (0, 0), (rows, rows), (cols, cols)), mode=mode)
    return conv2d(padded, w, stride=stride)
