"""Everything that a study found, and how one machine's part of it is found."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from hwsim.machine import Machine, with_vector_unit
from hwsim.study.changes import Changed, changed
from hwsim.study.crossover import Crossing, crossings
from hwsim.study.curves import Place, curves
from hwsim.study.declaration import Study
from hwsim.study.rows import Row, rows


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a reader has to know of a machine; ``dram_bytes_per_cycle`` is a fraction as text."""

    name: str
    title: str
    description: str
    clock_hz: int
    peak_macs_per_cycle: int
    dram_bytes_per_cycle: str
    vector_lanes: int
    array_inputs: int


class Answers(NamedTuple):
    """Machines, rows, hardware changes, growth on machines, and where operators cross."""

    machines: tuple[About, ...] = ()
    rows: tuple[Row, ...] = ()
    changed: tuple[Changed, ...] = ()
    curves: tuple[Place, ...] = ()
    crossings: tuple[Crossing, ...] = ()


class Part(NamedTuple):
    """A part of a study that can be answered by itself: a machine on one of the networks.

    ``growth`` says that the machine's growth is answered here, once for all networks.
    """

    study: Study
    machine: Machine
    growth: bool


def parts(study: Study, machines: Sequence[Machine]) -> tuple[Part, ...]:
    """A study's parts in its order, on ``machines``, which stand for ``study.machines``."""
    if study.vector_lanes is not None:
        machines = [with_vector_unit(each, study.vector_lanes) for each in machines]
    return tuple(
        Part(replace(study, networks=(network,)), machine, growth=not number)
        for machine in machines
        for number, network in enumerate(study.networks)
    )


def answered(part: Part) -> Answers:
    """What a part finds."""
    unit = [part.machine]
    return Answers(
        machines=(_about(part.machine),) if part.growth else (),
        rows=tuple(rows(part.study, unit)),
        changed=tuple(changed(part.study, unit)),
        curves=tuple(curves(part.study, unit)) if part.growth else (),
    )


def together(study: Study, found: Iterable[Answers]) -> Answers:
    """The answers of all parts, in their order, and the crossings."""
    each = list(found)
    return Answers(
        machines=tuple(machine for part in each for machine in part.machines),
        rows=tuple(row for part in each for row in part.rows),
        changed=tuple(case for part in each for case in part.changed),
        curves=tuple(place for part in each for place in part.curves),
        crossings=tuple(
            crossing
            for channels in study.growth_channels
            for crossing in crossings(channels, options=study.options)
        ),
    )


def _about(machine: Machine) -> About:
    return About(
        name=machine.name,
        title=machine.title,
        description=machine.description,
        clock_hz=machine.clock_hz,
        peak_macs_per_cycle=machine.array.macs_per_cycle,
        dram_bytes_per_cycle=str(machine.dram.bytes_per_cycle),
        vector_lanes=0 if machine.vector is None else machine.vector.lanes,
        array_inputs=machine.array.depth_step,
    )
