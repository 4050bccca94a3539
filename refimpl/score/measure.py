"""Coverage of a set: which points it hits, how often, and in which case first."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.operators import Stages
from refimpl.score.catalogue import CATALOGUE
from refimpl.score.expression import conjuncts, evaluate, names_in
from refimpl.score.models import modelled, operator_of, run
from refimpl.score.point import Point
from refimpl.score.samples import look
from refimpl.score.seen import Macs, Seen
from refimpl.score.target import OURS, Target, point_excluded
from refimpl.vectors.case import Case
from refimpl.vectors.diagnose import products

MOST_COVERED = 2**22  # ours: products of a case whose coverage is taken in passing


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A point of an operator: how many events hit it, and the first case that did.

    ``because`` is why the device cannot reach a point that does not apply, where that is why.
    """

    operator: str
    point: Point
    hits: int
    first: str | None
    applies: bool = True
    because: str = ""

    @property
    def name(self) -> str:
        """Operator and point: the id in the report, and in SystemVerilog."""
        return f"{self.operator}/{self.point.id}"


def coverage(cases: Iterable[Case], target: Target = OURS) -> list[Hit]:
    """Hits of every point of every operator that a set has cases of, in the catalogue's order.

    A point whose need no case meets does not apply, nor one that the target cannot reach.
    """
    counts: dict[tuple[str, str], int] = {}
    first: dict[tuple[str, str], str] = {}
    applies: set[tuple[str, str]] = set()
    operators: dict[str, None] = {}
    for case in cases:
        operators[operator_of(case)] = None
        for point, hits in hits_of(case, target):
            key = (operator_of(case), point.id)
            applies.add(key)
            counts[key] = counts.get(key, 0) + hits
            if hits:
                first.setdefault(key, case.id)
    return [
        Hit(
            operator=operator,
            point=point,
            hits=counts.get((operator, point.id), 0),
            first=first.get((operator, point.id)),
            applies=(operator, point.id) in applies and not point_excluded(point, target),
            because=point_excluded(point, target),
        )
        for operator in operators
        for point in CATALOGUE[operator].points
    ]


def hits_of(case: Case, target: Target = OURS) -> Iterator[tuple[Point, int]]:
    """Every point that applies to a case, and its number of events there."""
    yield from _hits(case, looked_at(case, target))


def looked_at(case: Case, target: Target = OURS) -> Seen:
    """What points see of a case on a device."""
    return _seen(case, run(case), target)


def _seen(case: Case, stages: Stages, target: Target) -> Seen:
    seen = look(case, stages)
    return seen._replace(case={**seen.case, **target.array.sizes()})


def _hits(case: Case, seen: Seen) -> Iterator[tuple[Point, int]]:
    for point in CATALOGUE[operator_of(case)].points:
        if not point.needs or evaluate(point.needs, seen.case).all():
            yield point, count(point, seen)


def covered_ids(case: Case, golden: Mapping[str, Array]) -> list[str]:
    """Ids of the points that a case of these stages hits, for its entry in a manifest.

    None where the catalogue's model does not give these stages.
    """
    stages = modelled(case, golden)
    if stages is None:
        return []
    return [point.id for point, hits in _hits(case, _seen(case, stages, OURS)) if hits]


def covered(case: Case, golden: Mapping[str, Array]) -> list[str]:
    """The same where the operator has any points and the case is small: what every set states."""
    if operator_of(case) not in CATALOGUE or products(case) > MOST_COVERED:
        return []
    return covered_ids(case, golden)


def count(point: Point, seen: Seen) -> int:
    """Events of a case at which a point's expression holds."""
    if point.sample == "case":
        return int(evaluate(point.when, seen.case).all())
    if point.sample == "mac":
        return sum(_count_macs(point.when, macs, seen) for macs in seen.macs)
    total = 0
    for block in seen.events.get(point.sample, []):
        values = seen.case | block
        shape = np.broadcast_shapes(*(np.shape(values[name]) for name in names_in(point.when)))
        full = np.broadcast_shapes(shape, max((np.shape(each) for each in block.values()), key=len))
        total += int(np.count_nonzero(np.broadcast_to(evaluate(point.when, values), full)))
    return total


def _count_macs(when: str, macs: Macs, seen: Seen) -> int:
    """Σ over taps k of (outputs whose weight fits) · (pixels whose operand fits).

    Each part of the conjunction may speak of the weight or of the pixel, not of both.
    """
    n, taps, pixels = macs.x["x"].shape
    fitting_x, fitting_w = np.ones((n, taps, pixels), bool), np.ones((macs.outputs, taps), bool)
    for part in conjuncts(when):
        if names_in(part) & set(macs.w):
            fitting_w = fitting_w & evaluate(part, seen.case | macs.w)
        else:
            fitting_x = fitting_x & evaluate(part, seen.case | macs.x)
    return int(fitting_x.sum(axis=(0, 2)) @ fitting_w.sum(axis=0))
