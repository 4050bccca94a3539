"""Claims about folding and merging: what structural re-parameterisation may and may not do.

Every number is a rational; var + ε of each normalisation is the square of one, so the square root
is exact and the two sides of an identity are compared with ==. ``refimpl.fuse`` does the merging.
"""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from math import isqrt
from typing import Any

import numpy as np

from proofs.article import CONDITIONAL_MERGE, SINGLE_CONVOLUTION, ours
from proofs.cases import square_bn
from proofs.claim import Case, Cases, Hypothesis, claim, grid
from proofs.rings import Array, duals, exact_root, rationals, same
from refimpl import (
    BatchNorm,
    batch_norm,
    batch_norm_training,
    conv2d,
    relu,
    shift_product,
    xvolution,
    xvolution_fused,
)
from refimpl.fuse import Branch, MergeError, PaddingMode, embed, fold_batch_norm, merge
from refimpl.ops.conv2d import same_padding

IMAGES = ((1, 1, 1, 1), (1, 2, 2, 5), (2, 1, 4, 3))
SQUARE = ((1, 2, 4, 4),)
KERNELS = ((1, 1), (3, 3), (1, 3))
EPS = Fraction(1, 4)


def _branch(outputs: int, channels: int, kernel: tuple[int, int], seed: int) -> Branch:
    """A trained branch on exact numbers, every array its own."""
    return Branch(
        w=rationals(outputs, channels, *kernel, seed=seed),
        b=rationals(outputs, seed=seed + 1),
        bn=_root_ready(square_bn(outputs, seed % 3)),
        eps=EPS,
    )


def _root_ready(bn: BatchNorm) -> BatchNorm:
    """Give the variance a number type that has square roots."""
    return bn._replace(var=duals(bn.var))


def _run(branch: Branch, z: Array) -> Array:
    """Run a branch as it is described, its normalisation and activation included."""
    rows, cols = branch.reach
    if branch.padding_mode == "circular":
        z = np.pad(z, ((0, 0), (0, 0), (rows, rows), (cols, cols)), mode="wrap")
        rows = cols = 0
    y = conv2d(
        z, branch.w, branch.b, stride=branch.stride, padding=(rows, cols), dilation=branch.dilation
    )
    if branch.bn is not None and branch.statistics == "batch":
        y = batch_norm_training(duals(y), branch.bn.gamma, branch.bn.beta, eps=branch.eps).y
    elif branch.bn is not None:
        y = batch_norm(y, *branch.bn, eps=branch.eps)
    return y if branch.activation is None else relu(y)


def _bias(branch: Branch) -> Array:
    assert branch.b is not None  # noqa: S101 - _branch made it
    return branch.b


def _norm(branch: Branch) -> BatchNorm:
    assert branch.bn is not None  # noqa: S101 - _branch made it
    return branch.bn


def _with_batch_statistics(branch: Branch, z: Array) -> Branch:
    """Train the one channel of a branch on ``z``, with ε that makes both roots rational.

    The batch's variance v gives v + ε = r² for the next integer r; the running variance is chosen
    so that it gives (r + 1)².
    """
    y = _run(replace(branch, bn=None), z)
    mean = y.sum() / y.size
    var = ((y - mean) * (y - mean)).sum() / y.size
    root = isqrt(int(var)) + 1
    running = duals(np.array([(root + 1) ** 2 - root**2 + var], object))
    return replace(
        branch, statistics="batch", eps=root**2 - var, bn=_norm(branch)._replace(var=running)
    )


@claim(
    source=CONDITIONAL_MERGE,
    status="conditional",
    evidence="exact rationals",
    why="With fixed statistics the normalisation is one affine map per channel, and an affine map "
    "of a convolution is a convolution.",
    over=grid(
        image=IMAGES, outputs=(1, 3), kernel=KERNELS, stride=(1, 2), bias=(False, True), batch=(0,)
    ),
    hypotheses=(
        Hypothesis(
            text="the normalisation uses inference (running) statistics",
            without=grid(
                image=SQUARE, outputs=(1,), kernel=KERNELS, stride=(1,), bias=(True,), batch=(1,)
            ),
        ),
    ),
)
def batch_norm_folds_into_the_convolution(
    image: tuple[int, ...],
    outputs: int,
    kernel: tuple[int, int],
    stride: int,
    bias: bool,
    batch: int,
) -> bool:
    """Batch normalisation after a convolution folds into it: BN(w ∗ x + b) = w' ∗ x + b'.

    Here w' = w·s, b' = (b − μ)·s + β and s = γ/√(σ² + ε).
    """
    x = rationals(*image, seed=1)
    branch = replace(_branch(outputs, image[1], kernel, seed=2), stride=stride)
    branch = branch if bias else replace(branch, b=None)
    branch = _with_batch_statistics(branch, x) if batch else branch
    w, b = fold_batch_norm(branch.w, branch.b, _norm(branch), eps=branch.eps)
    return same(conv2d(x, w, b, stride=stride, padding=branch.reach), _run(branch, x))


@claim(
    source=ours("A4"),
    status="conditional",
    evidence="exact rationals",
    why="An affine map of the input passes through a linear one; the padding must pass through it "
    "too, and zeros do not.",
    over=grid(image=IMAGES, kernel=KERNELS, stride=(1, 2), padding_mode=("circular", "none")),
    hypotheses=(
        Hypothesis(
            text="the convolution does not pad with zeros",
            without=grid(image=IMAGES, kernel=KERNELS, stride=(1,), padding_mode=("zero",)),
        ),
    ),
)
def batch_norm_folds_into_the_convolution_after_it(
    image: tuple[int, ...], kernel: tuple[int, int], stride: int, padding_mode: str
) -> bool:
    """Batch normalisation *before* a convolution folds into it: w ∗ BN(x) = w' ∗ x + b'.

    Here w' = w·s over input channels and b' adds Σ w·(β − μ·s) to b.
    """
    if padding_mode == "none" and any(k > s for k, s in zip(kernel, image[2:], strict=True)):
        kernel = (1, 1)
    x, bn = rationals(*image, seed=1), _root_ready(square_bn(image[1], 1))
    after = replace(_branch(2, image[1], kernel, seed=2), bn=None, stride=stride)
    mode: PaddingMode = "zero" if padding_mode == "zero" else "circular"
    after = replace(after, padding_mode=mode, padding=(0, 0) if padding_mode == "none" else None)
    # Folding (1×1 identity, BN) first gives s and β − μ·s without repeating their formula here.
    s, t = fold_batch_norm(rationals(image[1], 1, 1, 1, seed=0) * 0 + 1, None, bn, eps=EPS)
    shifted = (after.w * t[:, None, None]).sum(axis=(1, 2, 3))
    folded = replace(after, w=after.w * s[:, 0, 0, 0][:, None, None], b=_bias(after) + shifted)
    return same(_run(folded, x), _run(after, batch_norm(x, *bn, eps=EPS)))


@claim(
    source=ours("A4"),
    status="conditional",
    evidence="exact rationals",
    why="The zeros around the small kernel multiply the same pixels that the larger padding adds.",
    over=grid(
        image=IMAGES,
        kernel=((1, 1), (1, 3), (3, 1)),
        support=((3, 3), (5, 3)),
        stride=(1, 2),
        dilation=(1, 2),
        off_centre=(0,),
    ),
    hypotheses=(
        Hypothesis(
            text="the small kernel stands in the middle of the large one",
            without=grid(
                image=IMAGES,
                kernel=((1, 1),),
                support=((3, 3),),
                stride=(1,),
                dilation=(1,),
                off_centre=(1,),
            ),
        ),
    ),
)
def a_small_kernel_is_a_large_one_with_zeros(
    image: tuple[int, ...],
    kernel: tuple[int, int],
    support: tuple[int, int],
    stride: int,
    dilation: int,
    off_centre: int,
) -> bool:
    """A 1×1 (or any odd) kernel, embedded in a larger odd one, is the same convolution."""
    x, w = rationals(*image, seed=1), rationals(2, image[1], *kernel, seed=2)
    large = np.roll(embed(w, support), off_centre, axis=3)
    steps: dict[str, Any] = {"stride": stride, "dilation": dilation}
    small_y = conv2d(x, w, padding=same_padding(kernel, dilation), **steps)
    return same(conv2d(x, large, padding=same_padding(support, dilation), **steps), small_y)


PAIRS = (((3, 3), (3, 3)), ((3, 3), (1, 1)), ((1, 3), (3, 1)), ((5, 1), (3, 3)))


def _branch_pairs(strides: tuple[int, int], dilations: tuple[int, int], *, active: bool) -> Any:
    return grid(
        image=SQUARE, kernels=PAIRS, strides=(strides,), dilations=(dilations,), active=(active,)
    )


@claim(
    source=CONDITIONAL_MERGE,
    status="conditional",
    evidence="exact rationals",
    why="A convolution is linear in its kernel, so kernels on one grid add.",
    over=grid(
        image=IMAGES,
        kernels=PAIRS,
        strides=((1, 1), (2, 2)),
        dilations=((1, 1), (2, 2)),
        active=(False,),
    ),
    hypotheses=(
        Hypothesis(
            text="no non-linearity stands between a branch and the sum",
            without=_branch_pairs((1, 1), (1, 1), active=True),
        ),
        Hypothesis(
            text="both branches have the same stride",
            without=_branch_pairs((2, 3), (1, 1), active=False),
        ),
        Hypothesis(
            text="both branches have the same dilation",
            without=_branch_pairs((1, 1), (1, 2), active=False),
        ),
    ),
)
def parallel_branches_merge(
    image: tuple[int, ...],
    kernels: tuple[tuple[int, int], tuple[int, int]],
    strides: tuple[int, int],
    dilations: tuple[int, int],
    active: bool,
) -> bool:
    """Two parallel convolutions of x add up to one, whose kernel and bias are the sums of theirs.

    The smaller kernel is first surrounded by zeros.
    """
    x = rationals(*image, seed=1)
    branches = [
        replace(_branch(2, image[1], kernel, seed=seed), bn=None, stride=stride, dilation=dilation)
        for kernel, stride, dilation, seed in zip(kernels, strides, dilations, (2, 4), strict=True)
    ]
    if active:
        branches[1] = replace(branches[1], activation="relu")
    support = (
        max(kernels[0][0], kernels[1][0]),
        max(kernels[0][1], kernels[1][1]),
    )
    w = embed(branches[0].w, support) + embed(branches[1].w, support)
    b = _bias(branches[0]) + _bias(branches[1])
    merged = replace(branches[0], w=w, b=b)
    return same(_run(merged, x), _run(branches[0], x) + _run(branches[1], x))


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
            _norm(conv),
            _norm(attention),
            _bias(conv),
            _bias(attention),
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
    return same(fused, _run(conv, x) + _run(attention, shift_product(x, **shifts)))


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
        _branch(outputs, inputs, kernel, seed=seed)
        for inputs, kernel, seed in zip(channels, kernels, (2, 4), strict=True)
    )
    return conv, attention


def _without(
    condition: str, conv: Branch, attention: Branch, products: Array
) -> tuple[Branch, Branch]:
    """Change two mergeable branches so that one condition fails."""
    if condition == "running statistics":
        return conv, _with_batch_statistics(attention, products)
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


def _float_branch(
    rng: np.random.Generator, channels: int, kernel: tuple[int, int], offset: float
) -> Branch:
    """A float32 branch whose means and biases are ``offset`` times larger than its weights."""

    def drawn(*shape: int) -> Array:
        return rng.standard_normal(shape).astype(np.float32)

    roots = rng.integers(2, 9, 2) / np.float32(4)
    var = (roots * roots - np.float32(0.25)).astype(np.float32)  # exact: quarters, squared
    bn = BatchNorm(drawn(2), drawn(2), drawn(2) * np.float32(offset), var)
    return Branch(
        w=drawn(2, channels, *kernel), b=drawn(2) * np.float32(offset), bn=bn, eps=np.float32(0.25)
    )


def _exact(array: Array) -> Array:
    """Read floats as the rationals they are."""
    return np.asarray(np.frompyfunc(lambda each: Fraction(float(each)), 1, 1)(array), object)


def _magnitude(branch: Branch, z: Array) -> Array:
    """|s|·(|w| ∗ |z| + |b| + |μ|) + |β|, exactly, for one branch."""
    bn = _norm(branch)
    s = np.array(
        [
            gamma / exact_root(var + Fraction(1, 4))
            for gamma, var in zip(_exact(bn.gamma), _exact(bn.var), strict=True)
        ],
        object,
    )
    inside = conv2d(abs(z), abs(_exact(branch.w)), abs(_exact(_bias(branch))), padding=branch.reach)
    scaled = abs(s)[:, None, None] * (inside + abs(_exact(bn.mean))[:, None, None])
    return np.asarray(scaled + abs(_exact(bn.beta))[:, None, None])


def float32_forms(
    image: tuple[int, ...],
    kernels: tuple[tuple[int, int], tuple[int, int]],
    offset: float,
    seed: int,
) -> tuple[Array, Array, Array, Branch, Branch]:
    """Image, training form, fused form and the two branches, in float32."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(image).astype(np.float32)
    conv, attention = (
        _float_branch(rng, channels, kernel, offset)
        for channels, kernel in zip((image[1], 4 * image[1]), kernels, strict=True)
    )
    trained = xvolution(
        x,
        conv.w,
        attention.w,
        _norm(conv),
        _norm(attention),
        _bias(conv),
        _bias(attention),
        eps=conv.eps,
    )
    merged = merge(conv, attention)
    return x, trained, xvolution_fused(x, merged.w, merged.b), conv, attention


@claim(
    source=ours("A4"),
    status="bounded",
    evidence="exact rationals",
    why="Each form rounds every term at most k times on its way to the output, so each is within "
    "γ_k·M of the exact value.",
    over=grid(
        image=((1, 1, 1, 1), (1, 2, 5, 4)),
        kernels=(((3, 3), (3, 3)), ((3, 3), (1, 1))),
        offset=(1.0, 1000.0),
        seed=range(8),
    ),
)
def float32_forms_differ_by_rounding_only(
    image: tuple[int, ...],
    kernels: tuple[tuple[int, int], tuple[int, int]],
    offset: float,
    seed: int,
) -> bool:
    """In float32 training and fused form differ by at most 2·γ_k·M, at every output pixel.

    M = Σ |s|·(|w| ∗ |z| + |b| + |μ|) + |β| over both branches, z being x and T(x);
    γ_k = k·u/(1 − k·u), u = 2⁻²⁴, k = (1 + (1 + D)·C)·K² + 10. Underflow apart.
    """
    x, trained, fused, conv, attention = float32_forms(image, kernels, offset, seed)
    assert trained.dtype == fused.dtype == np.float32  # noqa: S101 - or the bound is of another type
    taps = max(kernels[0][0], kernels[1][0]) * max(kernels[0][1], kernels[1][1])
    k = (1 + 5 * image[1]) * taps + 10
    gamma = Fraction(k, 2**24 - k)
    z = _exact(x)
    magnitude = _magnitude(conv, z) + _magnitude(attention, shift_product(z))
    return bool(np.all(abs(_exact(trained) - _exact(fused)) <= 2 * gamma * magnitude))
