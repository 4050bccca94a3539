"""The device that a score is about: ours, or one that a ``dut.toml`` declares.

The declaration says where tiles end and which stages can be read out beside the outputs, and what
cannot be: cases that the device does not run, bugs it has no place for, points that nothing it runs
can reach. What is left out is listed with its reason and does not count.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from refimpl.bitexact.requantise import FLOAT_RULE
from refimpl.score.array import ARRAY, ArrayShape
from refimpl.score.expression import evaluate, names_in
from refimpl.score.mutant import Mutant
from refimpl.score.point import Point
from refimpl.score.recipe import Recipe
from refimpl.vectors.case import Case
from refimpl.vectors.dut import Dut, observable

GEOMETRY: Mapping[str, str] = {"stride": "strides", "dilation": "dilations", "kernel": "kernels"}
OUTSIDE = frozenset({"unseen_border", "raw_zero", "runs_over", "seen_beyond"})
TAPS = frozenset({"flip", "transpose_kernel"})
RAGGED: Mapping[str, str] = {  # changes that need a ragged tile, and which where none is named
    "drop_ragged": "", "unwritten_ragged": "", "ragged_from_start": "", "drop_ragged_pixels": "",
    "first_of_tile": "", "skip_ragged_tile": "c_in", "full_last_tile": "pixels",
}  # fmt: skip
KEYS = {"c_in": "channels", "c_out": "outputs", "pixels": "pixels"}  # of a declaration's [tile]
MOST = 10  # channels of a recipe that are there for the tiles; more are there for large sums
FEW = 3  # tiles in a row that are tried when a point is held against the sizes a device may have


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a score is about; without ``dut``, our small array, of which one sees the outputs."""

    array: ArrayShape = ARRAY
    dut: Dut | None = None

    def sees(self, stage: str) -> bool:
        """Whether a stage that is no output can be read out."""
        return self.dut is not None and observable(self.dut, stage)


OURS = Target()


def target_of(dut: Dut | None) -> Target:
    """The target that a declaration describes."""
    if dut is None:
        return OURS
    tile = dut.tile
    return Target(array=ArrayShape(tile.channels, tile.outputs, tile.pixels), dut=dut)


def operator_excluded(operator: str, target: Target) -> str:
    """Why a device has nothing of an operator, "conv2d.int8" and the like; empty if it has."""
    if target.dut is None:
        return ""
    name, arithmetic = operator.split(".")
    own = target.dut.features
    for key, value, has in (
        ("operators", name, own.operators),
        ("arithmetics", arithmetic, own.arithmetics),
    ):
        if value not in has:
            return _only(target.dut, key, has)
    return ""


def case_excluded(case: Case, target: Target) -> str:
    """Why a device cannot run a case, or the catalogue cannot; empty if both can."""
    reason = operator_excluded(f"{case.operator}.{case.arithmetic}", target)
    if case.attributes.get("rounding") == FLOAT_RULE:
        reason = "the catalogue has no model of binary32 scales"
    if reason or target.dut is None:
        return reason
    own, attributes = target.dut.features, case.attributes
    if attributes.get("rounding", own.roundings[0]) not in own.roundings:
        return _only(target.dut, "roundings", own.roundings)
    for name, key in GEOMETRY.items():
        has = getattr(own, key)
        sides = attributes.get(name, ()) if name != "kernel" else _sides(case)
        if not set(sides) <= set(has):
            return _only(target.dut, key, has)
    if attributes.get("groups", 1) not in own.groups:
        return _only(target.dut, "groups", own.groups)
    for name, value in (("order", own.order), ("bias_at", own.bias)):
        if attributes.get(name, value) != value:
            key = name.removesuffix("_at")
            return f"features.{key} of {target.dut.name} is {value}"
    return ""


def mutant_excluded(mutant: Mutant, target: Target) -> str:
    """Why a device has no place for a bug; empty if it has."""
    if target.dut is None:
        return ""
    own, change = target.dut.features, mutant.change
    field = mutant.arguments.get("field") or ("dilation" if "dilation" in mutant.arguments else "")
    if field in GEOMETRY and set(getattr(own, GEOMETRY[field])) == {1}:
        return _only(target.dut, GEOMETRY[field], (1,))
    if "groups" in mutant.unless and set(own.groups) == {1}:
        return _only(target.dut, "groups", (1,))
    if set(own.kernels) == {1} and (field == "padding" or change in OUTSIDE | TAPS):
        return _only(target.dut, "kernels", (1,))
    axis = RAGGED.get(change)
    if axis is not None:
        axis = mutant.arguments.get("tile", axis)
        if getattr(target.array, axis) == 1:
            return f"tile.{KEYS[axis]} of {target.dut.name} is 1: no tile is ragged"
    return operator_excluded(mutant.operator, target)


def point_excluded(point: Point, target: Target) -> str:
    """Why nothing that a device runs can reach a point; empty if something may."""
    domains = _domains(target)
    names = sorted(names_in(point.when))
    if target.dut is None or point.sample != "case" or not set(names) <= set(domains):
        return ""
    sizes = target.array.sizes()
    for values in product(*(domains[name] for name in names)):
        if evaluate(point.when, {**sizes, **dict(zip(names, values, strict=True))}).all():
            return ""
    return f"no geometry that {target.dut.name} declares is one"


def fitted(recipe: Recipe, target: Target) -> Recipe:
    """A recipe whose channels end where they would on our array: as many tiles, as much beyond.

    Channels in groups or heads stay as they are: what is fitted might not split.
    """
    if max(recipe.groups, recipe.heads) > 1:
        return recipe

    def size(many: int, ours: int, theirs: int) -> int:
        tiles, beyond = divmod(many, ours)
        return many if many > MOST else tiles * theirs + beyond

    own, array = ARRAY, target.array
    return replace(
        recipe,
        channels=size(recipe.channels, own.c_in, array.c_in),
        outputs=size(recipe.outputs, own.c_out, array.c_out),
    )


def _domains(target: Target) -> dict[str, Any]:
    """Values that sizes and steps of a case may have on a device."""
    if target.dut is None:
        return {}
    own, tiles = target.dut.features, target.array.sizes()
    domains: dict[str, Any] = {
        f"{name}_{side}": getattr(own, key) for name, key in GEOMETRY.items() for side in "hw"
    }
    domains |= {f"padding_{side}": (0, 1) for side in "hw"}
    domains |= {"groups": own.groups}
    domains |= {f"unread_{side}": range(max(own.strides)) for side in ("rows", "columns")}
    domains |= {name: (size,) for name, size in tiles.items()}
    domains |= {
        name.removeprefix("tile_"): range(1, FEW * size + 1) for name, size in tiles.items()
    }
    return domains


def _sides(case: Case) -> tuple[int, ...]:
    """Sides of every kernel of a case; a window of attention is one."""
    kernels = [case.tensors[name].shape[2:] for name in ("w", "w_c", "w_a") if name in case.tensors]
    kernels.append(tuple(case.attributes.get("kernel", ())))
    return tuple(side for kernel in kernels for side in kernel)


def _only(dut: Dut, key: str, has: tuple[Any, ...]) -> str:
    return f"features.{key} of {dut.name} has {', '.join(map(str, has))} only"
