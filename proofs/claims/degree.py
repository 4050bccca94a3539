"""Claims about the two readings of the article's attention: even of degree 2, odd of degree 3."""

from fractions import Fraction
from typing import Any

import numpy as np

from proofs.article import ours
from proofs.claim import Hypothesis, Rung, claim
from proofs.claims.literal import IMAGES
from proofs.domain import Grid, grid
from proofs.exact import Numbers, drawer, false_accept
from proofs.rings import Array, duals, rationals, same
from refimpl import aa_conv2d, conv2d, global_attention, local_attention, pssa, pssa_stack


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


def _opposite(
    numbers: Numbers,
    *,
    normalise: tuple[str, ...] = ("none",),
    operator: str = "pssa",
    positions: bool = False,
) -> Grid:
    return grid(
        numbers=(numbers,),
        image=((1, 2, 2, 3),) if numbers == "rationals" else ((1, 4, 5, 4),),
        normalise=normalise,
        levels=(1, 2),
        operator=(operator,),
        positions=(positions,),
    )


@claim(
    source=ours("A11"),
    status="conditional",
    evidence="exact rationals",
    why="Global attention is odd, with softmax too (its weights miss the sign); PSSA is even.",
    proof="So their product is odd, and its mean over any population that is symmetric under "
    "x → −x is 0: least squares gives every weight of PSSA the value 0 there. White noise and "
    "AR(1) fields are symmetric; features after a ReLU are not.",
    over=_opposite("rationals", normalise=("none", "softmax")),
    hypotheses=(
        Hypothesis(
            text="PSSA stands alone, without a convolution branch",
            without=_opposite("rationals", operator="x-volution"),
        ),
        Hypothesis(
            text="attention has no position encoding",
            without=_opposite("rationals", normalise=("softmax",), positions=True),
        ),
    ),
    rungs=(
        Rung(
            evidence="Schwartz–Zippel modulo 2⁶¹ − 1",
            over=_opposite("residues"),
            note=false_accept(11),
        ),
    ),
)
def pssa_is_uncorrelated_with_attention_where_signs_are_even(
    numbers: Numbers,
    image: tuple[int, ...],
    normalise: Any,
    levels: int,
    operator: str,
    positions: bool,
) -> bool:
    """PSSA times global attention, at x and at −x, adds up to 0: they are uncorrelated.

    On a population with as many x as −x no weights of PSSA, nor of a stack of it, nor a bias,
    predict anything of global attention, softmax or not.
    """
    draw = drawer(numbers)
    lift = duals if numbers == "rationals" else lambda array: array
    x, w, b = draw(*image, seed=1), draw(2, 4 * image[1], 3, 3, seed=2), draw(2, seed=3)
    kernel = draw(2, image[1], 3, 3, seed=9)
    weights = [lift(draw(2, image[1], seed=seed)) for seed in (4, 5, 6)]
    rel_h, rel_w = (lift(draw(2 * side - 1, 2, seed=7 + side)) for side in image[2:])

    def product_at(seen: Array) -> Array:
        even = pssa(seen, w, b) if levels == 1 else pssa_stack(seen, w, b)  # of two
        if operator == "x-volution":
            even = even + conv2d(seen, kernel, padding=1)
        if not positions:
            scale = Fraction(1, 2)
            return even * global_attention(lift(seen), *weights, normalise=normalise, scale=scale)
        one = lift(np.array([[1, 0], [0, 1]], object))
        w_q, w_k, w_v = weights
        tables: dict[str, Any] = {"rel_h": rel_h, "rel_w": rel_w}
        both = aa_conv2d(lift(seen), lift(kernel), w_q, w_k, w_v, one, scale=1, **tables)
        return even * both[:, 2:]

    return bool(np.all(product_at(x) + product_at(x * -1) == 0))
