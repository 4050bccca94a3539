"""Which hardware change buys most for the fused form: the same model, one thing changed at a time.

    multiply-unit     a vector unit that multiplies, where there is none: as many lanes as it has,
                      or as the array gives results a cycle; one product per lane and cycle
    shift-address     shifts by a modular address generator where they are copies
    vector-larger     the vector unit's lanes times a factor
    product-on-chip   the unit writes its products into the input buffer beside the array, band by
                      band; they do not pass through DRAM
    product-on-load   multipliers before the array: x and its shifted copies are read from the input
                      buffer and multiplied on the way in, as fast as the array takes operands
    dram-wider        bytes per cycle of DRAM times a factor
    buffers-larger    every buffer times a factor

Where a machine multiplies no elements the form is not executable as it is: there every change but
``product-on-load``, which brings its multipliers, is made on top of ``multiply-unit``, and that is
what it is compared with. No area is counted. The last two products are costed on the mapping of
the form as it is, tile by tile (``hwsim.schedule.steps``), only that an input tile's load is that
of x, with the rows that a shift needs above and below it: what another mapping would gain is not
in the number. Products on chip take the longer of array and vector unit, and the unit's time for
one band first.

Source: ours.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from types import MappingProxyType
from typing import NamedTuple

from hwsim.cost import Cost
from hwsim.evaluate import LayerCost, PrimitiveCost
from hwsim.integers import ceil_div
from hwsim.lowering import Options
from hwsim.machine import Machine, Support, VectorUnit
from hwsim.schedule import Steps, duration, steps
from hwsim.search import Run
from hwsim.study.declaration import Changes, Study
from hwsim.study.rows import (
    FUSED,
    PLAIN,
    FormRun,
    efficiency_ratio,
    exposed_share,
    judged,
    run_form,
    sites_of,
)
from hwsim.tiling import Pieces, pieces
from hwsim.traffic import dram_traffic_of
from hwsim.workload import Convolution, Elementwise, Shift

MULTIPLY = "multiply-unit"


class Change(NamedTuple):
    """What is changed: the machine, or (``made``) where the products are made; ``None``: not so.

    ``bare`` says that it needs no vector unit that multiplies.
    """

    sentence: str
    machine: Callable[[Machine, Changes], Machine | None]
    made: str = "dram"
    bare: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """The fused form before and after a change, on one machine, network, stage and batch.

    ``base`` is "" or the change that both stand on. What is not executable before is not friendly,
    and takes as many cycles before as after.
    """

    change: str
    machine: str
    network: str
    stage: str
    batch: int
    base: str
    cycles_before: int
    cycles_after: int
    plain_before: int
    plain_after: int
    friendly_before: bool
    friendly_after: bool
    efficiency_ratio: float
    exposed_share: float

    @property
    def saved(self) -> float:
        """The part of the fused form's cycles that the change takes away."""
        return 1 - self.cycles_after / self.cycles_before


def with_multiply(machine: Machine, _: Changes) -> Machine | None:
    """The machine with a unit that multiplies elements; ``None`` if it has one."""
    if machine.supports("multiply").executable:
        return None
    unit = machine.vector or VectorUnit(lanes=machine.array.out_step, cycles_per_element={})
    cycles = {**unit.cycles_per_element, "multiply": 1}
    support = {**machine.support, "multiply": Support(level="native")}
    return replace(
        machine, vector=replace(unit, cycles_per_element=cycles), support=support, sources={}
    )


def _with_shift(machine: Machine, _: Changes) -> Machine | None:
    if machine.mover is None or machine.mover.shift != "copy":
        return None
    mover = replace(machine.mover, shift="modular-generator")
    return replace(
        machine, mover=mover, support={**machine.support, "shift": Support(level="native")}
    )


def _with_lanes(machine: Machine, by: Changes) -> Machine | None:
    unit = machine.vector
    if unit is None:
        return None
    return replace(machine, vector=replace(unit, lanes=unit.lanes * by.vector_factor))


def _with_dram(machine: Machine, by: Changes) -> Machine:
    rate = Fraction(machine.dram.bytes_per_cycle) * by.dram_factor
    return replace(machine, dram=replace(machine.dram, bytes_per_cycle=rate))


def _with_buffers(machine: Machine, by: Changes) -> Machine:
    held = machine.buffers
    return replace(
        machine,
        buffers=replace(
            held,
            ifmap_bytes=held.ifmap_bytes * by.buffer_factor,
            filter_bytes=held.filter_bytes * by.buffer_factor,
            ofmap_bytes=held.ofmap_bytes * by.buffer_factor,
            shared_bytes=held.shared_bytes and held.shared_bytes * by.buffer_factor,
        ),
    )


def _same(machine: Machine, _: Changes) -> Machine:
    return machine


CHANGES: Mapping[str, Change] = MappingProxyType(
    {
        MULTIPLY: Change("a vector unit that multiplies, where there is none", with_multiply),
        "shift-address": Change(
            "a modular address generator in place of copied shifts", _with_shift
        ),
        "vector-larger": Change("a vector unit with more lanes", _with_lanes),
        "product-on-chip": Change(
            "products written into the input buffer beside the array", _same, "chip"
        ),
        "product-on-load": Change(
            "multipliers between the input buffer and the array", _same, "load", bare=True
        ),
        "dram-wider": Change("a wider DRAM channel", _with_dram),
        "buffers-larger": Change("larger buffers", _with_buffers),
    }
)
"""Every change by name."""


def changed(study: Study, machines: Sequence[Machine]) -> Iterator[Changed]:
    """Every change on every case of the study: machine, network, stage, batch, change."""
    if FUSED not in study.forms:
        return
    for machine in machines:
        base = with_multiply(machine, study.changes)
        variants = dict(_variants(machine, base, study.changes))
        found: dict[str, dict[Convolution, Run]] = {}
        for place in product(study.networks, study.stages, study.batches):
            try:
                yield from _place(study, place, machine, base, variants, found)
            except ValueError:  # no tile fits: the rows say so
                continue


def _variants(
    machine: Machine, base: Machine | None, by: Changes
) -> Iterator[tuple[str, tuple[Change, Machine]]]:
    for name, change in CHANGES.items():
        stands_on = machine if name == MULTIPLY or change.bare or base is None else base
        made = change.machine(stands_on, by)
        if made is not None:
            yield name, (change, made)


def _place(
    study: Study,
    place: tuple[str, str, int],
    machine: Machine,
    base: Machine | None,
    variants: Mapping[str, tuple[Change, Machine]],
    found: dict[str, dict[Convolution, Run]],
) -> Iterator[Changed]:
    """Every change in one place; ``found`` remembers runs, a table for each machine."""
    name, stage, batch = place
    sites = sites_of(name, stage, batch)

    def run(form: str, unit: Machine, key: str) -> FormRun:
        return run_form(form, sites, unit, found.setdefault(key, {}), options=study.options)

    start = machine if base is None else base
    before, plain = run(FUSED, start, "before"), run(PLAIN, start, "before")
    was = judged(before, plain, start, study).friendly
    for key, (change, unit) in variants.items():
        here = key if change.made == "dram" else "before"
        after = run(FUSED, unit if change.made == "dram" else start, here)
        measure = run(PLAIN, unit, here)
        if change.made != "dram":
            after = remade(after, unit, study.options, change.made)
        yield Changed(
            change=key,
            machine=machine.name,
            network=name,
            stage=stage,
            batch=batch,
            base="" if base is None or key == MULTIPLY else MULTIPLY,
            cycles_before=before.cost.cycles,
            cycles_after=after.cost.cycles,
            plain_before=plain.cost.cycles,
            plain_after=measure.cost.cycles,
            friendly_before=was and key != MULTIPLY,
            friendly_after=judged(after, measure, unit, study).friendly,
            efficiency_ratio=efficiency_ratio(after.cost, measure.cost, unit),
            exposed_share=exposed_share(after.cost),
        )


def remade(run: FormRun, machine: Machine, options: Options, made: str) -> FormRun:
    """The fused form with its products made on ``chip`` or on ``load``: see the module."""
    layers = tuple((_remade(layer, machine, options, made), times) for layer, times in run.layers)
    gone = (Shift, Elementwise) if made == "load" else Shift
    kept = tuple(each for each in run.primitives if not isinstance(each, gone))
    return replace(run, layers=layers, primitives=kept)


def _remade(layer: LayerCost, machine: Machine, options: Options, made: str) -> LayerCost:
    """The layer's convolution fed with x, its products beside it or nowhere, no shift."""
    (merged,) = (each for each in layer.primitives if isinstance(each.primitive, Convolution))
    fed = _fed(merged, machine, options)
    if made == "load":
        return replace(layer, primitives=(fed,))
    (work,) = (each for each in layer.primitives if isinstance(each.primitive, Elementwise))
    unit = machine.vector
    assert unit is not None  # noqa: S101 - what products on chip stand on multiplies
    assert isinstance(work.primitive, Elementwise)  # noqa: S101 - chosen so
    busy = unit.cycles(work.primitive.kind, work.primitive.operations)
    hidden = min(busy - ceil_div(busy, _bands(fed)), fed.cost.cycles)
    beside = Cost(
        vector_cycles=busy - hidden, hidden_vector_cycles=hidden, vector_ops=work.cost.vector_ops
    )
    return replace(layer, primitives=(replace(work, cost=beside), fed))


def _bands(fed: PrimitiveCost) -> int:
    conv, tiling = fed.primitive, fed.tiling
    assert isinstance(conv, Convolution)  # noqa: S101 - chosen so
    assert tiling is not None  # noqa: S101 - a convolution that was run
    return ceil_div(conv.batch, tiling.images) * ceil_div(conv.out_height, tiling.rows)


def _fed(merged: PrimitiveCost, machine: Machine, options: Options) -> PrimitiveCost:
    """The merged convolution on its own mapping, but that its input tiles are loaded as x."""
    conv, tiling = merged.primitive, merged.tiling
    assert isinstance(conv, Convolution)  # noqa: S101 - chosen so
    assert tiling is not None  # noqa: S101 - a convolution that was run
    parts = pieces(conv, tiling)
    maps, reach = 1 + len(options.directions), max(abs(down) for down, _ in options.offsets)
    thin = Pieces(
        bands=tuple(
            band._replace(
                in_rows=min(band.in_rows + 2 * reach * band.images, conv.height * band.images)
            )
            for band in parts.bands
        ),
        out_channels=parts.out_channels,
        in_channels=tuple(ceil_div(channels, maps) for channels in parts.in_channels),
    )
    source = replace(conv, in_channels=sum(thin.in_channels))
    as_is = steps(conv, parts, tiling.order, machine)
    fed = as_is._replace(ifmap=steps(source, thin, tiling.order, machine).ifmap)
    gained = _duration(as_is, machine) - _duration(fed, machine)
    read = dram_traffic_of(thin, tiling.order, source, machine).ifmap_bytes
    cost = merged.cost
    moved = read + cost.filter_read_bytes
    dram = min(gained, cost.stall_cycles)
    level = min(gained - dram, cost.l2_stall_cycles)
    fewer = replace(
        cost,
        stall_cycles=cost.stall_cycles - dram,
        l2_stall_cycles=cost.l2_stall_cycles - level,
        dram_read_bytes=moved,
    )
    return replace(merged, cost=fewer)


def _duration(tiles: Steps, machine: Machine) -> int:
    return duration(tiles, doubled=machine.buffers.doubled)
