"""Claims about merging: two branches of X-volution as one convolution, and when not.

Two sides of an identity are compared with ==. ``refimpl.fuse`` does the merging.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from proofs.article import CONDITIONAL_MERGE, SINGLE_CONVOLUTION
from proofs.claim import Hypothesis, Rung, claim
from proofs.claims import forms
from proofs.claims.branches import EPS, bias, norm, run, trained_branch, with_batch_statistics
from proofs.domain import Case, Cases, Grid, grid
from proofs.exact import Numbers, false_accept
from proofs.rings import Array, rationals, same
from refimpl import shift_product, xvolution, xvolution_fused
from refimpl.fuse import Branch, MergeError, merge

LACKING: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "running statistics": ({}, {"statistics": "batch"}),
    "no non-linearity": ({}, {"activation": "relu"}),
    "equal stride": ({"stride": 2}, {"stride": 3}),
    "equal dilation": ({}, {"dilation": 2}),
    "zero padding": ({"padding_mode": "circular"}, {}),
    "common grid": ({"stride": 3}, {"stride": 3, "padding": 0}),
}
"""What to change in each branch so that one merging condition fails and the shapes still agree."""


def _lacking(condition: str, image: tuple[int, ...] = (1, 1, 3, 3)) -> Any:
    return grid(
        image=(image,),
        kernels=(((3, 3), (3, 3)),),
        stride=(1,),
        dilation=(1,),
        boundary=("circular", "zero"),
        length=(1,),
        lacks=(condition,),
    )


def _one_form(numbers: Numbers, images: tuple[tuple[int, ...], ...]) -> Grid:
    return grid(
        numbers=(numbers,),
        attention=("pssa",),
        form=("feature",),
        image=images,
        options=({}, {"boundary": "zero"}, {"stride": 2}),
    )


@claim(
    source=SINGLE_CONVOLUTION,
    status="conditional",
    evidence="exact rationals",
    why="Both branches are linear in [x; T(x)], and T has no weights: what merges are two "
    "convolutions on one grid.",
    over=grid(
        image=((1, 1, 1, 1), (1, 2, 2, 5), (2, 1, 3, 2)),
        kernels=(((3, 3), (1, 1)), ((1, 1), (3, 3)), ((3, 3), (3, 3)), ((3, 1), (1, 5))),
        stride=(1, 2, (1, 2)),
        dilation=(1, 2),
        boundary=("circular", "zero"),
        length=(1, 2),
        lacks=(None,),
    ),
    hypotheses=(
        Hypothesis(
            text="both normalisations use running statistics",
            without=_lacking("running statistics"),
        ),
        Hypothesis(
            text="no non-linearity stands between a branch and the sum",
            without=_lacking("no non-linearity"),
        ),
        Hypothesis(
            text="both branches have the same stride",
            without=_lacking("equal stride", image=(1, 1, 4, 4)),
        ),
        Hypothesis(text="both branches have the same dilation", without=_lacking("equal dilation")),
        Hypothesis(
            text="both convolutions pad with zeros (the boundary of the shift is free)",
            without=_lacking("zero padding"),
        ),
        Hypothesis(
            text="both kernels are centred on the same pixels", without=_lacking("common grid")
        ),
    ),
    rungs=(
        Rung(
            evidence="symbolic polynomial identity",
            over=_one_form("variables", ((1, 1, 2, 2), (1, 2, 2, 3))),
            holds=forms.every_form_computes_what_was_trained.holds,
            note="For all weights, biases, means and pixels at these shapes; σ fixed, which γ "
            "covers.",
        ),
        Rung(
            evidence="Schwartz–Zippel modulo 2⁶¹ − 1",
            over=_one_form("residues", ((1, 8, 9, 7), (2, 3, 5, 12))),
            holds=forms.every_form_computes_what_was_trained.holds,
            note=false_accept(4),
        ),
    ),
)
def training_form_equals_the_fused_feature_form(
    image: tuple[int, ...],
    kernels: tuple[tuple[int, int], tuple[int, int]],
    stride: Any,
    dilation: int,
    boundary: Any,
    length: int,
    lacks: str | None,
) -> bool:
    """The two branches of X-volution equal ONE convolution of the augmented input [x; T(x)].

    Its kernel and bias are what `refimpl.fuse.merge` makes of the trained branches.
    """
    x = rationals(*image, seed=1)
    shifts: dict[str, Any] = {"boundary": boundary, "length": length}
    conv, attention = _x_volution(x, kernels, shifts, outputs=1 if lacks else 2)
    steps: dict[str, Any] = {"stride": stride, "dilation": dilation}
    if lacks is None:
        conv, attention = replace(conv, **steps), replace(attention, **steps)
        merged = merge(conv, attention)
        training_form = xvolution(
            x,
            conv.w,
            attention.w,
            norm(conv),
            norm(attention),
            bias(conv),
            bias(attention),
            **steps,
            **shifts,
            eps=EPS,
        )
        return same(xvolution_fused(x, merged.w, merged.b, **steps, **shifts), training_form)
    merged = merge(conv, attention)  # as if nothing were lacking
    conv, attention = _without(lacks, conv, attention, shift_product(x, **shifts))
    if lacks == "running statistics":
        merged = merge(conv, replace(attention, statistics="running"))
    fused = xvolution_fused(x, merged.w, merged.b, stride=conv.stride, **shifts)
    return same(fused, run(conv, x) + run(attention, shift_product(x, **shifts)))


def _x_volution(
    x: Array,
    kernels: tuple[tuple[int, int], tuple[int, int]],
    shifts: dict[str, Any],
    *,
    outputs: int,
) -> tuple[Branch, Branch]:
    """The two trained branches of an X-volution of ``x``."""
    channels = len(x[0]), len(shift_product(x, **shifts)[0])
    conv, attention = (
        trained_branch(outputs, inputs, kernel, seed=seed)
        for inputs, kernel, seed in zip(channels, kernels, (2, 4), strict=True)
    )
    return conv, attention


def _without(
    condition: str, conv: Branch, attention: Branch, products: Array
) -> tuple[Branch, Branch]:
    """Change two mergeable branches so that one condition fails."""
    if condition == "running statistics":
        return conv, with_batch_statistics(attention, products)
    changed_conv, changed_attention = LACKING[condition]
    return replace(conv, **changed_conv), replace(attention, **changed_attention)


UNRELATED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "equal outputs": ({}, {"w": rationals(3, 4, 3, 3, seed=1), "b": None, "bn": None}),
    "one group": ({"groups": 2}, {}),
    "common support": ({"w": rationals(2, 1, 2, 2, seed=1), "padding": 0}, {}),
}
"""Branches with no sum, or none that one dense, centred kernel could hold."""


def _conditions() -> Iterator[Case]:
    for condition in (None, *LACKING, *UNRELATED):
        for sides in (1, 3):
            yield {"condition": condition, "attention_side": sides}


@claim(
    source=CONDITIONAL_MERGE,
    status="identity",
    evidence="exhaustive search",
    why="merge checks each condition by itself and raises the name of the first that fails.",
    over=Cases(_conditions),
)
def merge_refuses_exactly_what_it_must(condition: str | None, attention_side: int) -> bool:
    """The merge refuses branches that lack a condition, naming it, and merges those that lack none.

    For those where the sum exists, the training-form claim shows that merging anyway is wrong.
    """
    x, shifts = rationals(1, 1, 4, 4, seed=1), {"boundary": "circular"}
    kernels = ((3, 3), (attention_side, attention_side))
    conv, attention = _x_volution(x, kernels, shifts, outputs=2)
    changes: Any = ({}, {}) if condition is None else (LACKING | UNRELATED)[condition]
    if condition == "common grid" and attention_side == 1:
        changes = ({}, {"padding": 1})  # a 1×1 kernel is centred when it is not padded
    try:
        merge(replace(conv, **changes[0]), replace(attention, **changes[1]))
    except MergeError as error:
        return error.condition == condition
    return condition is None
