"""Claims about folding: normalisations into kernels, small kernels into large, branches into one.

Two sides of an identity are compared with ==. ``refimpl.fuse`` does the folding.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from proofs.article import CONDITIONAL_MERGE, ours
from proofs.cases import square_bn
from proofs.claim import Hypothesis, claim
from proofs.claims.branches import (
    EPS,
    bias,
    norm,
    root_ready,
    run,
    trained_branch,
    with_batch_statistics,
)
from proofs.domain import grid
from proofs.rings import rationals, same
from refimpl import batch_norm, conv2d
from refimpl.fuse import PaddingMode, embed, fold_batch_norm
from refimpl.ops.conv2d import same_padding

IMAGES = ((1, 1, 1, 1), (1, 2, 2, 5), (2, 1, 4, 3))
SQUARE = ((1, 2, 4, 4),)
KERNELS = ((1, 1), (3, 3), (1, 3))


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
    branch = replace(trained_branch(outputs, image[1], kernel, seed=2), stride=stride)
    branch = branch if bias else replace(branch, b=None)
    branch = with_batch_statistics(branch, x) if batch else branch
    w, b = fold_batch_norm(branch.w, branch.b, norm(branch), eps=branch.eps)
    return same(conv2d(x, w, b, stride=stride, padding=branch.reach), run(branch, x))


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
    x, bn = rationals(*image, seed=1), root_ready(square_bn(image[1], 1))
    after = replace(trained_branch(2, image[1], kernel, seed=2), bn=None, stride=stride)
    mode: PaddingMode = "zero" if padding_mode == "zero" else "circular"
    after = replace(after, padding_mode=mode, padding=(0, 0) if padding_mode == "none" else None)
    # Folding (1×1 identity, BN) first gives s and β − μ·s without repeating their formula here.
    s, t = fold_batch_norm(rationals(image[1], 1, 1, 1, seed=0) * 0 + 1, None, bn, eps=EPS)
    shifted = (after.w * t[:, None, None]).sum(axis=(1, 2, 3))
    folded = replace(after, w=after.w * s[:, 0, 0, 0][:, None, None], b=bias(after) + shifted)
    return same(run(folded, x), run(after, batch_norm(x, *bn, eps=EPS)))


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
        replace(
            trained_branch(2, image[1], kernel, seed=seed),
            bn=None,
            stride=stride,
            dilation=dilation,
        )
        for kernel, stride, dilation, seed in zip(kernels, strides, dilations, (2, 4), strict=True)
    ]
    if active:
        branches[1] = replace(branches[1], activation="relu")
    support = (
        max(kernels[0][0], kernels[1][0]),
        max(kernels[0][1], kernels[1][1]),
    )
    w = embed(branches[0].w, support) + embed(branches[1].w, support)
    b = bias(branches[0]) + bias(branches[1])
    merged = replace(branches[0], w=w, b=b)
    return same(run(merged, x), run(branches[0], x) + run(branches[1], x))
