"""A machine as one immutable value, and where each of its constants comes from.

Every constant can name its source in ``Machine.sources``, by its dotted key ("array.rows"), or by
that of the table it is in ("array"). A preset must name them all, also for a part that it says is
absent ("vector").
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from types import MappingProxyType
from typing import Any

from hwsim.checks import at_least, instance_of, one_of
from hwsim.machine.arrays import ARRAY_KINDS, Array, MacArray
from hwsim.machine.energy import FORMATS, EnergyTable
from hwsim.machine.memory import Buffers, Dram, SharedL2
from hwsim.machine.support import SUPPORTED_KINDS, Support
from hwsim.machine.units import HYPOTHETICAL_CYCLES, Mover, VectorUnit
from hwsim.workload import VECTOR_KINDS

IM2COL: Mapping[str, str] = MappingProxyType(
    {
        "on-load": "windows are gathered on the way from the buffer into the array",
        "dram": "a matrix of all windows is written to DRAM and read from there",
        "none": "the array convolves where the image lies",
    }
)
"""Where a convolution becomes a matrix product."""

CONVENTIONS: Mapping[str, str] = MappingProxyType(
    {
        "own": "remainder folds take what they occupy; all that has to happen is counted",
        "scalesim": "as SCALE-Sim 3.0.0 reports it, its habits included",
    }
)
"""Ways of counting the array's cycles."""

NO_CONSTANTS = ("name", "description", "sources", "convention")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """An NPU: array, dataflow, buffers, DRAM and, as far as it has them, what works beside them.

    Tensors in DRAM and operands on chip take ``operand_bytes`` per number, partial sums
    ``accumulator_bytes``; ``formats`` are what the array multiplies, one of them so wide. Raises
    ``ValueError`` for a constant out of range, for parts that contradict each other, and for a
    source of something that is no constant.
    """

    name: str
    description: str = ""
    clock_hz: int
    dataflow: str
    operand_bytes: int
    accumulator_bytes: int
    formats: tuple[str, ...] = ()
    im2col: str = "on-load"
    convention: str = "own"
    array: MacArray
    buffers: Buffers
    l2: SharedL2 | None = None
    dram: Dram
    vector: VectorUnit | None = None
    mover: Mover | None = None
    energy: EnergyTable | None = None
    support: Mapping[str, Support] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("name", "description"):
            instance_of(name, getattr(self, name), str, "a text")
        for name in ("clock_hz", "operand_bytes", "accumulator_bytes"):
            at_least(name, getattr(self, name), 1)
        one_of("im2col", str(self.im2col), IM2COL)
        one_of("convention", str(self.convention), CONVENTIONS)
        kind = ARRAY_KINDS[one_of("dataflow", str(self.dataflow), ARRAY_KINDS)]
        instance_of("array", self.array, kind, f"the kind that {self.dataflow} runs on")
        if self.convention != "own" and kind is not Array:
            raise ValueError(
                f"convention must be own, not {self.convention}, which counts systolic arrays only "
                f"and no {self.dataflow} one"
            )
        self._check_formats()
        self._check_support()
        self._check_sources()

    def _check_formats(self) -> None:
        instance_of("formats", self.formats, tuple, "a list of number formats")
        for name in self.formats:
            one_of("each of formats", str(name), FORMATS)
        if self.formats and self.operand_bytes not in {FORMATS[name] for name in self.formats}:
            raise ValueError(
                f"operand_bytes must be the width of one of formats ({', '.join(self.formats)}), "
                f"not {self.operand_bytes}"
            )

    def _check_support(self) -> None:
        instance_of("support", self.support, Mapping, "a table")
        cycles = self.vector.cycles_per_element if self.vector is not None else {}
        for kind, entry in self.support.items():
            one_of("each key of support", kind, SUPPORTED_KINDS)
            instance_of(f"support.{kind}", entry, Support, "an entry of a support matrix")
            if kind in VECTOR_KINDS and entry.executable != (kind in cycles):
                wanted = "native or emulated" if kind in cycles else "not executable"
                raise ValueError(
                    f"support.{kind} must be {wanted}, as vector.cycles_per_element "
                    f"{'has' if kind in cycles else 'lacks'} it, not {entry}"
                )

    def _check_sources(self) -> None:
        instance_of("sources", self.sources, Mapping, "a table")
        known = _with_tables(constants(self))
        for key, source in self.sources.items():
            one_of("each key of sources", key, known)
            instance_of(f"sources.{key}", source, str, "a text that names a source")
            if not source.strip():
                raise ValueError(f"sources.{key} must be a text that names a source, not empty")

    @property
    def title(self) -> str:
        """Its name, and what it was given that its sources do not have."""
        counted = "" if self.convention == "own" else f", counted as {self.convention} does"
        if self.vector is None or not self.vector.hypothetical:
            return self.name + counted
        unit = f"hypothetical vector unit of {self.vector.lanes} lanes"
        return f"{self.name} + {unit}{counted}"

    @property
    def operand_format(self) -> str | None:
        """The format the array multiplies: the first of ``formats`` that is as wide as told."""
        return next((name for name in self.formats if FORMATS[name] == self.operand_bytes), None)

    @property
    def shifts_by_copy(self) -> bool:
        """Whether a shifted map is written down in DRAM, and read from there."""
        return self.mover is not None and self.mover.shift == "copy" and not self.mover.on_chip

    def supports(self, kind: str) -> Support:
        """How a kind in ``SUPPORTED_KINDS`` is executed: as declared, or as the units allow.

        Without an entry the array is taken to do what it is made of, a vector kind needs cycles, a
        copy needs a mover, and a shift is a second read at another address.
        """
        one_of("kind of primitive", kind, SUPPORTED_KINDS)
        if kind in self.support:
            return self.support[kind]
        if kind in VECTOR_KINDS:
            known = self.vector is not None and kind in self.vector.cycles_per_element
            return Support(level="native" if known else "not executable")
        if kind == "copy" and self.mover is None:
            return Support(level="emulated", how="a read and a write through the buffers")
        if kind == "shift" and (self.mover is None or self.mover.shift == "address-offset"):
            return Support(level="emulated", how="a second read at another address")
        return _ARRAY_SUPPORT.get(kind, Support(level="native"))


_ARRAY_SUPPORT = {
    "depthwise": Support(level="emulated", how="one group after another"),
    "per-pixel": Support(level="emulated", how="one small matrix product per pixel"),
}


def constants(machine: Machine) -> tuple[str, ...]:
    """Dotted keys of everything about a machine that needs a source; an absent part is one too."""
    return tuple(_leaves({k: v for k, v in _fields(machine).items() if k not in NO_CONSTANTS}))


def source_of(machine: Machine, key: str) -> str | None:
    """The source of a constant: its own, or the one of the nearest table it is in."""
    parts = key.split(".")
    for length in range(len(parts), 0, -1):
        found = machine.sources.get(".".join(parts[:length]))
        if found is not None:
            return found
    return machine.energy.source if key == "energy" and machine.energy is not None else None


def without_source(machine: Machine) -> tuple[str, ...]:
    """Constants that ``machine.sources`` does not cover."""
    return tuple(key for key in constants(machine) if source_of(machine, key) is None)


def with_vector_unit(machine: Machine, lanes: int) -> Machine:
    """The machine with a *hypothetical* vector unit of ``lanes`` lanes instead of its own.

    The unit executes every kind, in ``HYPOTHETICAL_CYCLES`` per element; outputs name it as such.
    Products per pixel, if the array could not do them, are products of elements on it.
    """
    unit = VectorUnit(lanes=lanes, cycles_per_element=dict(HYPOTHETICAL_CYCLES), hypothetical=True)
    replaced = ("vector", *(f"support.{kind}" for kind in VECTOR_KINDS))
    kept = {
        key: text
        for key, text in machine.sources.items()
        if key not in replaced and not key.startswith("vector.")
    }
    support = {kind: entry for kind, entry in machine.support.items() if kind not in VECTOR_KINDS}
    if not machine.supports("per-pixel").executable:
        how = "products of elements on the hypothetical vector unit"
        support["per-pixel"] = Support(level="emulated", how=how)
        kept["support.per-pixel"] = "ours: hypothetical"
    assumed = replace(machine, vector=unit, support=support, sources={})
    added = {key: "ours: hypothetical" for key in constants(assumed) if key.startswith("vector")}
    return replace(assumed, sources=kept | added)


def _with_tables(keys: tuple[str, ...]) -> tuple[str, ...]:
    """Keys, and those of the tables they are in."""
    tables = {key.rsplit(".", depth)[0]: None for key in keys for depth in range(1, 3)}
    return (*keys, *(table for table in tables if table not in keys))


def _leaves(described: Mapping[str, object], prefix: str = "") -> list[str]:
    keys: list[str] = []
    for name, value in described.items():
        is_part = is_dataclass(value) and not isinstance(value, Support | EnergyTable)
        inner = _fields(value) if is_part else value
        if isinstance(inner, Mapping) and inner:
            keys += _leaves(inner, f"{prefix}{name}.")
        else:
            keys.append(prefix + name)
    return keys


def _fields(part: Any) -> dict[str, object]:
    """Constants of a part by name; that a unit is hypothetical is no constant of it."""
    return {name: getattr(part, name) for name in _names(part)}


def _names(part: Any) -> list[str]:
    return [f.name for f in fields(part) if f.name != "hypothetical"]
