"""The study as a page in words: what holds, where, why not elsewhere, and what it hangs on.

Everything on it comes from the answers: same answers, same bytes.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from hwsim.lowering import FORMS
from hwsim.study.answers import Answers
from hwsim.study.article import findings
from hwsim.study.changes import CHANGES
from hwsim.study.crossover import Crossing
from hwsim.study.declaration import Study
from hwsim.study.rows import FUSED, Row
from hwsim.study.rule import CRITERIA
from hwsim.study.summary import (
    Bought,
    bought,
    bought_most,
    cheapest,
    friendly_under,
    listed,
    machines_of,
    median,
    span,
    verdict,
)


def page(study: Study, answers: Answers) -> str:
    """The page in Markdown."""
    rows = answers.rows
    parts = (
        ["# Does fused X-volution stay conv-friendly?", ""],
        _verdict(rows),
        _article(rows),
        _rule(study),
        _cases(rows),
        _by_form(rows),
        _by_machine(rows),
        _why(rows),
        _varied(study, rows),
        _changes(study, answers),
        _grown(answers),
        _crossed(answers.crossings),
        _assumptions(study, rows),
    )
    return "\n".join(line for part in parts for line in part) + "\n"


def _verdict(rows: Sequence[Row]) -> Iterator[str]:
    found = verdict(rows)
    if found is None:
        yield "The study does not ask about the fused feature form."
        yield ""
        return
    yield f"**Verdict: {found.word}.** {found.sentence}"
    yield ""
    yield from (f"* {line}" for line in found.conditions)
    yield ""
    yield "| machine | conv-friendly | cycles ÷ plain | cycles ÷ as wide | fails on (cases) |"
    yield "|---|---:|---:|---:|---|"
    for each in machines_of(rows):
        name = each.machine + (" †" if each.missing else "")
        wide, plain = span(each.wide), span(each.cycles)
        yield f"| {name} | {each.friendly}/{each.cases} | {plain} | {wide} | {each.failures} |"
    yield ""
    yield "† multiplies no elements: what it does not execute costs nothing here, and fails the"
    yield "rule."
    yield ""
    yield "[study.html](study.html) shows the same in pictures, and every row."
    yield ""


def _article(rows: Sequence[Row]) -> Iterator[str]:
    found = findings(rows)
    if not found:
        return
    yield "## What the article says, and what was measured"
    yield ""
    yield "| the article | what was measured | it |"
    yield "|---|---|---|"
    for each in found:
        yield f"| {each.text}<br>{each.translation} | {each.measured} | **{each.verdict}** |"
    yield ""


def _rule(study: Study) -> Iterator[str]:
    limits = study.thresholds
    allowed = "" if limits.allow_emulated else "not "
    yield "## The rule"
    yield ""
    yield "Fixed before the study was run. On one machine, layer and batch a form is"
    yield "*conv-friendly* if and only if"
    yield ""
    yield f"* its array utilisation is at least {limits.efficiency} of the plain convolution's,"
    yield f"* at most {limits.exposed_vector:.0%} of its cycles are the vector unit alone at work,"
    yield "* no tensor grows like n² (scores) or C²·K²·n (stored kernels): read off the graph at"
    yield "  three sizes,"
    yield "* it needs only convolutions with learnt kernels, elementwise work and shifts (on a"
    yield "  backward pass also what a convolution's own needs),"
    yield "* and the machine executes each of these natively; a shift by address counts as native"
    yield f"  (emulated primitives are {allowed}allowed)."
    yield ""
    yield "Cycles ratio = work ratio ÷ efficiency ratio, so that more work is not called"
    yield "unfriendly: beside each form stands a plain convolution as wide as the fused form"
    yield "(`convolution-wide`). DRAM bytes of weights stand apart; kernels made from data are no"
    yield "weights."
    yield ""


def _cases(rows: Sequence[Row]) -> Iterator[str]:
    asked = [row for row in rows if row.form == FUSED and row.direction == "forward"]
    if not asked:
        return
    yield "## Every case of the fused feature form"
    yield ""
    yield "Cycles in units of the plain convolution's; **bold**: conv-friendly; –: no numbers."
    yield ""
    places = list(dict.fromkeys((row.network, row.stage) for row in asked))
    batches = list(dict.fromkeys(row.batch for row in asked))
    at = {(row.machine, row.network, row.stage, row.batch): row for row in asked}
    for batch in batches:
        yield f"Batch {batch}:"
        yield ""
        machines = list(dict.fromkeys(row.machine for row in asked))
        yield f"| network, stage | {' | '.join(machines)} |"
        yield f"|---|{'---:|' * len(machines)}"
        for network, stage in places:
            cells = (_cell(at.get((machine, network, stage, batch))) for machine in machines)
            yield f"| {network}, {stage} | {' | '.join(cells)} |"
        yield ""


def _cell(row: Row | None) -> str:
    if row is None or row.reason:
        return "–"
    text = f"{row.cycles_ratio:.2f}" + ("†" if row.missing else "")
    return f"**{text}**" if row.friendly else text


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
            f"{median([getattr(row, name) for row in known]):.2f}"
            for name in (
                "cycles_ratio",
                "work_ratio",
                "efficiency_ratio",
                "exposed_share",
                "dram_ratio",
            )
        ]
        pixels = median([row.macs_pixels for row in known])
        channels = median([row.macs_channels for row in known])
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


def _changes(study: Study, answers: Answers) -> Iterator[str]:
    if not answers.changed:
        return
    by, ranked = study.changes, bought(answers.changed)
    yield "## What would make it friendlier"
    yield ""
    yield "One change of the hardware at a time, on every case, with the same model; no area is"
    yield "counted. *Saved* is the part of the fused form's cycles that goes away; *fused ÷ plain*"
    yield "has the plain convolution on the changed machine too, so what helps both alike does not"
    yield "bring them closer. Where a machine multiplies no elements, the other changes stand on"
    yield "top of `multiply-unit`, before as after."
    yield f"Lanes times {by.vector_factor}, DRAM times {by.dram_factor}, buffers times"
    yield f"{by.buffer_factor}."
    yield ""
    heads = ("change", "", "cases", "conv-friendly before → after", "saved, median", "from – to")
    yield f"| {' | '.join(heads)} | fused ÷ plain |"
    yield "|---|---|---:|---:|---:|---|---:|"
    yield from (_change(each) for each in ranked)
    yield ""
    yield "Saved in the median, by machine:"
    yield ""
    machines = list(dict.fromkeys(case.machine for case in answers.changed))
    yield f"| change | {' | '.join(machines)} |"
    yield f"|---|{'---:|' * len(machines)}"
    for each in ranked:
        cells = (f"{each.by_machine[m]:.1%}" if m in each.by_machine else "" for m in machines)
        yield f"| `{each.change}` | {' | '.join(cells)} |"
    yield ""
    yield from bought_most(ranked)
    yield "How each is costed is in `hwsim/study/changes.py`; products made on load or on chip keep"
    yield "the form's mapping as it is, so a search under them could find more."
    yield ""


def _change(each: Bought) -> str:
    words = f"| `{each.change}` | {CHANGES[each.change].sentence} | {each.cases} "
    friendly = f"| {each.friendly_before} → {each.friendly_after} "
    saved = f"| {each.saved:.1%} | {each.least:.1%} – {each.most:.1%} "
    return f"{words}{friendly}{saved}| {each.ratio:.2f} |"


def _grown(answers: Answers) -> Iterator[str]:
    found = cheapest(answers.curves)
    if not found:
        return
    yield "## Which takes least on a machine, as the image grows"
    yield ""
    yield "Of PSSA, unnormalised attention in the order O(n·C²) and softmax attention in blocks, by"
    yield "cycles of one site, on machines that execute all three:"
    yield ""
    sides = list(dict.fromkeys(side for _, _, side in found))
    yield f"| machine, channels | {' | '.join(f'{side}²' for side in sides)} |"
    yield f"|---|{'---|' * len(sides)}"
    for machine, channels in dict.fromkeys((m, c) for m, c, _ in found):
        cells = " | ".join(found.get((machine, channels, side), "–") for side in sides)
        yield f"| {machine}, {channels} | {cells} |"
    yield ""


def _crossed(crossings: Sequence[Crossing]) -> Iterator[str]:
    yield "## Where the operators cross"
    yield ""
    yield "Multiply-accumulates of a 3×3 site with C channels, n pixels, 4 directions: PSSA takes"
    yield "n·36·C², unnormalised attention in the order q·(kᵀ·v) n·5·C², softmax attention n·3·C² +"
    yield "2n²·C. So softmax attention takes less than PSSA up to n = 16.5·C pixels, less than the"
    yield "unnormalised up to n = C; the unnormalised always takes less than PSSA. The sides below"
    yield "are found by bisection on the graphs, and the tests compare them with these formulas."
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
    options, lanes = study.options, study.vector_lanes
    unit = "the machine's own" if lanes is None else f"hypothetical, {lanes} lanes"
    kernel = "the site's own" if options.shift_kernel is None else f"of side {options.shift_kernel}"
    yield "## Under which assumptions"
    yield ""
    yield f"* {len(options.directions)} directions, length {options.length}, {options.boundary}"
    yield f"  shifts; the shifted branch's kernel is {kernel}"
    yield f"* vector unit: {unit}"
    yield "* every tensor between two primitives goes through DRAM, for all forms alike; a shift"
    yield "  is an address where the machine can"
    yield "* products of x with shifted copies load each row once a band, with its halo"
    yield f"* {len(rows)} rows; batches {', '.join(map(str, study.batches))}; backward passes on"
    yield f"  {listed(study.training)}"
    yield "* where no number is given, the form needs more tiles on that machine than are looked at"
    yield ""
    yield "`make study` writes this page and study.html (some minutes). All assumptions, and the"
    yield "rule's thresholds, are in one file:"
    yield ""
    yield "```"
    yield "hwsim study --print-assumptions > mine.toml      # change a line"
    yield "hwsim study --assumptions mine.toml --out out/study"
    yield "```"
    yield ""
    yield "One case alone, as every row of `study.csv` has it:"
    yield ""
    yield "```"
    yield "hwsim study --machine tpu-v1 --network resnet34 --stage conv4_x --batch 1 --out out/case"
    yield "```"
