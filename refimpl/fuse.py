"""Re-parameterisation: fold batch normalisation, merge two branches into one convolution.

Folding, from y = (w ∗ x + b − μ)·s + β with s = γ/√(σ² + ε):

    w' = w·s            b' = (b − μ)·s + β

(the bias in this order, not b·s + (β − μ·s): where |μ| ≫ σ the latter cancels twice).

Merging, from BN_c(w_c ∗ x + b_c) + BN_a(w_a ∗ T(x) + b_a), both folded, their kernels embedded in a
common support:

    w = [w_c' ; w_a']  along input channels          b = b_c' + b_a'
    the sum is conv2d([x; T(x)], w, b)               the feature form of X-volution

Two linear maps with a common grid add up to one; whatever stands between them and the sum, or makes
their grids differ, breaks that. ``merge`` checks each such condition and names the one that fails.

Sources: Ding et al., "RepVGG", arXiv:2101.03697 (2021), Fig. 4 for branch merging; Chen, Wang and
Ni, "X-volution", arXiv:2106.02253 (2021), for doing it to an attention branch.
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from refimpl.arrays import Array, Pair, pair, zero_pad
from refimpl.ops.batch_norm import BatchNorm
from refimpl.ops.conv2d import same_padding

Statistics: TypeAlias = Literal["running", "batch"]
PaddingMode: TypeAlias = Literal["zero", "circular"]


class MergeError(ValueError):
    """A merging condition that does not hold; ``condition`` names it."""

    def __init__(self, condition: str, sentence: str) -> None:
        super().__init__(f"{condition}: {sentence}")
        self.condition = condition


class Folded(NamedTuple):
    """One convolution: kernels (o, c, k_h, k_w) and bias (o,)."""

    w: Array
    b: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A trained branch: a convolution, its normalisation, and what else was put around it.

    ``padding=None`` is "same". ``statistics`` says whose mean and variance the normalisation uses;
    ``activation`` names a non-linearity between the branch and the sum, if there is one.
    """

    w: Array
    b: Array | None = None
    bn: BatchNorm | None = None
    eps: Any = 1e-5
    stride: Pair = 1
    padding: Pair | None = None
    dilation: Pair = 1
    groups: int = 1
    statistics: Statistics = "running"
    padding_mode: PaddingMode = "zero"
    activation: str | None = None

    @property
    def kernel(self) -> tuple[int, int]:
        """Sides of the kernel, (vertical, horizontal)."""
        return self.w.shape[2], self.w.shape[3]

    @property
    def reach(self) -> tuple[int, int]:
        """How far the kernel's first tap lies from the output position: the padding in use."""
        if self.padding is None:
            return same_padding(self.kernel, self.dilation)
        return pair("padding", self.padding, least=0)


def fold_batch_norm(w: Array, b: Array | None, bn: BatchNorm, *, eps: Any = 1e-5) -> Folded:
    """Fold inference-mode batch normalisation into the convolution before it.

    ``w`` (o, c, k_h, k_w), ``b`` (o,) or None, ``bn`` four arrays (o,).
    """
    scale = bn.gamma / np.sqrt(bn.var + eps)
    centred = -bn.mean if b is None else b - bn.mean
    return Folded(w * scale[:, None, None, None], centred * scale + bn.beta)


def embed(w: Array, kernel: tuple[int, int]) -> Array:
    """Put a kernel in the middle of a larger, odd one, surrounded by zeros.

    Raises
    ------
    MergeError
        If the kernel does not fit, or has no middle in common with the larger one.
    """
    margins = [large - small for large, small in zip(kernel, w.shape[2:], strict=True)]
    if any(margin < 0 or margin % 2 for margin in margins) or not all(s % 2 for s in kernel):
        raise MergeError(
            "common support",
            f"a kernel {w.shape[2:]} must have a centred place in {kernel}: odd, and no larger",
        )
    rows, cols = (margin // 2 for margin in margins)
    return zero_pad(w, rows, cols)


def merge(conv: Branch, attention: Branch) -> Folded:
    """Merge a convolution of x and a convolution of T(x) into one convolution of [x; T(x)].

    Raises
    ------
    MergeError
        The first merging condition that fails, by name: running statistics, no non-linearity,
        equal outputs, equal stride, equal dilation, zero padding, one group, common support or
        common grid.
    """
    _check_mergeable(conv, attention)
    support = (
        max(conv.kernel[0], attention.kernel[0]),
        max(conv.kernel[1], attention.kernel[1]),
    )
    folded = [fold_branch(branch) for branch in (conv, attention)]
    kernels = [embed(each.w, support) for each in folded]
    return Folded(np.concatenate(kernels, axis=1), folded[0].b + folded[1].b)


def fold_branch(branch: Branch) -> Folded:
    """The branch as one convolution, its normalisation folded in."""
    if branch.bn is not None:
        return fold_batch_norm(branch.w, branch.b, branch.bn, eps=branch.eps)
    return Folded(branch.w, branch.w[:, 0, 0, 0] * 0 if branch.b is None else branch.b)


def _check_mergeable(conv: Branch, attention: Branch) -> None:
    both = (conv, attention)
    for name, branch in zip(("convolution", "attention"), both, strict=True):
        if branch.bn is not None and branch.statistics != "running":
            raise MergeError(
                "running statistics",
                f"batch normalisation of the {name} branch must use running statistics; with the "
                f"batch's own it is not an affine map of its input",
            )
        if branch.activation is not None:
            raise MergeError(
                "no non-linearity",
                f"the {name} branch must reach the sum without {branch.activation}; put it after",
            )
        if branch.padding_mode != "zero":
            raise MergeError(
                "zero padding",
                f"the {name} branch must pad its convolution with zeros, not {branch.padding_mode}"
                f" (the boundary of the shift is free)",
            )
        if branch.groups != 1:
            raise MergeError(
                "one group",
                f"the {name} branch must have groups=1, not {branch.groups}; expanded with zeros "
                f"it takes {branch.groups} times the multiplications",
            )
        if not all(side % 2 for side in branch.kernel):
            raise MergeError(
                "common support",
                f"kernel sides of the {name} branch must be odd, not {branch.kernel}",
            )
    _check_equal("equal outputs", "output channels", *(len(each.w) for each in both))
    for name in ("stride", "dilation"):
        sides = (pair(name, getattr(each, name), least=1) for each in both)
        _check_equal(f"equal {name}", name, *sides)
    centres = [
        tuple(
            r - d * (k - 1) // 2
            for r, d, k in zip(
                each.reach, pair("dilation", each.dilation, least=1), each.kernel, strict=True
            )
        )
        for each in both
    ]
    _check_equal("common grid", "padding beyond 'same'", *centres)


def _check_equal(condition: str, what: str, left: Any, right: Any) -> None:
    if left != right:
        raise MergeError(
            condition, f"{what} must be the same in both branches, not {left} and {right}"
        )
