"""What running something takes. Costs of consecutive pieces of work add."""

from dataclasses import dataclass, fields
from typing import Self

BUDGET = (
    "compute",
    "fragmentation",
    "fill_drain",
    "vector",
    "movement",
    "buffer_stall",
    "l2_stall",
    "stall",
)
"""Parts of the cycles, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Extensive quantities only; ratios are methods, so they cannot go stale.

    The first eight are a budget: the total is their sum, by construction.

    * ``compute_cycles``: the multiply-accumulates at the array's peak rate, rounded up.
    * ``fragmentation_cycles``: operands streamed while part of the array stands empty.
    * ``fill_drain_cycles``: skew, loading of the operand that stays, draining of results.
    * ``vector_cycles``: the vector unit at work while the array is not.
    * ``movement_cycles``: the data mover at work while nothing computes.
    * ``buffer_stall_cycles``: the array waits for its buffers.
    * ``l2_stall_cycles``: what waiting for DRAM takes longer because of the level before it.
    * ``stall_cycles``: everything waits for DRAM.

    ``hidden_vector_cycles`` is vector work under the array's, outside the budget.
    ``filter_read_bytes`` is the part of ``dram_read_bytes`` that is the second operand;
    ``compulsory_bytes`` what reading and writing everything just once would move,
    ``lower_bound_bytes`` what no schedule moves less than (``hwsim.lower_bound``). ``sram_…_bytes``
    go in and out of the buffer of an operand, on both its sides, ``l2_bytes`` through the level
    between buffers and DRAM.
    """

    compute_cycles: int = 0
    fragmentation_cycles: int = 0
    fill_drain_cycles: int = 0
    vector_cycles: int = 0
    movement_cycles: int = 0
    buffer_stall_cycles: int = 0
    l2_stall_cycles: int = 0
    stall_cycles: int = 0
    hidden_vector_cycles: int = 0
    macs: int = 0
    vector_ops: int = 0
    dram_read_bytes: int = 0
    dram_write_bytes: int = 0
    sram_ifmap_bytes: int = 0
    sram_filter_bytes: int = 0
    sram_ofmap_bytes: int = 0
    l2_bytes: int = 0
    filter_read_bytes: int = 0
    compulsory_bytes: int = 0
    lower_bound_bytes: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) < 0:
                raise ValueError(f"{field.name} must not be negative, as in {self}")

    def __add__(self, other: Self) -> Self:
        return type(self)(
            **{
                field.name: getattr(self, field.name) + getattr(other, field.name)
                for field in fields(self)
            }
        )

    @property
    def budget(self) -> dict[str, int]:
        """Parts of the total by name, cycles."""
        return {name: getattr(self, f"{name}_cycles") for name in BUDGET}

    @property
    def cycles(self) -> int:
        """Total: the sum of the budget."""
        return sum(self.budget.values())

    @property
    def waiting_cycles(self) -> int:
        """Stalls of all levels of memory."""
        return self.buffer_stall_cycles + self.l2_stall_cycles + self.stall_cycles

    @property
    def dram_bytes(self) -> int:
        """Bytes read from and written to DRAM."""
        return self.dram_read_bytes + self.dram_write_bytes

    @property
    def sram_bytes(self) -> int:
        """Bytes in and out of all buffers."""
        return self.sram_ifmap_bytes + self.sram_filter_bytes + self.sram_ofmap_bytes

    def utilisation(self, macs_per_cycle: int) -> float:
        """Fraction of peak throughput spent on useful work; an idle cost has none."""
        return self.macs / (self.cycles * macs_per_cycle) if self.cycles else 0.0
