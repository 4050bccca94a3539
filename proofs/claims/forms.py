"""Claims about the forms of a merged X-volution: equal numbers by different arithmetic.

``refimpl.forms`` makes and runs the forms; both sides are shipped definitions on exact numbers.
"""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from proofs.article import CONDITIONAL_MERGE, STATIC_PLUS_DYNAMIC, ours
from proofs.claim import Hypothesis, Rung, claim
from proofs.domain import Case, Cases, Grid, grid
from proofs.exact import EPS, Draw, Numbers, drawer, false_accept, square_variances
from proofs.rings import Array, duals, rationals, same
from refimpl import BatchNorm, batch_norm, conv2d
from refimpl.forms import (
    FORMS,
    XVolution,
    fuse_xvolution,
    per_image_form,
    run_fused,
    run_trained,
    tied,
)
from refimpl.fuse import fold_batch_norm

ROOM = 320  # variables of the largest symbolic case below
DEGREE = 7  # of Eq. 9: scale, W_v, W_q and W_k, and three pixels


def norm(draw: Draw, outputs: int, seed: int) -> BatchNorm:
    """A normalisation with running statistics, its deviation rational."""
    gamma, beta, mean = (draw(outputs, seed=seed + each) for each in range(3))
    return BatchNorm(gamma, beta, mean, square_variances(outputs))


def trained(
    draw: Draw,
    attention: str,
    *,
    channels: int,
    outputs: int,
    sides: tuple[int, int] = (3, 1),
    tie: bool = False,
    **options: Any,
) -> XVolution:
    """Two trained branches; ``sides`` are those of the kernels; ``tie`` makes them one kernel."""
    w_c = draw(outputs, channels, sides[0], sides[0], seed=2)
    bn_c, bn_a = norm(draw, outputs, 4), norm(draw, outputs, 7)
    arrays = {"w_c": w_c, "b_c": draw(outputs, seed=3)}
    if attention == "pssa":
        w_a = draw(outputs, 4 * channels, sides[1], sides[1], seed=10)
        if tie:
            w_a = np.concatenate(list(w_c * _factors(channels)), axis=1)
            bn_a = bn_a._replace(gamma=bn_c.gamma)
        arrays |= {"w_a": w_a, "b_a": draw(outputs, seed=11)}
    else:
        shapes = {"w_q": (2, channels), "w_k": (2, channels), "w_v": (outputs, channels)}
        arrays |= {name: draw(*shape, seed=12 + len(name)) for name, shape in shapes.items()}
    names: Any = attention
    return XVolution(attention=names, arrays=arrays, bn_c=bn_c, bn_a=bn_a, eps=EPS, **options)


def _factors(channels: int) -> Array:
    """α of the tied form for four directions, as a factor of a kernel (d, 1, c, 1, 1)."""
    return rationals(4, channels, seed=13)[:, None, :, None, None]


def _layers(
    numbers: Numbers, images: tuple[tuple[int, ...], ...], *, without: str = ""
) -> Iterator[Case]:
    """Every form of every attention, on some images."""
    for attention, forms in FORMS.items():
        for form in forms:
            if form == without:
                continue
            steps = ({}, {"stride": 2}, {"dilation": 2}) if numbers == "rationals" else ({},)
            for image in images:
                for options in (*steps, *({"boundary": "zero"},) * (attention == "pssa")):
                    yield {
                        "numbers": numbers,
                        "attention": attention,
                        "form": form,
                        "image": image,
                        "options": options,
                    }


@claim(
    source=CONDITIONAL_MERGE,
    status="identity",
    evidence="exact rationals",
    why="Each form regroups the same products: a sum in another order, a square completed, a map "
    "reused.",
    proof="Each form's file in refimpl.forms derives it from the feature form by the distributive "
    "law; the symbolic rung is that law, applied to the shipped code.",
    over=Cases(lambda: _layers("rationals", ((1, 1, 1, 1), (2, 2, 3, 4)))),
    rungs=(
        Rung(
            evidence="symbolic polynomial identity",
            over=Cases(lambda: _layers("variables", ((1, 1, 2, 2), (1, 2, 2, 3)), without="tied")),
            note="For all weights, biases, means and pixels at these shapes; σ fixed, which γ "
            "covers. The tied form has a claim of its own.",
        ),
        Rung(
            evidence="Schwartz–Zippel modulo 2⁶¹ − 1",
            over=Cases(lambda: _layers("residues", ((1, 5, 7, 6),))),
            note=false_accept(DEGREE),
        ),
    ),
)
def every_form_computes_what_was_trained(
    numbers: Numbers,
    attention: str,
    form: Any,
    image: tuple[int, ...],
    options: dict[str, Any],
) -> bool:
    """Every fused form computes what the two trained branches compute, pixel by pixel.

    Pixel shifts: feature, two-pass, tied (of tied kernels), square, shared and kernel form. Local
    attention: kernel form. Global attention: the SA form, one kernel per image. Without softmax.
    """
    draw = drawer(numbers, room=ROOM)
    x = draw(*image, seed=1)
    tie = form == "tied"
    layer = trained(
        draw,
        attention,
        channels=image[1],
        outputs=1 if numbers == "variables" else 2,
        sides=(3, 3) if tie else (3, 1),
        tie=tie,
        **options,
    )
    return same(run_fused(fuse_xvolution(layer, form=form), x), run_trained(layer, x))


def _tied_grid(numbers: Numbers, image: tuple[int, ...], *, is_tied: bool = True) -> Grid:
    return grid(
        numbers=(numbers,),
        image=(image,),
        side=(1, 3),
        boundary=("circular", "zero"),
        is_tied=(is_tied,),
    )


@claim(
    source=ours("A7"),
    status="conditional",
    evidence="exact rationals",
    why="A factor per input channel commutes with a kernel, so it can multiply the pixels instead.",
    over=_tied_grid("rationals", (2, 2, 3, 4)),
    hypotheses=(
        Hypothesis(
            text="every direction's kernel is the convolution's, up to a factor per input channel",
            without=_tied_grid("rationals", (1, 2, 3, 3), is_tied=False),
        ),
    ),
    rungs=(
        Rung(
            evidence="symbolic polynomial identity",
            over=_tied_grid("variables", (1, 2, 2, 3)),
            note="For all kernels, factors, biases and pixels at this shape.",
        ),
        Rung(
            evidence="Schwartz–Zippel modulo 2⁶¹ − 1",
            over=_tied_grid("residues", (1, 5, 7, 6)),
            note=false_accept(4),
        ),
    ),
)
def tied_kernels_gate_the_image_instead(
    numbers: Numbers, image: tuple[int, ...], side: int, boundary: Any, is_tied: bool
) -> bool:
    """With tied kernels X-volution is conv2d(x ⊙ (1 + Σ_d α_d ⊙ shift(x, d)), w_c, b).

    The array does what the plain convolution does; the gate is elementwise.
    """
    draw = drawer(numbers, room=ROOM)
    x, w_c, b = draw(*image, seed=1), draw(2, image[1], side, side, seed=2), draw(2, seed=3)
    alpha = draw(4, image[1], seed=4)
    w_a = np.concatenate(list(w_c * alpha[:, None, :, None, None]), axis=1)
    if not is_tied:
        w_a = draw(*w_a.shape, seed=5)
    two_branches = XVolution(arrays={"w_c": w_c, "w_a": w_a, "b_c": b}, boundary=boundary)
    return same(tied(x, w_c, b, alpha, boundary=boundary), run_trained(two_branches, x))


def _softmax_grid(numbers: str) -> Grid:
    return grid(
        numbers=(numbers,),
        image=((1, 1, 1, 1), (2, 2, 3, 4)),
        sides=((3, 3), (3, 5), (1, 3)),
        stride=(1, 2),
    )


def softmax_merges_as_balls(
    numbers: str, image: tuple[int, ...], sides: tuple[int, int], stride: int
) -> bool:
    """The same with the exponential itself, enclosed."""
    from proofs.balls import balls, equal  # noqa: PLC0415 - an extra

    left, right = _softmax_sides(numbers, image, sides, stride, balls)
    return equal(left, right, within=2.0**-150)


@claim(
    source=STATIC_PLUS_DYNAMIC,
    status="identity",
    evidence="exact rationals",
    why="Whatever the weights are, the output is linear in the values, and W_v mixes channels "
    "after or before the sum.",
    proof="Σ_δ a(p,δ)·W_v x[p+δ] = Σ_δ (W_v·a(p,δ)) x[p+δ] for any scalars a(p,δ), softmax's "
    "included.",
    over=_softmax_grid("rationals"),
    rungs=(
        Rung(
            evidence="rigorous enclosure",
            over=_softmax_grid("rationals"),
            holds=softmax_merges_as_balls,
            note="With exp and 1/√d themselves; both sides overlap in balls of radius below 2⁻¹⁵⁰.",
        ),
    ),
)
def softmax_does_not_break_the_merge(
    numbers: str, image: tuple[int, ...], sides: tuple[int, int], stride: int
) -> bool:
    """X-volution with *softmax* local attention merges into a static plus a dynamic kernel, too.

    exp is any positive function here: softmax enters only as weights.
    """
    return same(*_softmax_sides(numbers, image, sides, stride, duals))


def _softmax_sides(
    numbers: Any, image: tuple[int, ...], sides: tuple[int, int], stride: int, lift: Any
) -> tuple[Array, Array]:
    """The fused and the trained form, on numbers that have an exponential."""
    draw = drawer(numbers)
    layer = trained(
        lambda *shape, seed: lift(draw(*shape, seed=seed)),
        "local_attention",
        channels=image[1],
        outputs=2,
        sides=(sides[0], 1),
        window=sides[1],
        normalise="softmax",
        scale=Fraction(1, 2),
        stride=stride,
    )
    x = lift(draw(*image, seed=1))
    return run_fused(fuse_xvolution(layer), x), run_trained(layer, x)


def _sa_grid(normalise: str, numbers: Numbers = "rationals") -> Grid:
    return grid(
        numbers=(numbers,),
        image=((1, 1, 1, 2), (2, 2, 2, 3)),
        stride=(1, 2),
        normalise=(normalise,),
    )


@claim(
    source=CONDITIONAL_MERGE,
    status="conditional",
    evidence="exact rationals",
    why="Σ_t ⟨q_p, k_t⟩ v_t = (Σ_t v_t k_tᵀ) q_p: a matrix that is the same for every pixel.",
    over=_sa_grid("none"),
    hypotheses=(
        Hypothesis(
            text="the scores are not normalised by softmax",
            without=_sa_grid("softmax"),
        ),
    ),
    rungs=(
        Rung(
            evidence="symbolic polynomial identity",
            over=_sa_grid("none", "variables"),
            note="For all weights, biases and pixels at these shapes.",
        ),
    ),
)
def x_volution_with_global_attention_is_one_kernel_per_image(
    numbers: Numbers, image: tuple[int, ...], stride: int, normalise: Any
) -> bool:
    """X-volution (SA) without softmax is one convolution whose kernel depends on the image only.

    The kernel is w_c + δ₀·(Σ_t v_t k_tᵀ)·W_q; it needs all of the image before the first output.
    """
    draw = drawer(numbers, room=ROOM)
    lift = duals if numbers == "rationals" else lambda array: array
    outputs = 1 if numbers == "variables" else 2
    layer = trained(draw, "global_attention", channels=image[1], outputs=outputs, stride=stride)
    x = draw(*image, seed=1)
    arrays, bn_c, bn_a = layer.arrays, layer.bn_c, layer.bn_a
    assert bn_c is not None  # noqa: S101 - trained gave it
    assert bn_a is not None  # noqa: S101 - and this
    static = fold_batch_norm(arrays["w_c"], arrays["b_c"], bn_c, eps=EPS)
    value = fold_batch_norm(arrays["w_v"][:, :, None, None], None, bn_a, eps=EPS)
    merged = per_image_form(
        x,
        static.w,
        arrays["w_q"],
        arrays["w_k"],
        value.w[:, :, 0, 0],
        b=static.b + value.b,
        stride=stride,
    )
    lifted = {name: lift(array) for name, array in arrays.items()}
    layer = replace(layer, arrays=lifted, normalise=normalise, scale=1)
    return same(merged, run_trained(layer, lift(x)))


@claim(
    source=ours("A4"),
    status="identity",
    evidence="exact rationals",
    why="A kernel that is 1 at the middle of its own channel and 0 elsewhere reads the pixel.",
    over=grid(
        numbers=("rationals",),
        image=((1, 1, 1, 1), (2, 3, 4, 3)),
        side=(1, 3, 5),
        normalised=(False, True),
    ),
    rungs=(
        Rung(
            evidence="symbolic polynomial identity",
            over=grid(
                numbers=("variables",), image=((1, 2, 3, 3),), side=(1, 3), normalised=(False, True)
            ),
        ),
    ),
)
def the_identity_is_a_dirac_kernel(
    numbers: Numbers, image: tuple[int, ...], side: int, normalised: bool
) -> bool:
    """A skip connection, normalised or not, is a convolution with a Dirac kernel."""
    draw = drawer(numbers, room=ROOM)
    x, bn = draw(*image, seed=1), norm(draw, image[1], 2)
    dirac = np.full((image[1], image[1], side, side), Fraction(0), object)
    for channel in range(image[1]):
        dirac[channel, channel, side // 2, side // 2] = Fraction(1)
    if not normalised:
        return same(conv2d(x, dirac, padding=side // 2), x + Fraction(0))
    folded = fold_batch_norm(dirac, None, bn, eps=EPS)
    return same(conv2d(x, *folded, padding=side // 2), batch_norm(x, *bn, eps=EPS))
