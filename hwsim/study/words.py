"""The study as a page in words: what holds, where, why not elsewhere, and what it hangs on.

Everything on it comes from the rows: same rows, same bytes.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from hwsim.lowering import FORMS
from hwsim.study.crossover import Crossing
from hwsim.study.declaration import Study
from hwsim.study.rows import Row
from hwsim.study.rule import CRITERIA

FUSED = "xvolution-fused"
CHANNELS = (64, 128, 256, 512)
"""Channels of the stages of ResNet-34, for which crossings are given."""


def page(study: Study, rows: Sequence[Row], crossings: Sequence[Crossing]) -> str:
    """The page in Markdown."""
    parts = (
        ["# Is fused X-volution conv-friendly?", ""],
        _verdict(rows),
        _by_form(rows),
        _by_machine(rows),
        _why(rows),
        _varied(study, rows),
        _crossed(crossings),
        _assumptions(study, rows),
    )
    return "\n".join(line for part in parts for line in part) + "\n"


def friendly_under(row: Row, efficiency: float, exposed: float) -> bool:
    """What the rule says of a row under other thresholds."""
    if row.reason:
        return False
    fixed = {name for name, _ in row.failed} - {"efficiency", "exposed vector"}
    return not fixed and row.efficiency_ratio >= efficiency and row.exposed_share <= exposed


def _verdict(rows: Sequence[Row]) -> Iterator[str]:
    asked = [row for row in rows if row.form == FUSED and row.direction == "forward"]
    holds = [row for row in asked if row.friendly]
    if not asked:
        yield "The study does not ask about the fused feature form."
        yield ""
        return
    word = "no" if not holds else "yes" if len(holds) == len(asked) else "it depends"
    yield f"**Verdict: {word}.** The fused feature form is conv-friendly in {len(holds)} of"
    yield f"{len(asked)} cases (machine × network × stage × batch)."
    yield ""
    if holds:
        yield f"It is on {_listed(sorted({row.machine for row in holds}))}, for {_places(holds)}."
        yield ""
    failed = [row for row in asked if not row.friendly]
    if failed:
        counted = Counter(name for row in failed for name, _ in row.failed)
        yield "Elsewhere it fails on"
        yield ", ".join(f"{name} ({count})" for name, count in counted.most_common()) + "."
        yield ""
    costed = [row for row in asked if not row.reason]
    if costed:
        ratios = sorted(row.cycles_ratio for row in costed)
        work = sorted(row.work_ratio for row in costed)
        wide = sorted(row.wide_ratio for row in costed)
        yield f"It takes {ratios[0]:.2f} to {ratios[-1]:.2f} times the cycles of the plain"
        yield f"convolution for {work[0]:.2f} to {work[-1]:.2f} times its multiply-accumulates, and"
        yield f"{wide[0]:.2f} to {wide[-1]:.2f} times the cycles of a plain convolution with as"
        yield "many."
        yield "What a machine does not execute costs nothing here, and fails the rule."
        yield ""
    yield "What the article says, and what was found:"
    yield ""
    yield "| the article | here |"
    yield "|---|---|"
    added = f"{min(row.work_ratio for row in costed):.2f}" if costed else "no number"
    yield f"| no computation beyond convolution | at least {added} times its MACs (feature form) |"
    kinds = sorted({kind for row in asked for kind, _ in row.supports} - {"convolution"})
    yield f"| no operator beyond convolution | also {_listed(kinds)} |"
    others = [r for r in rows if r.form == "aa-convolution" and r.direction == "forward"]
    if others:
        bad = sum(not row.friendly for row in others)
        found = f"not conv-friendly in {bad} of {len(others)} cases"
        yield f"| AA-Net's parallel branches hurt | {found} |"
    yield ""


def _by_form(rows: Sequence[Row]) -> Iterator[str]:
    yield "## Every form"
    yield ""
    yield "Ratios are medians over all cases with numbers, to the plain convolution of that case."
    yield ""
    heads = ("form", "pass", "conv-friendly", "cycles", "work", "efficiency", "exposed vector")
    yield f"| {' | '.join(heads)} | DRAM | MACs grow like |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|---|"
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.form, row.direction), []).append(row)
    for (form, direction), members in groups.items():
        known = [row for row in members if not row.reason]
        friendly = f"{sum(row.friendly for row in members)}/{len(members)}"
        if not known:
            yield f"| `{form}` | {direction} | {friendly} | – | – | – | – | – | – |"
            continue
        numbers = [
            f"{_median([getattr(row, name) for row in known]):.2f}"
            for name in (
                "cycles_ratio",
                "work_ratio",
                "efficiency_ratio",
                "exposed_share",
                "dram_ratio",
            )
        ]
        pixels = _median([row.macs_pixels for row in known])
        channels = _median([row.macs_channels for row in known])
        grows = f"n^{pixels:.2f}·C^{channels:.2f}"
        yield f"| `{form}` | {direction} | {friendly} | {' | '.join(numbers)} | {grows} |"
    yield ""
    forms = dict.fromkeys(row.form for row in rows)
    yield from (f"* `{form}`: {FORMS[form].sentence}" for form in forms)
    yield ""


def _by_machine(rows: Sequence[Row]) -> Iterator[str]:
    yield "## Every machine"
    yield ""
    machines = list(dict.fromkeys(row.machine for row in rows))
    yield f"| form | {' | '.join(machines)} |"
    yield f"|---|{'---:|' * len(machines)}"
    for form in dict.fromkeys(row.form for row in rows):
        cells = []
        for machine in machines:
            mine = [
                row
                for row in rows
                if (row.form, row.machine, row.direction) == (form, machine, "forward")
            ]
            cells.append(f"{sum(row.friendly for row in mine)}/{len(mine)}")
        yield f"| `{form}` | {' | '.join(cells)} |"
    yield ""


def _why(rows: Sequence[Row]) -> Iterator[str]:
    yield "## Why not"
    yield ""
    yield "Cases in which each criterion fails, forward; one case may fail several."
    yield ""
    yield f"| form | {' | '.join(CRITERIA)} | no numbers |"
    yield f"|---|{'---:|' * (len(CRITERIA) + 1)}"
    for form in dict.fromkeys(row.form for row in rows):
        mine = [row for row in rows if row.form == form and row.direction == "forward"]
        counted = Counter(name for row in mine for name, _ in row.failed)
        cells = [str(counted[name] or "") for name in CRITERIA]
        cells.append(str(sum(bool(row.reason) for row in mine) or ""))
        yield f"| `{form}` | {' | '.join(cells)} |"
    yield ""


def _varied(study: Study, rows: Sequence[Row]) -> Iterator[str]:
    yield "## Other thresholds"
    yield ""
    yield "Cases in which the fused feature form is conv-friendly if the rule asks otherwise:"
    yield ""
    columns = " | ".join(f"vector ≤ {exposed:.0%}" for exposed in study.vary_exposed_vector)
    yield f"| efficiency at least | {columns} |"
    yield f"|---:|{'---:|' * len(study.vary_exposed_vector)}"
    asked = [row for row in rows if row.form == FUSED and row.direction == "forward"]
    for efficiency in study.vary_efficiency:
        cells = [
            f"{sum(friendly_under(row, efficiency, exposed) for row in asked)}/{len(asked)}"
            for exposed in study.vary_exposed_vector
        ]
        yield f"| {efficiency:.2f} | {' | '.join(cells)} |"
    yield ""


def _crossed(crossings: Sequence[Crossing]) -> Iterator[str]:
    yield "## Where the operators cross"
    yield ""
    yield "The first takes no more multiply-accumulates than the second on square images up to:"
    yield ""
    yield "| first | second | channels | up to |"
    yield "|---|---|---:|---|"
    for each in crossings:
        words = "every size" if each.side is None else f"{each.side} × {each.side}"
        upto = "never" if each.side == 0 else words
        yield f"| `{each.first}` | `{each.second}` | {each.channels} | {upto} |"
    yield ""


def _assumptions(study: Study, rows: Sequence[Row]) -> Iterator[str]:
    limits = study.thresholds
    yield "## Under which assumptions"
    yield ""
    yield f"* efficiency at least {limits.efficiency} of the plain convolution's, exposed vector"
    yield f"  time at most {limits.exposed_vector:.0%}, emulated primitives"
    yield f"  {'allowed' if limits.allow_emulated else 'not allowed'}"
    lanes = study.vector_lanes
    unit = "the machine's own" if lanes is None else f"hypothetical, {lanes} lanes"
    yield f"* vector unit: {unit}"
    yield "* four directions, length 1, both kernels 3 × 3; every tensor between two primitives"
    yield "  goes through DRAM, for all forms alike; a shift is an address where the machine can"
    yield "* products of x with shifted copies load each row once a band, with its halo"
    yield f"* {len(rows)} rows; batches {', '.join(map(str, study.batches))}"
    yield ""


def _places(rows: Sequence[Row]) -> str:
    stages = sorted({f"{row.network} {row.stage}" for row in rows})
    batches = sorted({row.batch for row in rows})
    return f"{_listed(stages)} at batch {_listed([str(each) for each in batches])}"


def _listed(names: Sequence[str]) -> str:
    *first, last = names or ["nothing"]
    return f"{', '.join(first)} and {last}" if first else last


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
