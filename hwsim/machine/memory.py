"""Where operands lie: buffers on chip, a level that cores share, and DRAM behind them.

A rate is bytes per cycle of the machine's clock, exact: an integer or a fraction.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from hwsim.checks import at_least, instance_of, one_of
from hwsim.integers import ceil_div

OPERANDS = ("ifmap", "filter", "ofmap")


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffers:
    """On-chip memory per operand; ``ofmap_bytes`` holds partial sums at accumulator width.

    Operands named in ``shared`` lie in one memory of ``shared_bytes``; their own ``…_bytes`` then
    say how much of it each may take at most. ``double_buffered`` holds for all operands, or names
    those that have two halves: one is filled, or emptied, while the array works on the other.
    ``…_bytes_per_cycle`` is the rate between a buffer and the array; left out, the buffer always
    keeps up.
    """

    ifmap_bytes: int
    filter_bytes: int
    ofmap_bytes: int
    double_buffered: bool | tuple[str, ...]
    shared: tuple[str, ...] = ()
    shared_bytes: int | None = None
    ifmap_bytes_per_cycle: Fraction | None = None
    filter_bytes_per_cycle: Fraction | None = None
    ofmap_bytes_per_cycle: Fraction | None = None

    def __post_init__(self) -> None:
        for operand in OPERANDS:
            at_least(f"buffers.{operand}_bytes", getattr(self, f"{operand}_bytes"), 1)
            name = f"{operand}_bytes_per_cycle"
            if getattr(self, name) is not None:
                positive_rate(f"buffers.{name}", getattr(self, name))
        name, wanted = "buffers.double_buffered", "true, false or a list of operands"
        instance_of(name, self.double_buffered, bool | tuple, wanted)
        for each in self.doubled:
            one_of(f"each of {name}", str(each), OPERANDS)
        instance_of("buffers.shared", self.shared, tuple, "a list of operands")
        for name in self.shared:
            one_of("each of buffers.shared", str(name), OPERANDS)
        if self.shared_bytes is not None:
            at_least("buffers.shared_bytes", self.shared_bytes, 1)
        if (self.shared_bytes is None) != (not self.shared):
            raise ValueError(
                "buffers.shared and buffers.shared_bytes must come together, or neither of them"
            )

    @property
    def doubled(self) -> tuple[str, ...]:
        """Operands that are double-buffered."""
        if isinstance(self.double_buffered, bool):
            return OPERANDS if self.double_buffered else ()
        return self.double_buffered

    @property
    def tiles_held(self) -> tuple[int, int, int]:
        """Tiles of each operand on chip at once: two when the next one loads meanwhile."""
        ifmap, filters, ofmap = (2 if name in self.doubled else 1 for name in OPERANDS)
        return ifmap, filters, ofmap

    @property
    def rates(self) -> tuple[Fraction | None, ...]:
        """Bytes per cycle between each operand's buffer and the array."""
        return tuple(getattr(self, f"{name}_bytes_per_cycle") for name in OPERANDS)

    @property
    def total_bytes(self) -> int:
        """Bytes of all buffers; what operands share counts once."""
        own = [getattr(self, f"{name}_bytes") for name in OPERANDS if name not in self.shared]
        return sum(own) + (self.shared_bytes or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedL2:
    """A memory between DRAM and buffers that ``cores`` cores share: each has an equal part of it.

    Everything passes it. What is read again in a layer comes from it and not from DRAM if the
    layer's inputs and weights fit into the core's part together; a size that is not known,
    ``None``, holds nothing.
    """

    size_bytes: int | None = None
    bytes_per_cycle: Fraction
    cores: int = 1

    def __post_init__(self) -> None:
        if self.size_bytes is not None:
            at_least("l2.size_bytes", self.size_bytes, 1)
        positive_rate("l2.bytes_per_cycle", self.bytes_per_cycle)
        at_least("l2.cores", self.cores, 1)

    @property
    def share(self) -> Fraction:
        """Bytes per cycle for one core while all are busy."""
        return Fraction(self.bytes_per_cycle) / self.cores

    @property
    def held_bytes(self) -> int:
        """Bytes that one core may keep."""
        return 0 if self.size_bytes is None else self.size_bytes // self.cores

    def moving_cycles(self, transfer_bytes: Any) -> Any:
        """Cycles a core's bytes take, for a number or an array of numbers of bytes."""
        return ceil_div(transfer_bytes * self.share.denominator, self.share.numerator)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dram:
    """One channel: a transfer takes a latency and then its bytes, in whole bursts, at the rate."""

    bytes_per_cycle: Fraction
    latency_cycles: int = 0
    burst_bytes: int = 1

    def __post_init__(self) -> None:
        positive_rate("dram.bytes_per_cycle", self.bytes_per_cycle)
        at_least("dram.latency_cycles", self.latency_cycles, 0)
        at_least("dram.burst_bytes", self.burst_bytes, 1)

    def moving_cycles(self, transfer_bytes: Any) -> Any:
        """Cycles the bytes themselves take, for a number or an array of numbers of bytes."""
        moved = ceil_div(transfer_bytes, self.burst_bytes) * self.burst_bytes
        return ceil_div(moved * self.bytes_per_cycle.denominator, self.bytes_per_cycle.numerator)

    def transfer_cycles(self, transfer_bytes: int) -> int:
        """Cycles to move ``transfer_bytes`` in one transfer; moving nothing takes none."""
        if not transfer_bytes:
            return 0
        return self.latency_cycles + int(self.moving_cycles(transfer_bytes))


def positive_rate(what: str, value: object) -> None:
    """Raise ``ValueError`` unless ``value`` is an exact number above zero."""
    if isinstance(value, bool) or not isinstance(value, int | Fraction) or value <= 0:
        raise ValueError(f"{what} must be a positive number, not {value!r}")
