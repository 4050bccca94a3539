"""Claims about translation: what moves with the image, and what the border does to it."""

from itertools import product
from typing import Any

from proofs.article import ours
from proofs.claim import Hypothesis, Rung, claim
from proofs.domain import Grid, grid
from proofs.exact import Numbers, drawer, false_accept
from proofs.rings import same
from refimpl import shift
from refimpl.forms import kernel_form


def _moves(
    numbers: Numbers,
    image: tuple[int, ...],
    *,
    shifts: str = "circular",
    padding: str = "circular",
    stride: int = 1,
) -> Grid:
    return grid(
        numbers=(numbers,),
        image=(image,),
        sides=((1, 1), (3, 1), (3, 3)),
        by=tuple(product((0, 1, -2), repeat=2))[1:],
        shifts=(shifts,),
        padding=(padding,),
        stride=(stride,),
    )


@claim(
    source=ours("A2"),
    status="conditional",
    evidence="exact rationals",
    why="On a torus all pixels are alike: shifting, multiplying and convolving commute with moving "
    "the image.",
    over=_moves("rationals", (1, 2, 3, 4)),
    hypotheses=(
        Hypothesis(
            text="the shift is circular",
            without=_moves("rationals", (1, 1, 3, 4), shifts="zero"),
        ),
        Hypothesis(
            text="the convolution's padding is circular too (an option of the kernel form)",
            without=_moves("rationals", (1, 1, 3, 4), padding="zero"),
        ),
        Hypothesis(
            text="the stride is 1",
            without=_moves("rationals", (1, 1, 4, 4), stride=2),
        ),
    ),
    rungs=(
        Rung(
            evidence="symbolic polynomial identity",
            over=_moves("variables", (1, 1, 2, 3)),
            note="For all weights, biases and pixels at this shape.",
        ),
        Rung(
            evidence="Schwartz–Zippel modulo 2⁶¹ − 1",
            over=_moves("residues", (1, 3, 6, 5)),
            note=false_accept(3),
        ),
    ),
)
def x_volution_on_a_torus_moves_with_the_image(
    numbers: Numbers,
    image: tuple[int, ...],
    sides: tuple[int, int],
    by: tuple[int, int],
    shifts: Any,
    padding: Any,
    stride: int,
) -> bool:
    """X-volution of a circularly moved image is the moved X-volution of the image.

    At the article's own settings (circular shift, zero padding) that fails at the border.
    """
    draw = drawer(numbers, room=80)
    x, b = draw(*image, seed=1), draw(1, seed=4)
    w_c, w_a = (
        draw(1, count * image[1], side, side, seed=2)
        for count, side in zip((1, 4), sides, strict=True)
    )

    def run(seen: Any) -> Any:
        return kernel_form(seen, w_c, w_a, b, boundary=shifts, padding_mode=padding, stride=stride)

    return same(run(shift(x, offset=by)), shift(run(x), offset=by))
