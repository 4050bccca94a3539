"""Claims about what pixel-shift self-attention is: the article's steps, and one convolution."""

from typing import Any

import numpy as np

from proofs.article import PSSA_IS_CONVOLUTION, PSSA_STEPS, ours
from proofs.claim import Rung, claim
from proofs.claims.literal import IMAGES, Offset, literal_pssa, read
from proofs.domain import Grid, grid
from proofs.exact import Numbers, drawer, false_accept
from proofs.rings import Array, rationals, same
from refimpl import EIGHT_DIRECTIONS, FOUR_DIRECTIONS, conv2d, pssa, shift_product

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


def _literal_grid(numbers: Numbers, image: tuple[int, ...]) -> Grid:
    return grid(
        numbers=(numbers,),
        image=(image,),
        side=(1, 3),
        boundary=("circular", "zero"),
        stride=(1, 2),
    )


def _pssa_is_one_convolution(
    numbers: Numbers, image: tuple[int, ...], side: int, boundary: Any, stride: int
) -> bool:
    """Literal attention and one convolution, on numbers of any kind."""
    draw = drawer(numbers, room=90)
    x, w = draw(*image, seed=1), draw(1, 4 * image[1], side, side, seed=2)
    literal = literal_pssa(
        x, w, directions=FOUR_DIRECTIONS, length=1, boundary=boundary, stride=stride, dilation=1
    )
    products = shift_product(x, boundary=boundary)
    return same(conv2d(products, w, stride=stride, padding=side // 2), literal)


@claim(
    source=PSSA_IS_CONVOLUTION,
    status="identity",
    evidence="exact rationals",
    why="The weighted sum over a local region of all shifted products is a convolution whose input "
    "channels are the products.",
    over=PSSA_GRID,
    rungs=(
        Rung(
            evidence="symbolic polynomial identity",
            over=_literal_grid("variables", (1, 2, 2, 3)),
            holds=_pssa_is_one_convolution,
            note="For all weights and pixels at this shape.",
        ),
        Rung(
            evidence="Schwartz–Zippel modulo 2⁶¹ − 1",
            over=_literal_grid("residues", (1, 3, 6, 5)),
            holds=_pssa_is_one_convolution,
            note=false_accept(3),
        ),
    ),
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


@claim(
    source=ours("A2"),
    status="identity",
    evidence="exact rationals",
    why="Adding the channels of a product is what a 1×1 kernel of ones does.",
    over=grid(
        numbers=("rationals",),
        image=IMAGES,
        directions=(FOUR_DIRECTIONS, SKEW),
        boundary=("circular", "zero"),
    ),
    rungs=(
        Rung(
            evidence="symbolic polynomial identity",
            over=grid(
                numbers=("variables",),
                image=((1, 3, 2, 3),),
                directions=(FOUR_DIRECTIONS, SKEW),
                boundary=("circular", "zero"),
            ),
        ),
    ),
)
def a_score_is_a_convolution_of_ones_on_a_shift_product(
    numbers: Numbers, image: tuple[int, ...], directions: tuple[Offset, ...], boundary: Any
) -> bool:
    """⟨x_p, x_{p+d}⟩, attention's score, is an all-ones 1×1 convolution of the shift product.

    So what PSSA sums with weights of its own, attention by scores sums with ones.
    """
    x = drawer(numbers, room=18)(*image, seed=1)
    channels = image[1]
    ones = np.ones((len(directions), channels), int).astype(object)
    products = shift_product(x, directions=directions, boundary=boundary)
    scores = conv2d(products, ones[..., None, None], groups=len(directions))
    literal = np.empty(scores.shape, object)
    for n, d, i, j in np.ndindex(scores.shape):
        there = (i + directions[d][0], j + directions[d][1])
        literal[n, d, i, j] = sum(
            x[n, c, i, j] * read(x, n, c, *there, boundary=boundary) for c in range(channels)
        )
    return same(scores, literal)
