"""Work beside the array: what is done element by element, what is summed, moved, or not modelled.

A vector primitive says how often its function is applied (``operations``) and what it reads and
writes; a ``label`` says what it is for and takes no part in comparisons. ``hwsim.workload`` has all
of them beside the array's own work.
"""

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple, TypeAlias

from hwsim.checks import at_least, one_of
from hwsim.integers import ceil_div

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
