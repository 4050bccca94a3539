"""Everything that a study found, and how one machine's part of it is found."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from hwsim.machine import Machine, with_vector_unit
from hwsim.study.changes import Changed, changed
from hwsim.study.crossover import Crossing, crossings
from hwsim.study.curves import Place, curves
from hwsim.study.declaration import Study
from hwsim.study.rows import Row, rows


class Answers(NamedTuple):
    """Rows, hardware changes, growth on machines, and where operators cross."""

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
        rows=tuple(rows(part.study, unit)),
        changed=tuple(changed(part.study, unit)),
        curves=tuple(curves(part.study, unit)) if part.growth else (),
    )


def together(study: Study, found: Iterable[Answers]) -> Answers:
    """The answers of all parts, in their order, and the crossings."""
    each = list(found)
    return Answers(
        rows=tuple(row for part in each for row in part.rows),
        changed=tuple(case for part in each for case in part.changed),
        curves=tuple(place for part in each for place in part.curves),
        crossings=tuple(
            crossing
            for channels in study.growth_channels
            for crossing in crossings(channels, options=study.options)
        ),
    )
