"""The study as one HTML page, complete in itself, for a reader who has not read the article.

Made of ``study.json`` and the answers in it; it holds the same numbers, column by column, so that
what is shown can be compared with what was computed, and the tables can be asked for other cases.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup, escape

from hwsim.lowering import FORMS
from hwsim.report import study_figures
from hwsim.report.page import picture, render
from hwsim.report.study import packed, study_document
from hwsim.study import Answers, Row, Study
from hwsim.study.article import findings
from hwsim.study.changes import CHANGES
from hwsim.study.rows import FUSED
from hwsim.study.summary import (
    bought,
    bought_most,
    cheapest,
    friendly_under,
    machines_of,
    median,
    span,
    verdict,
)

MEASURES = {
    "cycles_ratio": "cycles ÷ plain",
    "wide_ratio": "cycles ÷ as wide",
    "efficiency_ratio": "efficiency ÷ plain",
    "exposed_share": "vector unit alone",
    "dram_ratio": "DRAM ÷ plain",
}
"""What the heat map and the table of forms show."""
CASE_COLUMNS = {
    "cycles": "cycles",
    **MEASURES,
    "work_ratio": "MACs ÷ plain",
    "dram_bytes": "DRAM, bytes",
    "weight_bytes": "of it weights",
    "peak_buffer_bytes": "peak buffer, bytes",
    "energy_pj": "energy, pJ",
}
SHORT = {
    "efficiency": "efficiency",
    "exposed vector": "vector",
    "no n x n": "n×n",
    "no C2K2n": "C²K²n",
    "primitives": "primitives",
    "native": "native",
}
SHOWN_NETWORK, SHOWN_CHANNELS = "resnet34", 128


class Median(NamedTuple):
    """A form on one pass: how often it is friendly, and medians of what it takes."""

    form: str
    direction: str
    friendly: int
    cases: int
    values: Mapping[str, float]
    growth: str


def study_page(study: Study, answers: Answers) -> str:
    """HTML of a study and its answers: the same bytes for the same answers."""
    rows, gains = answers.rows, bought(answers.changed)
    networks = list(dict.fromkeys(row.network for row in rows))
    network = SHOWN_NETWORK if SHOWN_NETWORK in networks else networks[0]
    channels = min(study.growth_channels, key=lambda each: abs(each - SHOWN_CHANNELS))
    batch = study.batches[0]
    return render(
        "study.html.j2",
        title="Does fused X-volution stay conv-friendly?",
        data=packed(study_document(study, answers)),
        study=study,
        machines={each.name: each for each in answers.machines},
        verdict=verdict(rows),
        on_machines=machines_of(rows),
        facts=facts(rows),
        heat=heat(rows, FUSED, batch, study),
        measures=MEASURES,
        forms=medians(rows),
        sentences={name: FORMS[name].sentence for name in study.forms},
        cases=[row for row in rows if row.form == FUSED and row.direction == "forward"],
        case_columns=CASE_COLUMNS,
        thresholds=thresholds(study, rows),
        findings=findings(rows),
        gains=gains,
        gain_sentences=[code(each) for each in bought_most(gains)],
        changes={name: change.sentence for name, change in CHANGES.items()},
        gain_machines=list(dict.fromkeys(case.machine for case in answers.changed)),
        crossings=answers.crossings,
        cheapest=cheapest(answers.curves),
        sides=study.growth_sides,
        budget_picture=picture(
            f"Where the cycles go: {network}, batch {batch}",
            study_figures.budgets(rows, network, batch),
            "In units of the plain convolution's cycles on that machine, all stages together; long "
            "bars are cut. Pale: the machine lacks what the form needs, which costs nothing here.",
        )
        if any(row.form in study_figures.BARS for row in rows)
        else None,
        roofline_picture=picture(
            "One roofline for all machines",
            study_figures.roofline(rows, answers.machines),
            "A point is a stage of a network on a machine at a batch, forward. Left of 1 DRAM "
            "decides, right of 1 the array.",
        ),
        growth_picture=picture(
            f"Cycles per pixel as the image grows, {channels} channels",
            study_figures.grown(answers.curves, channels),
            "One site, batch 1. A level line grows with the pixels, a rising one faster. Forms "
            "that a machine does not execute are left out.",
        )
        if answers.curves
        else None,
        gain_picture=picture(
            "Cycles saved by one change",
            study_figures.gains(gains),
            "From the case where it saves least to the one where it saves most.",
        )
        if gains
        else None,
        short=SHORT,
        span=span,
        fused=FUSED,
    )


def facts(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """A few numbers about the fused form, forward, where all of it is executed."""
    asked = [row for row in rows if row.form == FUSED and row.direction == "forward"]
    costed = [row for row in asked if not row.reason and not row.missing]
    if not costed:
        return []
    able = len({row.machine for row in costed})
    every = len({row.machine for row in asked})

    def middle(name: str) -> str:
        return f"{median([getattr(row, name) for row in costed]):.2f} ×"

    return [
        (f"{sum(row.friendly for row in asked)} of {len(asked)}", "cases conv-friendly"),
        (f"{able} of {every}", "machines execute all of it"),
        (middle("work_ratio"), "the plain convolution's MACs"),
        (middle("cycles_ratio"), "its cycles, in the median"),
        (middle("wide_ratio"), "those of a plain one with as many MACs"),
        (f"{median([row.exposed_share for row in costed]):.1%}", "of cycles the vector unit alone"),
    ]


def heat(rows: Sequence[Row], form: str, batch: int, study: Study) -> list[Any]:
    """Machines by stages of networks: the row of each, or ``None``."""
    at = {
        (row.machine, row.network, row.stage): row
        for row in rows
        if (row.form, row.batch, row.direction) == (form, batch, "forward")
    }
    places = [(network, stage) for network in study.networks for stage in study.stages]
    return [
        (machine, [at.get((machine, *place)) for place in places]) for machine in study.machines
    ]


def medians(rows: Sequence[Row]) -> list[Median]:
    """Every form and pass, in the study's order."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.form, row.direction), []).append(row)
    return [_median(form, direction, members) for (form, direction), members in groups.items()]


def _median(form: str, direction: str, members: Sequence[Row]) -> Median:
    known = [row for row in members if not row.reason]

    def middle(name: str) -> float:
        return median([getattr(row, name) for row in known])

    names = ("work_ratio", *MEASURES) if known else ()
    growth = f"n^{middle('macs_pixels'):.2f}·C^{middle('macs_channels'):.2f}" if known else "–"
    friendly = sum(row.friendly for row in members)
    values = {name: middle(name) for name in names}
    return Median(form, direction, friendly, len(members), values, growth)


def thresholds(study: Study, rows: Sequence[Row]) -> list[tuple[float, list[tuple[float, int]]]]:
    """Friendly cases of the fused form under every pair of thresholds."""
    asked = [row for row in rows if row.form == FUSED and row.direction == "forward"]
    return [
        (
            efficiency,
            [
                (exposed, sum(friendly_under(row, efficiency, exposed) for row in asked))
                for exposed in study.vary_exposed_vector
            ],
        )
        for efficiency in study.vary_efficiency
    ]


def code(sentence: str) -> Markup:
    """A sentence of the page in Markdown as HTML: names in backquotes are code."""
    safe = str(escape(sentence))
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", safe))  # noqa: S704 - escaped above
