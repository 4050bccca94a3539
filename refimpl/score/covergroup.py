"""Coverage points as SystemVerilog, and hit counts from a simulator back.

One class per operator and sample: its covergroup has a coverpoint per point, labelled with the
point's id as an escaped identifier, and its ``sample`` also counts in ``hits``, so that simulators
without covergroups count too. ``report`` writes one line a point, "id hits", which ``read_hits``
reads. Who samples what is in ``docs/score.md``.

Source of the language: IEEE 1800-2017, clauses 5.6.1 (escaped identifiers) and 19 (coverage).
"""

from collections.abc import Iterator, Mapping, Sequence

from refimpl.score.catalogue import CATALOGUE
from refimpl.score.expression import names_in, system_verilog
from refimpl.score.measure import Hit
from refimpl.score.point import Point
from refimpl.score.samples import FLAGS

FLOAT_SAMPLES = frozenset({"sum"})


def covergroups(operators: Sequence[str]) -> str:
    """A SystemVerilog package with the points of some operators."""
    lines = [
        "// Coverage points, generated; ids are those of `refimpl coverage`.",
        "package refimpl_coverage;",
    ]
    for operator in operators:
        points = CATALOGUE[operator].points
        for sample in dict.fromkeys(each.sample for each in points):
            lines += _class(operator, sample, [each for each in points if each.sample == sample])
    return "\n".join([*lines, "endpackage", ""])


def read_hits(text: str) -> dict[str, int]:
    """Hits by id from lines "id hits"; what a simulator prints around them is skipped.

    Raises
    ------
    ValueError
        If no line names a point of the catalogue.
    """
    known = {
        f"{entry.operator}/{point.id}" for entry in CATALOGUE.values() for point in entry.points
    }
    hits: dict[str, int] = {}
    for line in text.splitlines():
        name, _, number = line.strip().rpartition(" ")
        if name in known and number.isdecimal():
            hits[name] = hits.get(name, 0) + int(number)
    if not hits:
        raise ValueError("hit counts must be lines 'operator/point hits'; none names a point")
    return hits


def imported(hits: Mapping[str, int]) -> list[Hit]:
    """The report on counts that came from a simulator, of the operators they name."""
    operators = dict.fromkeys(name.partition("/")[0] for name in hits)
    return [
        Hit(
            operator=operator,
            point=point,
            hits=hits.get(f"{operator}/{point.id}", 0),
            first="simulator" if hits.get(f"{operator}/{point.id}") else None,
        )
        for operator in operators
        for point in CATALOGUE[operator].points
    ]


def _class(operator: str, sample: str, points: Sequence[Point]) -> Iterator[str]:
    name = f"{operator.replace('.', '_')}_{sample}"
    number = "real" if sample in FLOAT_SAMPLES or operator.endswith("fp32") else "longint"
    if sample == "case":
        number = "longint"
    read = sorted({each for point in points for each in names_in(f"{point.when}")})
    arguments = ", ".join(f"{'bit' if each in FLAGS else number} {each}" for each in read)
    needs = sorted({point.needs for point in points if point.needs})
    yield f"  class {name};"
    if needs:
        yield f"    // only where it can happen: {'; '.join(needs)}"
    yield f"    longint unsigned hits [{len(points)}];"
    yield f"    covergroup points with function sample({arguments});"
    yield "      option.per_instance = 1;"
    for point in points:
        label = f"\\{operator}/{point.id} "
        yield f"      {label}: coverpoint ({_boolean(point)}) {{ bins hit = {{1}}; }}"
    yield "    endgroup"
    yield "    function new();"
    yield "      points = new();"
    yield "    endfunction"
    yield f"    function void sample({arguments});"
    yield f"      points.sample({', '.join(read)});"
    for at, point in enumerate(points):
        yield f"      if ({_boolean(point)}) hits[{at}]++;  // {point.what}"
    yield "    endfunction"
    yield "    function void report(int file);"
    for at, point in enumerate(points):
        yield f'      $fdisplay(file, "{operator}/{point.id} %0d", hits[{at}]);'
    yield "    endfunction"
    yield "  endclass"


def _boolean(point: Point) -> str:
    return system_verilog(point.when)
