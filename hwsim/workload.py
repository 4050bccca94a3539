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
from typing import ClassVar, Literal, NamedTuple, TypeAlias

from hwsim.checks import at_least, one_of
from hwsim.dynamic import PerPixel, TiledAttention
from hwsim.integers import ceil_div

Dim: TypeAlias = Literal["m", "n", "k"]

ELEMENTWISE_KINDS = (
    "relu",
    "add",
    "multiply",
    "affine",
    "response_norm",
    "divide",
    "transcendental",
)
POOLING_KINDS = ("maximum", "mean")
VECTOR_KINDS = (*ELEMENTWISE_KINDS, *POOLING_KINDS, "sum", "softmax")


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


class MapReads(NamedTuple):
    """How a function of elements reads maps that share rows: shifted, or several times.

    ``sources`` counts the numbers of the maps behind all operands, each once; ``copies`` those of
    the operands where shifted maps are copies. ``rows`` of ``row_elements`` numbers are walked in
    bands of ``walked`` numbers a row; ``reach`` are the offsets down at which rows are read.
    """

    sources: int
    copies: int
    rows: int
    row_elements: int
    walked: int
    reach: tuple[int, ...]
    circular: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Elementwise:
    """One result per element, from ``inputs`` tensors of the same size.

    ``relu`` max(x, 0); ``add`` x + y; ``multiply`` x·y; ``affine`` a_c·x + b_c with constants per
    channel; ``response_norm`` x over a power of the squares in the channels around it; ``divide``
    x/y; ``transcendental`` a function that is none of these, such as an exponential. A ``fused``
    one is applied while the primitive before it writes its results: it moves nothing through DRAM,
    but occupies the vector unit all the same.
    """

    kind: str
    elements: int
    inputs: int = 1
    fused: bool = False
    reads: MapReads | None = None
    label: str = field(default="elementwise", compare=False)

    def __post_init__(self) -> None:
        one_of("elementwise kind", self.kind, ELEMENTWISE_KINDS)
        at_least("elements", self.elements, 1)
        at_least("inputs", self.inputs, 1)
        if self.fused and self.inputs != 1:
            raise ValueError(f"a fused primitive must have one input, not {self.inputs}")

    @property
    def operations(self) -> int:
        """Applications of the kind's function."""
        return self.elements

    @property
    def read_elements(self) -> int:
        """Numbers read from DRAM, without halos: ``hwsim.evaluate`` adds them per machine."""
        if self.fused:
            return 0
        return self.elements * self.inputs if self.reads is None else self.reads.sources

    @property
    def write_elements(self) -> int:
        """Numbers written to DRAM."""
        return 0 if self.fused else self.elements


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooling:
    """Maximum or mean over windows: ``window`` operations for each of ``outputs`` numbers.

    Window positions that fall on the padding are counted as operations.
    """

    kind: str
    inputs: int
    outputs: int
    window: int
    label: str = field(default="pooling", compare=False)
    fused: ClassVar[bool] = False

    def __post_init__(self) -> None:
        one_of("pooling kind", self.kind, POOLING_KINDS)
        for name in ("inputs", "outputs", "window"):
            at_least(f"pooling {name}", getattr(self, name), 1)

    @property
    def operations(self) -> int:
        """Numbers looked at, over all windows."""
        return self.outputs * self.window

    @property
    def read_elements(self) -> int:
        """Numbers read from DRAM: each input once."""
        return self.inputs

    @property
    def write_elements(self) -> int:
        """Numbers written to DRAM."""
        return self.outputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Softmax:
    """Softmax over each of ``rows`` rows of ``cols`` numbers."""

    rows: int
    cols: int
    label: str = field(default="softmax", compare=False)
    kind: ClassVar[str] = "softmax"
    fused: ClassVar[bool] = False

    def __post_init__(self) -> None:
        at_least("softmax rows", self.rows, 1)
        at_least("softmax cols", self.cols, 1)

    @property
    def operations(self) -> int:
        """Numbers normalised."""
        return self.rows * self.cols

    @property
    def read_elements(self) -> int:
        """Numbers read from DRAM: each score once."""
        return self.operations

    @property
    def write_elements(self) -> int:
        """Numbers written to DRAM."""
        return self.operations


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduction:
    """``outputs`` sums of equally many of ``inputs`` numbers: additions in a vector unit."""

    inputs: int
    outputs: int
    label: str = field(default="sum", compare=False)
    kind: ClassVar[str] = "sum"
    fused: ClassVar[bool] = False

    def __post_init__(self) -> None:
        at_least("reduction inputs", self.inputs, 1)
        at_least("reduction outputs", self.outputs, 1)

    @property
    def operations(self) -> int:
        """Additions, the first one to zero included."""
        return self.inputs

    @property
    def read_elements(self) -> int:
        """Numbers read from DRAM."""
        return self.inputs

    @property
    def write_elements(self) -> int:
        """Numbers written to DRAM."""
        return self.outputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """Numbers read and written elsewhere, unchanged: a transpose, a concatenation, a padding."""

    read_elements: int
    write_elements: int
    label: str = field(default="copy", compare=False)
    kind: ClassVar[str] = "copy"

    def __post_init__(self) -> None:
        at_least("copy read_elements", self.read_elements, 0)
        at_least("copy write_elements", self.write_elements, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A feature map read ``down`` and ``right`` pixels away: what moves it is the machine's choice.

    ``circular`` reads the other edge past an edge, otherwise there are zeros. The ``channels`` of a
    pixel lie together in blocks where the machine's layout says so.
    """

    elements: int
    down: int
    right: int
    circular: bool = True
    channels: int = 1
    label: str = field(default="shift", compare=False)
    kind: ClassVar[str] = "shift"

    def __post_init__(self) -> None:
        at_least("shift elements", self.elements, 1)
        at_least("shift channels", self.channels, 1)

    def moved_elements(self, block_channels: int) -> int:
        """Numbers of whole blocks of so many channels, which is what a copy moves."""
        blocks = ceil_div(self.channels, block_channels)
        return self.elements // self.channels * blocks * block_channels


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmodelled:
    """Something asked that no primitive describes, with the ``reason``."""

    reason: str
    label: str = field(default="unmodelled", compare=False)
    kind: ClassVar[str] = "unmodelled"


VectorPrimitive: TypeAlias = Elementwise | Pooling | Softmax | Reduction
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
