"""Kinds of multiply-accumulate array. A machine's ``dataflow`` says which kind its array is.

    output-, weight-, input-stationary   ``Array``: a systolic grid, operands passed on each cycle
    row-stationary                       ``RowStationary``: rows of a filter stay in the elements
                                         (Chen et al., "Eyeriss", IEEE JSSC 52(1), 2017)
    cube                                 ``Cube``: an m × k by k × n product every cycle
    adder-tree                           ``AdderTrees``: one vector of inputs is broadcast to trees
                                         that each hold the weights of one output channel
    outer-product                        ``OuterProduct``: a column of inputs times a row of weights
                                         is added to a grid of sums every cycle

Every kind has ``macs_per_cycle``, its peak, and the output channels (``out_step``) and the products
of one output (``depth_step``) that it works on side by side: tiles are cut by these.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TypeAlias

from hwsim.checks import at_least, instance_of, one_of

FOLDS = ("serial", "overlapped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Elements in rows and columns, each with one multiply-accumulate a cycle."""

    rows: int
    cols: int

    def __post_init__(self) -> None:
        for each in fields(self):
            if each.type is int:
                at_least(f"array.{each.name}", getattr(self, each.name), 1)

    @property
    def macs_per_cycle(self) -> int:
        """Peak throughput."""
        return self.rows * self.cols

    @property
    def out_step(self) -> int:
        """Output channels side by side."""
        return self.cols

    @property
    def depth_step(self) -> int:
        """Products of one output side by side."""
        return self.rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Array(Grid):
    """A systolic grid of processing elements, one multiply-accumulate per element per cycle.

    ``double_buffered_weights``: a second register per element takes the operand that stays for the
    next fold while the current one streams. ``folds``: ``serial`` lets the results of one fold
    leave before the next one enters, ``overlapped`` sends it in right behind.
    """

    double_buffered_weights: bool = False
    folds: str = "serial"

    def __post_init__(self) -> None:
        Grid.__post_init__(self)
        name = "array.double_buffered_weights"
        instance_of(name, self.double_buffered_weights, bool, "true or false")
        one_of("array.folds", str(self.folds), FOLDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowStationary(Grid):
    """A grid of elements with register files of so many *words* per operand and element."""

    ifmap_words: int
    filter_words: int
    psum_words: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cube:
    """A product of an m × k by a k × n matrix per cycle, sums kept beside it.

    The left operand is held in ``left_bytes``, the right one in ``right_bytes``, the sums in
    ``sum_bytes`` next to the cube; the rates are bytes per cycle from the buffer behind them.
    ``None`` says that the cube reads the buffer itself.
    """

    m: int
    n: int
    k: int
    left_bytes: int | None = None
    right_bytes: int | None = None
    sum_bytes: int | None = None
    left_bytes_per_cycle: int | None = None
    right_bytes_per_cycle: int | None = None
    sum_bytes_per_cycle: int | None = None

    def __post_init__(self) -> None:
        for name in ("m", "n", "k"):
            at_least(f"array.{name}", getattr(self, name), 1)
        for store in ("left", "right", "sum"):
            for name in (f"{store}_bytes", f"{store}_bytes_per_cycle"):
                if getattr(self, name) is not None:
                    at_least(f"array.{name}", getattr(self, name), 1)

    @property
    def macs_per_cycle(self) -> int:
        """Peak throughput."""
        return self.m * self.n * self.k

    @property
    def out_step(self) -> int:
        """Output channels side by side."""
        return self.n

    @property
    def depth_step(self) -> int:
        """Products of one output side by side."""
        return self.k


@dataclass(frozen=True, slots=True, kw_only=True)
class AdderTrees:
    """``trees`` adder trees with ``inputs`` multipliers each.

    Every cycle one pixel's values of ``inputs`` channels go to all trees, and each adds a partial
    sum of its own output channel. ``winograd`` says that 3 × 3 convolutions take 16 products where
    36 are needed.
    """

    inputs: int
    trees: int
    winograd: bool = False

    def __post_init__(self) -> None:
        at_least("array.inputs", self.inputs, 1)
        at_least("array.trees", self.trees, 1)
        instance_of("array.winograd", self.winograd, bool, "true or false")

    @property
    def macs_per_cycle(self) -> int:
        """Peak throughput, of direct products."""
        return self.inputs * self.trees

    @property
    def out_step(self) -> int:
        """Output channels side by side."""
        return self.trees

    @property
    def depth_step(self) -> int:
        """Products of one output side by side."""
        return self.inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class OuterProduct(Grid):
    """A grid of ``rows`` × ``cols`` sums, to all of which ``rank`` products are added every cycle.

    Operands are broadcast along rows and columns, so nothing is skewed. ``double_buffered_sums``: a
    second grid takes the next sums while finished ones leave, a row per cycle.
    """

    rank: int = 1
    double_buffered_sums: bool = False

    def __post_init__(self) -> None:
        Grid.__post_init__(self)
        name = "array.double_buffered_sums"
        instance_of(name, self.double_buffered_sums, bool, "true or false")

    @property
    def macs_per_cycle(self) -> int:
        """Peak throughput."""
        return self.rows * self.cols * self.rank

    @property
    def depth_step(self) -> int:
        """Products of one output side by side."""
        return self.rank


MacArray: TypeAlias = Array | RowStationary | Cube | AdderTrees | OuterProduct
ARRAY_KINDS: Mapping[str, type[MacArray]] = MappingProxyType(
    {
        "output-stationary": Array,
        "weight-stationary": Array,
        "input-stationary": Array,
        "row-stationary": RowStationary,
        "cube": Cube,
        "adder-tree": AdderTrees,
        "outer-product": OuterProduct,
    }
)
"""The kind of array each dataflow runs on."""
