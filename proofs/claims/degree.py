"""Claims about the two readings of the article's attention: even of degree 2, odd of degree 3."""

from fractions import Fraction
from typing import Any

from proofs.article import (
    ours,
)
from proofs.claim import Hypothesis, claim
from proofs.claims.literal import IMAGES
from proofs.domain import grid
from proofs.rings import duals, rationals, same
from refimpl import (
    local_attention,
    pssa,
)


@claim(
    source=ours("A4"),
    status="conditional",
    evidence="exact rationals",
    why="Every term is a weight times a product of two pixels.",
    over=grid(
        image=IMAGES,
        side=(1, 3),
        boundary=("circular", "zero"),
        factor=(-2, -1, 0, Fraction(1, 2), 3),
        bias=(False,),
    ),
    hypotheses=(
        Hypothesis(
            text="there is no bias",
            without=grid(
                image=IMAGES, side=(1,), boundary=("circular",), factor=(-2,), bias=(True,)
            ),
        ),
    ),
)
def pssa_is_even_and_homogeneous_of_degree_two(
    image: tuple[int, ...],
    side: int,
    boundary: Any,
    factor: Fraction,
    bias: bool,
) -> bool:
    """One level of PSSA satisfies pssa(t·x) = t²·pssa(x), in particular pssa(−x) = pssa(x)."""
    x, w = rationals(*image, seed=1), rationals(2, 4 * image[1], side, side, seed=2)
    b = rationals(2, seed=3) if bias else None
    scaled = pssa(x * factor, w, b, boundary=boundary)
    return same(scaled, factor * factor * pssa(x, w, b, boundary=boundary))


@claim(
    source=ours("A2"),
    status="conditional",
    evidence="exact rationals",
    why="Every term is a score, of degree 2, times a value. PSSA is even and of degree 2, so the "
    "two readings of the article's attention are different operators.",
    over=grid(image=IMAGES, side=(1, 3), factor=(-2, -1, 0, 3), normalise=("none",)),
    hypotheses=(
        Hypothesis(
            text="the scores are not normalised by softmax",
            without=grid(image=IMAGES, side=(3,), factor=(3,), normalise=("softmax",)),
        ),
    ),
)
def local_attention_is_odd_and_homogeneous_of_degree_three(
    image: tuple[int, ...], side: int, factor: int, normalise: Any
) -> bool:
    """Local attention (Eq. 9 of the paper) satisfies f(t·x) = t³·f(x), in particular f(−x) = −f(x).

    Without position encoding.
    """
    x = rationals(*image, seed=1)
    weights = [duals(rationals(2, image[1], seed=seed)) for seed in (2, 3, 4)]
    options: dict[str, Any] = {"kernel": side, "normalise": normalise, "scale": Fraction(1)}
    scaled = local_attention(duals(x * factor), *weights, **options)
    return same(scaled, factor**3 * local_attention(duals(x), *weights, **options))
