"""What answers: the parameters of the hardware, as immutable values.

Every constant can name its source in ``Machine.sources``, by its dotted key ("array.rows"). A
preset must name them all, also for a part that it says is absent ("vector").
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from hwsim.checks import at_least, instance_of, one_of
from hwsim.dataflow import DATAFLOWS
from hwsim.integers import ceil_div
from hwsim.workload import VECTOR_KINDS

HYPOTHETICAL_CYCLES: Mapping[str, int] = MappingProxyType(
    {
        "relu": 1,
        "add": 1,
        "multiply": 1,
        "affine": 2,
        "response_norm": 5,
        "maximum": 1,
        "mean": 1,
        "softmax": 4,
    }
)
"""Cycles per element of ``with_vector_unit``. Ours: one per pass over the data; affine is a
multiplication and an addition, softmax a maximum, an exponential, a sum and a division,
response_norm a square, a sum over channels, a logarithm, an exponential and a product."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """A grid of processing elements, one multiply-accumulate per element per cycle."""

    rows: int
    cols: int

    def __post_init__(self) -> None:
        at_least("array.rows", self.rows, 1)
        at_least("array.cols", self.cols, 1)

    @property
    def macs_per_cycle(self) -> int:
        """Peak throughput."""
        return self.rows * self.cols


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffers:
    """On-chip memory per operand; ``ofmap_bytes`` holds partial sums at accumulator width."""

    ifmap_bytes: int
    filter_bytes: int
    ofmap_bytes: int
    double_buffered: bool

    def __post_init__(self) -> None:
        for name in ("ifmap_bytes", "filter_bytes", "ofmap_bytes"):
            at_least(f"buffers.{name}", getattr(self, name), 1)
        instance_of("buffers.double_buffered", self.double_buffered, bool, "true or false")

    @property
    def tiles_held(self) -> int:
        """Tiles of each operand on chip at once: two when the next one loads meanwhile."""
        return 2 if self.double_buffered else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Dram:
    """One channel: a transfer takes a latency and then its bytes at the bandwidth."""

    bytes_per_cycle: Fraction
    latency_cycles: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.bytes_per_cycle, int | Fraction) or self.bytes_per_cycle <= 0:
            raise ValueError(
                f"dram.bytes_per_cycle must be a positive number, not {self.bytes_per_cycle!r}"
            )
        at_least("dram.latency_cycles", self.latency_cycles, 0)

    def transfer_cycles(self, transfer_bytes: int) -> int:
        """Cycles to move ``transfer_bytes`` in one transfer; moving nothing takes none."""
        if not transfer_bytes:
            return 0
        per_cycle = self.bytes_per_cycle
        moving = ceil_div(transfer_bytes * per_cycle.denominator, per_cycle.numerator)
        return self.latency_cycles + moving


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorUnit:
    """Lanes that work element by element; a kind without cycles is not executable."""

    lanes: int
    cycles_per_element: Mapping[str, int]
    hypothetical: bool = False

    def __post_init__(self) -> None:
        at_least("vector.lanes", self.lanes, 1)
        instance_of("vector.cycles_per_element", self.cycles_per_element, Mapping, "a table")
        for kind, cycles in self.cycles_per_element.items():
            one_of("each key of vector.cycles_per_element", kind, VECTOR_KINDS)
            at_least(f"vector.cycles_per_element.{kind}", cycles, 1)

    def cycles(self, kind: str, operations: int) -> int:
        """Cycles that ``operations`` of an executable kind take."""
        return ceil_div(operations * self.cycles_per_element[kind], self.lanes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """An NPU: array, dataflow, buffers, DRAM and, if it has one, a vector unit.

    Tensors in DRAM and operands on chip take ``operand_bytes`` per number, partial sums
    ``accumulator_bytes``. Raises ``ValueError`` for a constant out of range and for a source of
    something that is no constant.
    """

    name: str
    description: str = ""
    clock_hz: int
    dataflow: str
    operand_bytes: int
    accumulator_bytes: int
    array: Array
    buffers: Buffers
    dram: Dram
    vector: VectorUnit | None = None
    sources: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("name", "description"):
            instance_of(name, getattr(self, name), str, "a text")
        for name in ("clock_hz", "operand_bytes", "accumulator_bytes"):
            at_least(name, getattr(self, name), 1)
        one_of("dataflow", str(self.dataflow), DATAFLOWS)
        instance_of("sources", self.sources, Mapping, "a table")
        for key, source in self.sources.items():
            one_of("each key of sources", key, constants(self))
            instance_of(f"sources.{key}", source, str, "a text that names a source")
            if not source.strip():
                raise ValueError(f"sources.{key} must be a text that names a source, not empty")

    @property
    def title(self) -> str:
        """Its name, and what it was given that its sources do not have."""
        if self.vector is None or not self.vector.hypothetical:
            return self.name
        return f"{self.name} + hypothetical vector unit of {self.vector.lanes} lanes"


def constants(machine: Machine) -> tuple[str, ...]:
    """Dotted keys of everything about a machine that needs a source; an absent part is one too."""
    texts = ("name", "description", "sources")
    return tuple(_leaves({k: v for k, v in _fields(machine).items() if k not in texts}))


def without_source(machine: Machine) -> tuple[str, ...]:
    """Constants that ``machine.sources`` does not cover."""
    return tuple(key for key in constants(machine) if key not in machine.sources)


def with_vector_unit(machine: Machine, lanes: int) -> Machine:
    """The machine with a *hypothetical* vector unit of ``lanes`` lanes instead of its own.

    The unit executes every kind, in ``HYPOTHETICAL_CYCLES`` per element; outputs name it as such.
    """
    unit = VectorUnit(lanes=lanes, cycles_per_element=dict(HYPOTHETICAL_CYCLES), hypothetical=True)
    kept = {key: text for key, text in machine.sources.items() if not key.startswith("vector")}
    assumed = replace(machine, vector=unit, sources={})
    added = {key: "ours: hypothetical" for key in constants(assumed) if key.startswith("vector")}
    return replace(assumed, sources=kept | added)


def _leaves(described: Mapping[str, object], prefix: str = "") -> list[str]:
    keys: list[str] = []
    for name, value in described.items():
        inner = _fields(value) if is_dataclass(value) else value
        if isinstance(inner, Mapping):
            keys += _leaves(inner, f"{prefix}{name}.")
        else:
            keys.append(prefix + name)
    return keys


def _fields(part: Any) -> dict[str, object]:
    """Constants of a part by name; that a unit is hypothetical is no constant of it."""
    names = [f.name for f in fields(part) if f.name != "hypothetical"]
    return {name: getattr(part, name) for name in names}
