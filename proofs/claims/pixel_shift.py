"""Claims about what pixel-shift self-attention is: the article's steps, and one convolution."""

from typing import Any

from proofs.article import (
    PSSA_IS_CONVOLUTION,
    PSSA_STEPS,
)
from proofs.claim import claim
from proofs.claims.literal import IMAGES, Offset, literal_pssa
from proofs.domain import grid
from proofs.rings import Array, rationals, same
from refimpl import (
    EIGHT_DIRECTIONS,
    FOUR_DIRECTIONS,
    conv2d,
    pssa,
    shift_product,
)

SKEW: tuple[Offset, ...] = ((0, 1), (-1, 2))


PSSA_GRID = grid(
    image=IMAGES,
    kernel=((1, 1), (3, 3), (1, 3)),
    directions=(FOUR_DIRECTIONS, EIGHT_DIRECTIONS, SKEW),
    length=(1, 2),
    boundary=("circular", "zero"),
    stride=(1, 2),
    dilation=(1, 2),
)


def _pssa_case(
    image: tuple[int, ...], kernel: tuple[int, int], directions: tuple[Offset, ...]
) -> tuple[Array, Array]:
    """An image and a kernel for its shift products."""
    return rationals(*image, seed=1), rationals(2, len(directions) * image[1], *kernel, seed=2)


@claim(
    source=PSSA_STEPS,
    status="identity",
    evidence="exact rationals",
    why="The operator is these steps; the article leaves kernel, directions and length open.",
    over=PSSA_GRID,
)
def pssa_is_the_steps_of_the_article(
    image: tuple[int, ...], kernel: tuple[int, int], directions: tuple[Offset, ...], **options: Any
) -> bool:
    """The shipped pssa is: shift, multiply, sum over a local region, done pixel by pixel."""
    x, w = _pssa_case(image, kernel, directions)
    literal = literal_pssa(x, w, directions=directions, **options)
    return same(pssa(x, w, directions=directions, **options), literal)


@claim(
    source=PSSA_IS_CONVOLUTION,
    status="identity",
    evidence="exact rationals",
    why="The weighted sum over a local region of all shifted products is a convolution whose input "
    "channels are the products.",
    over=PSSA_GRID,
)
def pssa_is_one_convolution_on_shift_products(
    image: tuple[int, ...],
    kernel: tuple[int, int],
    directions: tuple[Offset, ...],
    length: int,
    boundary: Any,
    stride: int,
    dilation: int,
) -> bool:
    """Pixel-shift self-attention, summed pixel by pixel, is one convolution: conv2d(T(x), w)."""
    x, w = _pssa_case(image, kernel, directions)
    shifts: dict[str, Any] = {"directions": directions, "length": length, "boundary": boundary}
    steps: dict[str, Any] = {"stride": stride, "dilation": dilation}
    padding = (dilation * (kernel[0] - 1) // 2, dilation * (kernel[1] - 1) // 2)
    convolved = conv2d(shift_product(x, **shifts), w, padding=padding, **steps)
    return same(convolved, literal_pssa(x, w, **shifts, **steps))
