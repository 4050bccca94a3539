"""What one step of each kind takes, in picojoules: a table with its node and source.

    MAC        one multiply-accumulate, by the number format of its operands
    register   one byte read or written beside the multiplier
    array      one byte passed on between elements
    buffer     one byte read or written in a memory of a given size; between two sizes that the
               source lists, the logarithm of the energy is taken linear in that of the size (ours)
    DRAM       one byte read or written
    vector     one operation of the vector unit

A step that the source has no figure for is ``None``: it is not counted, and outputs say so.
Tables differ many times over between nodes and authors, so every output prints which one it used.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import exp, inf, log
from types import MappingProxyType

from hwsim.checks import at_least, instance_of, one_of

FORMATS: Mapping[str, int] = MappingProxyType(
    {"int8": 1, "fp8": 1, "int16": 2, "fp16": 2, "bf16": 2, "int32": 4, "fp32": 4}
)
"""Number formats an array may multiply, with their bytes."""
OPTIONAL = ("register_pj_per_byte", "array_pj_per_byte", "vector_pj_per_operation")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyTable:
    """Picojoules per step; ``buffer_pj_per_byte`` by the size of the memory in bytes."""

    name: str
    node_nm: int
    source: str
    mac_pj: Mapping[str, float]
    register_pj_per_byte: float | None = None
    array_pj_per_byte: float | None = None
    buffer_pj_per_byte: Mapping[int, float]
    dram_pj_per_byte: float
    vector_pj_per_operation: float | None = None
    normalised: bool = False

    def __post_init__(self) -> None:
        for name in ("name", "source"):
            instance_of(f"energy.{name}", getattr(self, name), str, "a text")
        at_least("energy.node_nm", self.node_nm, 1)
        _positive("energy.dram_pj_per_byte", self.dram_pj_per_byte)
        for name in OPTIONAL:
            if getattr(self, name) is not None:
                _positive(f"energy.{name}", getattr(self, name))
        for name in ("mac_pj", "buffer_pj_per_byte"):
            table = getattr(self, name)
            instance_of(f"energy.{name}", table, Mapping, "a table")
            if not table:
                raise ValueError(f"energy.{name} must have an entry, not be empty")
            for key, value in table.items():
                _positive(f"energy.{name}.{key}", value)
        for key in self.mac_pj:
            one_of("each key of energy.mac_pj", key, FORMATS)
        for size in self.buffer_pj_per_byte:
            at_least("each size in energy.buffer_pj_per_byte", size, 1)

    @property
    def title(self) -> str:
        """Table and node, as every output prints them."""
        unit = ", in units of one MAC" if self.normalised else ""
        return f"{self.name} ({self.node_nm} nm{unit})"

    def buffer_pj(self, size_bytes: int) -> float:
        """Energy of one byte in a memory of ``size_bytes``; the nearest end outside the list."""
        sizes = sorted(self.buffer_pj_per_byte)
        known = self.buffer_pj_per_byte
        if size_bytes <= sizes[0] or size_bytes >= sizes[-1]:
            return known[sizes[0] if size_bytes <= sizes[0] else sizes[-1]]
        small, large = next(pair for pair in pairwise(sizes) if size_bytes <= pair[1])
        place = log(size_bytes / small) / log(large / small)
        return exp(log(known[small]) * (1 - place) + log(known[large]) * place)


def _positive(what: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < inf:
        raise ValueError(f"{what} must be a number above 0, not {value!r}")
