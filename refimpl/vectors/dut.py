"""A device's declaration, ``dut.toml``: what it can do, and the cases that follow from it.

The array's shape, tiles, formats, features and observable stages decide which cases are written,
which stages must be there, and in which memory; what is left out is listed with its reason.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from refimpl.bitexact.accumulation import BiasAt, Order
from refimpl.bitexact.adders import Adders, adders_of
from refimpl.bitexact.operators import OPERATORS
from refimpl.bitexact.requantise import RULES
from refimpl.vectors.case import ARITHMETICS, Case, Choices
from refimpl.vectors.layouts import layout_for
from refimpl.vectors.manifest import Exclusion, Strict
from refimpl.vectors.memory import Plan
from refimpl.vectors.stimuli import Sizes, random_cases

Size = Annotated[int, Field(ge=1, le=4096)]


class Array2d(Strict):
    """Multipliers of the array: rows take inputs (K), columns give outputs."""

    rows: Size = 16
    columns: Size = 16


class Tile(Strict):
    """What one pass takes: taps of K, input channels, output channels, pixels."""

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
    order: Order = "cuv"
    bias: BiasAt = "last"

    @field_validator("operators", "arithmetics", "roundings")
    @classmethod
    def _known(cls, names: tuple[str, ...], info: Any) -> tuple[str, ...]:
        lists = {"operators": OPERATORS, "arithmetics": ARITHMETICS, "roundings": tuple(RULES)}
        known = lists[info.field_name]
        if not names or not set(names) <= set(known):
            raise ValueError(f"{info.field_name} must be of {', '.join(known)}, not {names}")
        return names

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
    """A device under test."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._ -]{0,63}$")]
    array: Array2d = Array2d()
    tile: Tile = Tile()
    features: Features = Features()
    observe: Observe = Observe()
    memory: Memory = Memory()
    adders: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _adders(self) -> "Dut":
        adders_of(self.adders)
        return self

    @property
    def adder_class(self) -> Adders | str:
        """The device's class of adders, or why it is in none."""
        return adders_of(self.adders)


Kind = Literal["whole", "ragged-outputs", "ragged-channels", "ragged-pixels", "one-pixel"]


def dut_cases(dut: Dut, *, seed: str = "0") -> tuple[list[Case], tuple[Exclusion, ...]]:
    """Cases that a device must be tried on, and what is left out with the reason.

    Every operator and arithmetic on whole tiles, one more than a tile and one less of outputs and
    channels, ragged rows of pixels, a single pixel, and every stride, dilation and kernel.
    """
    excluded = list(_excluded(dut))
    cases: dict[str, Case] = {}
    for rounding in dut.features.roundings:
        choices = Choices(
            arithmetics=dut.features.arithmetics,
            rounding=rounding,
            order=dut.features.order,
            bias_at=dut.features.bias,
            k_tile=dut.tile.k,
        )
        suffix = "" if rounding == dut.features.roundings[0] else f"-{rounding.replace('_', '-')}"
        for sizes in _sizes(dut):
            for case in random_cases(dut.features.operators, sizes, choices, seed=seed + suffix):
                if rounding == dut.features.roundings[0] or case.arithmetic == "int8":
                    cases.setdefault(case.id, case)
    return list(cases.values()), tuple(excluded)


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
    return stage in dut.observe.stages or any(
        stage.endswith(f"_{name}") for name in dut.observe.stages
    )


def _sizes(dut: Dut) -> Iterator[Sizes]:
    """Shapes whose tiles are whole, and ragged in each way."""
    tile, width = dut.tile, 5
    rows = -(-tile.pixels // width)
    first = dut.features.kernels[-1]
    base = {"batch": 1, "height": rows, "width": width, "kernel": first}
    stride, dilation = dut.features.strides[0], dut.features.dilations[0]
    base |= {"stride": stride, "dilation": dilation}
    yield _size(base, channels=tile.channels, outputs=tile.outputs)
    yield _size(base, channels=tile.channels, outputs=tile.outputs + 1)
    yield _size(base, channels=tile.channels + 1, outputs=max(1, tile.outputs - 1))
    yield _size(base, channels=max(1, tile.channels - 1), outputs=2, height=rows + 1, batch=2)
    for kernel in dut.features.kernels:
        yield _size(base, channels=2, outputs=3, height=1, width=1, kernel=kernel)
        yield _size(base, channels=2, outputs=3, kernel=kernel)
    for step in dut.features.strides:
        yield _size(base, channels=2, outputs=2, height=7, width=6, stride=step)
    for apart in dut.features.dilations:
        yield _size(base, channels=2, outputs=2, height=7, width=6, dilation=apart)


def _size(base: dict[str, int], **other: int) -> Sizes:
    return Sizes(**{**base, **other})


def _excluded(dut: Dut) -> Iterator[Exclusion]:
    """What the declaration leaves out of everything there is."""
    own = dut.features
    for what, known, has, key in (
        ("operator", OPERATORS, own.operators, "operators"),
        ("arithmetic", ARITHMETICS, own.arithmetics, "arithmetics"),
        ("rounding", tuple(RULES), own.roundings, "roundings"),
        ("stride", (1, 2), own.strides, "strides"),
        ("dilation", (1, 2), own.dilations, "dilations"),
        ("kernel side", (1, 3), own.kernels, "kernels"),
    ):
        for each in known:
            if each not in has:
                reason = f"features.{key} of {dut.name} has {', '.join(map(str, has))} only"
                yield Exclusion(what=f"{what} {each}", reason=reason)
    if dut.observe.stages is not None:
        seen = ", ".join(dut.observe.stages) or "none"
        yield Exclusion(
            what="stages other than the output",
            reason=f"observe.stages of {dut.name} has {seen}",
        )
    why = dut.adder_class
    if isinstance(why, str):
        yield Exclusion(what="bounds of float outputs", reason=f"{dut.name}: {why}")
