"""Fold a normalisation into the convolution before it; fit kernels into a common shape.

From y = (w ∗ x + b − μ)·s + β with s = γ/√(σ² + ε):

    w' = w·s            b' = (b − μ)·s + β

(the bias in this order, not b·s + (β − μ·s): where |μ| ≫ σ the latter cancels twice).

Source: Ioffe and Szegedy, "Batch Normalization", arXiv:1502.03167 (2015), Algorithm 2, where it is
written as an affine map of the input.
"""

from typing import Any, NamedTuple

import numpy as np

from refimpl.arrays import Array, zero_pad
from refimpl.fuse.branch import Branch
from refimpl.fuse.conditions import MergeError, check_linear
from refimpl.ops.batch_norm import BatchNorm


class Folded(NamedTuple):
    """One convolution: kernels (o, c, k_h, k_w) and bias (o,)."""

    w: Array
    b: Array


def fold_batch_norm(w: Array, b: Array | None, bn: BatchNorm, *, eps: Any = 1e-5) -> Folded:
    """Fold inference-mode batch normalisation into the convolution before it.

    ``w`` (o, c, k_h, k_w), ``b`` (o,) or None, ``bn`` four arrays (o,).
    """
    scale = bn.gamma / np.sqrt(bn.var + eps)
    centred = -bn.mean if b is None else b - bn.mean
    return Folded(w * scale[:, None, None, None], centred * scale + bn.beta)


def fold_branch(branch: Branch, name: str = "folded") -> Folded:
    """The branch as one convolution, its normalisation folded in; ``name`` is for its errors.

    Raises
    ------
    MergeError
        Kernel rank, running statistics or no non-linearity.
    """
    check_linear(name, branch)
    if branch.bn is not None:
        return fold_batch_norm(branch.w, branch.b, branch.bn, eps=branch.eps)
    return Folded(branch.w, branch.w[:, 0, 0, 0] * 0 if branch.b is None else branch.b)


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


def expand_groups(w: Array, groups: int) -> Array:
    """Kernels in groups (o, c/groups, …) as kernels of all channels (o, c, …), zeros elsewhere.

    The same function as one group, at ``groups`` times the multiplications.

    Raises
    ------
    MergeError
        If the groups do not divide the outputs.
    """
    if groups < 1 or len(w) % groups:
        raise MergeError(
            "equal groups", f"groups must divide the {len(w)} output channels, not be {groups}"
        )
    outputs, inputs = len(w) // groups, w.shape[1]
    wide = np.zeros((len(w), inputs * groups, *w.shape[2:]), w.dtype)
    for group in range(groups):
        rows = slice(group * outputs, (group + 1) * outputs)
        wide[rows, group * inputs : (group + 1) * inputs] = w[rows]
    return wide
