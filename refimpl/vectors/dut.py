"""A device's declaration, ``dut.toml``: array, tiles, formats, features, stages, memory, adders.

It decides which cases are written (``dut_cases.py``), which stages must be there, in which memory.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from refimpl.bitexact.accumulation import BiasAt, Order
from refimpl.bitexact.adders import Adders, adders_of
from refimpl.bitexact.bounds import INSIDE_SOFTMAX, is_ordered
from refimpl.bitexact.operators import ALL_OPERATORS, FLOAT_ARITHMETICS, OPERATORS
from refimpl.bitexact.operators import ARITHMETICS as KNOWN
from refimpl.bitexact.records import ATTENTION, PASSES
from refimpl.bitexact.requantise import ROUNDINGS
from refimpl.vectors.case import ARITHMETICS
from refimpl.vectors.layouts import layout_for
from refimpl.vectors.manifest import Strict
from refimpl.vectors.memory import Plan

Size = Annotated[int, Field(ge=1, le=4096)]
_PARTIAL = ("partial_sums", "partial_0")
_UNBOUNDED = f"partial_sums, partial_N, {', '.join(INSIDE_SOFTMAX)}"


class Array2d(Strict):
    """Multipliers of the array: rows take inputs (K), columns give outputs."""

    rows: Size = 16
    columns: Size = 16


class Tile(Strict):
    """What one pass takes: taps of K, input channels, output channels, pixels.

    Where channels or outputs are left out, they are the declared array's rows and columns.
    """

    k: Annotated[int, Field(ge=1, le=2**20)] | None = None
    channels: Size = 16
    outputs: Size = 16
    pixels: Size = 16


class Features(Strict):
    """What the device computes."""

    operators: tuple[str, ...] = OPERATORS
    arithmetics: tuple[str, ...] = ARITHMETICS
    roundings: tuple[str, ...] = ("half_up",)
    strides: tuple[Annotated[int, Field(ge=1, le=8)], ...] = (1, 2)
    dilations: tuple[Annotated[int, Field(ge=1, le=8)], ...] = (1, 2)
    kernels: tuple[Annotated[int, Field(ge=1, le=11)], ...] = (1, 3)
    groups: tuple[Annotated[int, Field(ge=1, le=256)], ...] = (1,)
    order: Order = "cuv"
    bias: BiasAt = "last"

    @field_validator("operators", "arithmetics", "roundings")
    @classmethod
    def _known(cls, names: tuple[str, ...], info: Any) -> tuple[str, ...]:
        lists = {"operators": ALL_OPERATORS, "arithmetics": KNOWN, "roundings": ROUNDINGS}
        known = lists[info.field_name]
        if not names or not set(names) <= set(known):
            raise ValueError(f"{info.field_name} must be of {', '.join(known)}, not {names}")
        return names

    @field_validator("strides", "dilations", "groups")
    @classmethod
    def _some(cls, numbers: tuple[int, ...], info: Any) -> tuple[int, ...]:
        if not numbers:
            raise ValueError(f"{info.field_name} must name at least one")
        return numbers

    @field_validator("kernels")
    @classmethod
    def _odd(cls, sides: tuple[int, ...]) -> tuple[int, ...]:
        if not sides or any(side % 2 == 0 for side in sides):
            raise ValueError(f"kernels must have odd sides, not {sides}")
        return sides


class Observe(Strict):
    """Stages that can be read out of the device; the output always can. None: all of them."""

    stages: tuple[str, ...] | None = None


class Memory(Strict):
    """How tensors lie in the device's memory."""

    layout: str = "nchw"
    lanes: Annotated[int, Field(ge=1, le=1024)] = 1
    word_bytes: Annotated[int, Field(ge=1, le=256)] = 4
    base: Annotated[int, Field(ge=0, lt=2**40)] = 0
    alignment_words: Annotated[int, Field(ge=1, le=2**16)] = 16
    guard_words: Annotated[int, Field(ge=1, le=2**12)] = 4

    @field_validator("layout")
    @classmethod
    def _is_one(cls, family: str) -> str:
        layout_for(family, rank=4, kernel=False, element_bits=8)
        return family


class Dut(Strict):
    """A device under test; ``arithmetic`` are records that it declares (``declare.py``)."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._ -]{0,63}$")]
    array: Array2d = Array2d()
    tile: Tile = Tile()
    features: Features = Features()
    observe: Observe = Observe()
    memory: Memory = Memory()
    adders: dict[str, Any] = Field(default_factory=dict)
    arithmetic: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _tile_of_the_array(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        array, tile = data.get("array", {}), data.get("tile", {})
        if not isinstance(array, Mapping) or not isinstance(tile, Mapping):
            return data
        sides = {"channels": array.get("rows"), "outputs": array.get("columns")}
        return {**data, "tile": {key: n for key, n in sides.items() if n is not None} | {**tile}}

    @model_validator(mode="after")
    def _adders(self) -> "Dut":
        adders_of(self.adders)
        return self

    @property
    def adder_class(self) -> Adders | str:
        """The device's class of adders, or why it is in none."""
        return adders_of(self.adders)


def must_have_bounds(dut: Dut) -> None:
    """Refuse a stage that no device of another order could show, of one that declares its adders.

    Raises
    ------
    ValueError
        If a stage must be there in floats, depends on the order of summation and has no bound.
    """
    if not dut.adders or not set(dut.features.arithmetics) & set(FLOAT_ARITHMETICS):
        return
    of = set(dut.features.operators)
    ordered = [*(_PARTIAL if of & set(PASSES["accumulation"]) else ())]
    ordered += INSIDE_SOFTMAX if of & ATTENTION else ()
    for named in dut.observe.stages or ():
        means = next((each for each in ordered if _is_of(each, named)), "")
        if means or is_ordered(named):
            also = f" (which names {means})" if means not in {"", named} else ""
            raise ValueError(
                f"observe.stages of {dut.name} must not have {named!r}{also} beside [adders], for "
                "floats: in an order of the device's own it is another number, and no bound holds; "
                f"any stage but {_UNBOUNDED} may be shown; a device that sums as declared has no "
                "[adders]"
            )


def plan_of(dut: Dut) -> Plan:
    """How the device's memory is laid out."""
    return Plan(
        word_bytes=dut.memory.word_bytes,
        base=dut.memory.base,
        alignment_words=dut.memory.alignment_words,
        guard_words=dut.memory.guard_words,
    )


def observable(dut: Dut | None, stage: str) -> bool:
    """Whether a stage can be read out of the device."""
    if dut is None or dut.observe.stages is None:
        return True
    return any(_is_of(stage, name) for name in dut.observe.stages)


def _is_of(stage: str, name: str) -> bool:
    """Whether a declared name means a stage: its own, or that of a branch or a part."""
    return stage == name or stage.endswith(f"_{name}")
