"""What a study's answers come to: the verdict and its conditions, machine by machine, and gains."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hwsim.study.changes import Changed
from hwsim.study.curves import Place
from hwsim.study.rows import FUSED, Row

COMPETING = ("pssa", "attention-unnormalised", "attention-tiled")
"""Operators of which one takes least: what the crossing points are about."""


class OnMachine(NamedTuple):
    """The fused form on one machine: how often it is friendly, and what it takes."""

    machine: str
    friendly: int
    cases: int
    cycles: tuple[float, ...]
    wide: tuple[float, ...]
    failures: str
    missing: bool


class Verdict(NamedTuple):
    """Yes, no or it depends; and on what."""

    word: str
    sentence: str
    conditions: tuple[str, ...]


class Bought(NamedTuple):
    """What a hardware change takes away of the fused form's cycles, over all its cases."""

    change: str
    cases: int
    saved: float
    least: float
    most: float
    ratio: float
    friendly_before: int
    friendly_after: int
    by_machine: Mapping[str, float]

    @property
    def gained(self) -> int:
        """Cases that the change makes friendly, less those that it makes unfriendly."""
        return self.friendly_after - self.friendly_before


def verdict(rows: Sequence[Row]) -> Verdict | None:
    """The verdict on the fused feature form, forward; ``None`` if no row asks about it."""
    asked = _asked(rows)
    if not asked:
        return None
    holds = [row for row in asked if row.friendly]
    word = "no" if not holds else "yes" if len(holds) == len(asked) else "it depends"
    sentence = (
        f"The fused feature form is conv-friendly in {len(holds)} of {len(asked)} cases "
        f"(machine × network × stage × batch)."
    )
    return Verdict(word, sentence, tuple(_conditions(asked)))


def machines_of(rows: Sequence[Row]) -> tuple[OnMachine, ...]:
    """The fused feature form, forward, machine by machine."""
    found = []
    for machine in dict.fromkeys(row.machine for row in _asked(rows)):
        mine = [row for row in _asked(rows) if row.machine == machine]
        costed = [row for row in mine if not row.reason]
        counted = Counter(name for row in mine for name, _ in row.failed)
        counted["no numbers"] = len(mine) - len(costed)
        failures = ", ".join(f"{name} ({n})" for name, n in counted.most_common() if n)
        found.append(
            OnMachine(
                machine,
                sum(row.friendly for row in mine),
                len(mine),
                tuple(sorted(row.cycles_ratio for row in costed)),
                tuple(sorted(row.wide_ratio for row in costed)),
                failures or "nothing",
                missing=any(row.missing for row in mine),
            )
        )
    return tuple(found)


def friendly_under(row: Row, efficiency: float, exposed: float) -> bool:
    """What the rule says of a row under other thresholds."""
    if row.reason:
        return False
    fixed = {name for name, _ in row.failed} - {"efficiency", "exposed vector"}
    return not fixed and row.efficiency_ratio >= efficiency and row.exposed_share <= exposed


def bought(cases: Sequence[Changed]) -> tuple[Bought, ...]:
    """Every change with what it takes away: most cases made friendly first, then most cycles."""
    found = []
    for change in dict.fromkeys(case.change for case in cases):
        mine = [case for case in cases if case.change == change]
        saved = sorted(case.saved for case in mine)
        by_machine = {
            machine: median([case.saved for case in mine if case.machine == machine])
            for machine in dict.fromkeys(case.machine for case in mine)
        }
        found.append(
            Bought(
                change,
                len(mine),
                median(saved),
                saved[0],
                saved[-1],
                median([case.cycles_after / case.plain_after for case in mine]),
                sum(case.friendly_before for case in mine),
                sum(case.friendly_after for case in mine),
                by_machine,
            )
        )
    return tuple(sorted(found, key=lambda each: (-each.gained, -each.saved, each.change)))


def bought_most(found: Sequence[Bought]) -> tuple[str, ...]:
    """What the changes come to, in sentences; none without a change."""
    known = {each.change: each for each in found}
    lines = []
    unit, load = known.get("multiply-unit"), known.get("product-on-load")
    if unit:
        lines.append(
            f"Where nothing multiplies element by element, a unit that does makes "
            f"{unit.friendly_after} of {unit.cases} cases conv-friendly."
        )
    if load:
        lines.append(
            f"Beyond that, multipliers before the array: {load.friendly_before} of {load.cases} "
            f"cases are conv-friendly without them, {load.friendly_after} with; the products never "
            f"reach DRAM, and {load.saved:.1%} of the cycles are saved in the median, "
            f"{load.most:.1%} at most."
        )
    everywhere = [each for each in found if each.cases == max(each.cases for each in found)]
    if everywhere:
        fastest = max(everywhere, key=lambda each: (each.saved, each.change))
        lines.append(
            f"Of what can be done everywhere, `{fastest.change}` saves most cycles in the median "
            f"({fastest.saved:.1%}); fused ÷ plain is {fastest.ratio:.2f} after it, and "
            f"{fastest.friendly_after} cases are conv-friendly."
        )
    return tuple(lines)


def cheapest(places: Sequence[Place]) -> dict[tuple[str, int, int], str]:
    """Which of ``COMPETING`` takes fewest cycles, by machine, channels and side; where all run."""
    at = {(p.machine, p.channels, p.side, p.form): p.cycles for p in places}
    found = {}
    for machine, channels, side, form in at:
        cycles = {each: at.get((machine, channels, side, each)) for each in COMPETING}
        known = {each: number for each, number in cycles.items() if number is not None}
        if form == COMPETING[0] and len(known) == len(COMPETING):
            found[machine, channels, side] = min(known, key=lambda each: (known[each], each))
    return found


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: a, b and c."""
    *first, last = names or ["nothing"]
    return f"{', '.join(first)} and {last}" if first else last


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the two."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def span(values: Sequence[float]) -> str:
    """From – to, two digits; one number if they are the same."""
    if not values:
        return "–"
    low, high = f"{min(values):.2f}", f"{max(values):.2f}"
    return low if low == high else f"{low} – {high}"


def _asked(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.form == FUSED and row.direction == "forward"]


def _conditions(asked: Sequence[Row]) -> list[str]:
    """Under which conditions it holds, in sentences that the rows make."""
    every = machines_of(asked)
    always = [each.machine for each in every if each.friendly == each.cases]
    lines = []
    if always:
        lines.append(f"It holds in every case on {listed(always)}.")
    lines.extend(
        _partly([row for row in asked if row.machine == each.machine], each)
        for each in every
        if 0 < each.friendly < each.cases
    )
    never = [each for each in every if not each.friendly]
    for missing, words in (
        (True, "where nothing multiplies two activations element by element"),
        (False, "though everything it needs is executed"),
    ):
        names = [each.machine for each in never if each.missing is missing]
        if names:
            lines.append(f"It holds in no case on {listed(names)}, {words}.")
    costed = [row for row in asked if not row.reason and not row.missing]
    if costed:
        work, cycles, wide = (
            span([getattr(row, name) for row in costed])
            for name in ("work_ratio", "cycles_ratio", "wide_ratio")
        )
        lines.append(
            f"Where all of it is executed it takes {cycles} times the plain convolution's cycles "
            f"for {work} times its multiply-accumulates, and {wide} times the cycles of a plain "
            f"convolution with as many: it is regular work, but it is not free work."
        )
    return lines


def _partly(mine: Sequence[Row], each: OnMachine) -> str:
    """A machine where it depends: stages in which it always, sometimes and never holds."""
    stages = list(dict.fromkeys(row.stage for row in mine))
    share = {s: [row.friendly for row in mine if row.stage == s] for s in stages}
    always = [stage for stage in stages if all(share[stage])]
    never = [stage for stage in stages if not any(share[stage])]
    some = [stage for stage in stages if stage not in always and stage not in never]
    words = [
        f"{word} in {listed(names)}"
        for word, names in (("always", always), ("in part", some), ("never", never))
        if names
    ]
    return (
        f"On {each.machine} it holds in {each.friendly} of {each.cases} cases: "
        f"{', '.join(words)}; it fails on {each.failures}."
    )
