"""What works beside the array: the vector unit, and what moves data without computing."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

from hwsim.checks import at_least, instance_of, one_of
from hwsim.integers import ceil_div
from hwsim.machine.memory import positive_rate
from hwsim.workload import VECTOR_KINDS

HYPOTHETICAL_CYCLES: Mapping[str, int] = MappingProxyType(
    {
        "relu": 1,
        "add": 1,
        "multiply": 1,
        "affine": 2,
        "response_norm": 5,
        "divide": 1,
        "transcendental": 1,
        "maximum": 1,
        "mean": 1,
        "sum": 1,
        "softmax": 4,
    }
)
"""Cycles per element of ``with_vector_unit``. Ours: one per pass over the data, whatever function
is applied; affine is a multiplication and an addition, softmax a maximum, an exponential, a sum and
a division, response_norm a square, a sum over channels, a logarithm, an exponential, a product."""

SHIFTS: Mapping[str, str] = MappingProxyType(
    {
        "copy": "the mover reads and writes every shifted tensor",
        "address-offset": "the second read starts elsewhere; rows past the edge are read again",
        "modular-generator": "addresses wrap around by themselves: no copy, no second read",
    }
)
"""How a machine shifts a feature map by whole pixels."""


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
class Mover:
    """What copies tensors, and how a shift is done (a key of ``SHIFTS``).

    ``block_channels`` channels lie together in memory (16 in NC1HWC0, 1 where channels are
    separate): a shift moves whole blocks. ``on_chip``: it works between memories on the chip, so a
    shifted copy takes its cycles and no DRAM; otherwise copies lie in DRAM.
    """

    bytes_per_cycle: Fraction
    latency_cycles: int = 0
    shift: str = "address-offset"
    block_channels: int = 1
    on_chip: bool = False

    def __post_init__(self) -> None:
        positive_rate("mover.bytes_per_cycle", self.bytes_per_cycle)
        at_least("mover.latency_cycles", self.latency_cycles, 0)
        one_of("mover.shift", str(self.shift), SHIFTS)
        at_least("mover.block_channels", self.block_channels, 1)
        instance_of("mover.on_chip", self.on_chip, bool, "true or false")

    def cycles(self, moved_bytes: int) -> int:
        """Cycles to move so many bytes; moving nothing takes none."""
        if not moved_bytes:
            return 0
        rate = self.bytes_per_cycle
        return self.latency_cycles + ceil_div(moved_bytes * rate.denominator, rate.numerator)
