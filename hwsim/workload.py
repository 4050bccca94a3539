"""What is asked: primitives and layers, as shapes without values.

Everything an array of multiply-accumulate elements does is a ``Convolution``; a matrix product is
one with a 1×1 kernel and width 1 (``matrix_product``), and a batch of products that share no
operand is a grouped one. What is done element by element is an ``Elementwise``, ``Pooling`` or
``Softmax``, a sum over an axis a ``Reduction``; what is moved without computing, a ``Copy`` or a
``Shift``. Weights that are data themselves are in ``hwsim.dynamic``. An ``Unmodelled`` stands for
what a workload asks and nothing here describes: it is never costed and always named. A ``label``
says what a primitive is for; it takes no part in comparisons, so equal shapes cost the same.

A batch normalisation that follows a convolution is folded into it at inference and appears
nowhere, unless a form says that it is kept.
"""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from hwsim.beside import (
    ELEMENTWISE_KINDS,
    POOLING_KINDS,
    VECTOR_KINDS,
    Copy,
    Elementwise,
    MapReads,
    Pooling,
    Reduction,
    Shift,
    Softmax,
    Unmodelled,
    VectorPrimitive,
)
from hwsim.checks import at_least
from hwsim.dynamic import PerPixel, TiledAttention

__all__ = [
    "ELEMENTWISE_KINDS",
    "POOLING_KINDS",
    "VECTOR_KINDS",
    "Convolution",
    "Copy",
    "Dim",
    "Dynamic",
    "Elementwise",
    "Gemm",
    "Layer",
    "MapReads",
    "Pooling",
    "Primitive",
    "Reduction",
    "Shift",
    "Softmax",
    "Unmodelled",
    "VectorPrimitive",
    "macs_of",
    "matrix_product",
]

Dim: TypeAlias = Literal["m", "n", "k"]


class Gemm(NamedTuple):
    """Matrix product C[m,n] = Σ_k A[m,k]·B[k,n]."""

    m: int
    n: int
    k: int

    @property
    def macs(self) -> int:
        """Multiply-accumulates: one for every triple (m, n, k)."""
        return self.m * self.n * self.k


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolution:
    """Two-dimensional convolution of (batch, in_channels, height, width), channels in groups.

    ``stride`` holds for both directions unless ``stride_w`` says otherwise of columns.
    Raises ``ValueError`` for sizes below one, groups that do not divide the channels, and a kernel
    that does not fit in the padded image.
    """

    batch: int = 1
    in_channels: int
    height: int
    width: int
    out_channels: int
    kernel_h: int = 1
    kernel_w: int = 1
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1
    stride_w: int | None = None
    label: str = field(default="convolution", compare=False)

    def __post_init__(self) -> None:
        for name in ("batch", "in_channels", "height", "width", "out_channels", "kernel_h"):
            at_least(f"convolution {name}", getattr(self, name), 1)
        for name in ("kernel_w", "stride", "dilation", "groups"):
            at_least(f"convolution {name}", getattr(self, name), 1)
        at_least("convolution padding", self.padding, 0)
        at_least("convolution stride_w", self.stride_across, 1)
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ValueError(
                f"groups must divide both channel counts, not be {self.groups} for "
                f"{self.in_channels} and {self.out_channels}"
            )
        if min(self.out_height, self.out_width) < 1:
            raise ValueError(
                f"kernel {self.kernel_h}x{self.kernel_w} must fit in the padded image, not exceed "
                f"{self.height}x{self.width} with padding {self.padding}"
            )

    @property
    def stride_across(self) -> int:
        """Columns from one window to the next."""
        return self.stride if self.stride_w is None else self.stride_w

    @property
    def out_height(self) -> int:
        """Rows of the output image."""
        return self._out_size(self.height, self.kernel_h, self.stride)

    @property
    def out_width(self) -> int:
        """Columns of the output image."""
        return self._out_size(self.width, self.kernel_w, self.stride_across)

    @property
    def taps(self) -> int:
        """Kernel positions per input channel."""
        return self.kernel_h * self.kernel_w

    @property
    def kind(self) -> str:
        """Which entry of a support matrix it needs."""
        if self.groups > 1 and self.groups == self.in_channels:
            return "depthwise"
        return "matrix product" if self.taps == self.width == 1 else "convolution"

    @property
    def macs(self) -> int:
        """Multiply-accumulates, products with the padding's zeros included."""
        pixels = self.batch * self.out_height * self.out_width
        return pixels * self.out_channels * self.taps * (self.in_channels // self.groups)

    @property
    def out_elements(self) -> int:
        """Numbers in the output."""
        return self.batch * self.out_channels * self.out_height * self.out_width

    def _out_size(self, size: int, kernel: int, stride: int) -> int:
        return (size + 2 * self.padding - self.dilation * (kernel - 1) - 1) // stride + 1


def matrix_product(
    m: int, n: int, k: int, *, count: int = 1, label: str = "matrix product"
) -> Convolution:
    """``count`` independent products (m × k)·(k × n), as a convolution in ``count`` groups."""
    return Convolution(
        in_channels=k * count,
        out_channels=n * count,
        height=m,
        width=1,
        groups=count,
        label=label,
    )


Dynamic: TypeAlias = PerPixel | TiledAttention
Primitive: TypeAlias = Convolution | VectorPrimitive | Dynamic | Copy | Shift | Unmodelled


def macs_of(primitive: Primitive) -> int:
    """Multiply-accumulates of one primitive, wherever they are done; none for one of elements."""
    return primitive.macs if isinstance(primitive, Convolution | PerPixel | TiledAttention) else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A named step of a network: the primitives that compute it, in order.

    ``nodes`` names the nodes of a file's graph that it stands for, if there is a file.
    """

    name: str
    form: str
    primitives: tuple[Primitive, ...]
    nodes: tuple[str, ...] = ()

    @property
    def macs(self) -> int:
        """Multiply-accumulates of its convolutions, matrix products and products per pixel."""
        return sum(macs_of(primitive) for primitive in self.primitives)
