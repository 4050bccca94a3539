"""Claims about attention by scores: convolution inside it, and it inside a convolution."""

from fractions import Fraction
from typing import Any

import numpy as np

from proofs.article import INVARIANT_PART, ours
from proofs.claim import Hypothesis, Rung, claim
from proofs.claims.literal import IMAGES
from proofs.domain import Grid, grid
from proofs.exact import Numbers, drawer, false_accept
from proofs.rings import duals, rationals, same
from refimpl import conv2d, global_attention, shift


def _one_hot(
    numbers: Numbers, images: tuple[tuple[int, ...], ...], *, boundary: str = "zero"
) -> Grid:
    return grid(
        numbers=(numbers,),
        image=images,
        kernel=((1, 1), (3, 3), (5, 1)),
        boundary=(boundary,),
    )


@claim(
    source=INVARIANT_PART,
    status="conditional",
    evidence="exact rationals",
    why="A head that attends to one fixed offset is a shift, and a 1×1 value projection after it "
    "is one tap of a kernel.",
    over=_one_hot("rationals", IMAGES),
    hypotheses=(
        Hypothesis(
            text="the heads read zeros outside the image, as the convolution does",
            without=_one_hot("rationals", IMAGES, boundary="circular"),
        ),
    ),
    rungs=(
        Rung(
            evidence="symbolic polynomial identity",
            over=_one_hot("variables", ((1, 2, 3, 3),)),
            note="For all kernels and pixels at this shape.",
        ),
        Rung(
            evidence="Schwartz–Zippel modulo 2⁶¹ − 1",
            over=_one_hot("residues", ((1, 4, 7, 6),)),
            note=false_accept(2),
        ),
    ),
)
def convolution_is_attention_with_one_hot_positions(
    numbers: Numbers, image: tuple[int, ...], kernel: tuple[int, int], boundary: Any
) -> bool:
    """A K×K convolution is the sum of K² attention heads, each looking at one fixed offset."""
    draw = drawer(numbers, room=60)
    x, w = draw(*image, seed=1), draw(2, image[1], *kernel, seed=2)
    rows, cols = (kernel[0] - 1) // 2, (kernel[1] - 1) // 2
    heads = (
        conv2d(shift(x, offset=(u - rows, v - cols), boundary=boundary), w[:, :, u, v, None, None])
        for u, v in np.ndindex(kernel)
    )
    return same(conv2d(x, w, padding=(rows, cols)), sum(heads, start=np.zeros((), object)))


@claim(
    source=ours("A10"),
    status="conditional",
    evidence="exact rationals",
    why="Without softmax the sum over all pixels can be taken first: Σ_t v_t⟨q_p, k_t⟩ = "
    "(Σ_t v_t k_tᵀ) q_p.",
    over=grid(image=IMAGES, stride=(1, 2), normalise=("none",)),
    hypotheses=(
        Hypothesis(
            text="the scores are not normalised by softmax",
            without=grid(image=IMAGES, stride=(1,), normalise=("softmax",)),
        ),
    ),
)
def unnormalised_global_attention_is_a_convolution_per_image(
    image: tuple[int, ...], stride: int, normalise: Any
) -> bool:
    """Global attention without softmax is a 1×1 convolution whose weights depend on the image."""
    x = rationals(*image, seed=1)
    w_q, w_k, w_v = (rationals(2, image[1], seed=seed) for seed in (2, 3, 4))
    options: dict[str, Any] = {"normalise": normalise, "stride": stride, "scale": Fraction(1)}
    y = global_attention(duals(x), duals(w_q), duals(w_k), duals(w_v), **options)
    for each, attended in zip(x, y, strict=True):
        pixels = each.reshape(len(each), -1)
        mixing = (w_v @ pixels) @ (w_k @ pixels).T @ w_q
        if not same(conv2d(each[None], mixing[:, :, None, None], stride=stride)[0], attended):
            return False
    return True
