"""A trained branch as data: a convolution, its normalisation, and what else was put around it."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from refimpl.arrays import Array, Pair, pair
from refimpl.ops.batch_norm import BatchNorm
from refimpl.ops.conv2d import same_padding

Statistics: TypeAlias = Literal["running", "batch"]
PaddingMode: TypeAlias = Literal["zero", "circular"]


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
