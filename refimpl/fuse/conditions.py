"""What merging two branches asks of them, each condition by its name.

Two linear maps with a common grid add up to one; whatever stands between them and the sum, or makes
their grids differ, breaks that. The conditions are sufficient, not necessary.
"""

from typing import Any

from refimpl.arrays import pair
from refimpl.fuse.branch import Branch


class MergeError(ValueError):
    """A merging condition that does not hold; ``condition`` names it."""

    def __init__(self, condition: str, sentence: str) -> None:
        super().__init__(f"{condition}: {sentence}")
        self.condition = condition


def check_mergeable(conv: Branch, attention: Branch) -> None:
    """Check every condition of a branch by itself, then those of both together.

    Raises
    ------
    MergeError
        The first condition that fails: kernel rank, running statistics, no non-linearity, zero
        padding, one group, common support, equal outputs, equal stride, equal dilation or common
        grid.
    """
    both = (conv, attention)
    for name, branch in zip(("convolution", "attention"), both, strict=True):
        check_linear(name, branch)
        _check_kernel(name, branch)
    _check_equal("equal outputs", "output channels", *(len(each.w) for each in both))
    for name in ("stride", "dilation"):
        sides = (pair(name, getattr(each, name), least=1) for each in both)
        _check_equal(f"equal {name}", name, *sides)
    _check_equal("common grid", "padding beyond 'same'", *(_off_centre(each) for each in both))


def check_linear(name: str, branch: Branch) -> None:
    """Check that a branch is an affine map of its input, by kernels of two dimensions.

    Raises
    ------
    MergeError
        Kernel rank, running statistics or no non-linearity.
    """
    if branch.w.ndim != 4:
        raise MergeError(
            "kernel rank",
            f"kernels of the {name} branch must have four axes (o, c, k_h, k_w), not the "
            f"{branch.w.ndim} of {branch.w.shape}",
        )
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


def _check_kernel(name: str, branch: Branch) -> None:
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


def _off_centre(branch: Branch) -> tuple[int, ...]:
    """How far the padding exceeds "same", each way."""
    apart = pair("dilation", branch.dilation, least=1)
    return tuple(
        reach - d * (side - 1) // 2
        for reach, d, side in zip(branch.reach, apart, branch.kernel, strict=True)
    )


def _check_equal(condition: str, what: str, left: Any, right: Any) -> None:
    if left != right:
        raise MergeError(
            condition, f"{what} must be the same in both branches, not {left} and {right}"
        )
