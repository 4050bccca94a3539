"""Reports: one HTML page, complete in one file, for an estimate or for two side by side.

A page is made of ``hwsim estimate``'s JSON and holds it, so that what is drawn can be compared with
what was computed. It loads nothing, works from the keyboard, in dark and light, on paper and on a
phone; tables sort, and without JavaScript they are in the order of the network.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from hwsim.report import figures

Data: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table: the key of its numbers, its heading, what a number is divided by."""

    key: str
    title: str
    scale: float = 1
    digits: int = 0


COLUMNS = (
    Column(key="macs", title="MMAC", scale=1e6, digits=1),
    Column(key="cycles", title="cycles"),
    *(Column(key=key, title=title) for key, (title, _) in figures.BUDGET.items()),
    Column(key="utilisation", title="util %", scale=0.01, digits=1),
    Column(key="sram_bytes", title="SRAM kB", scale=1e3, digits=1),
    Column(key="dram_bytes", title="DRAM kB", scale=1e3, digits=1),
    Column(key="energy_pj", title="energy µJ", scale=1e6, digits=2),
)
COMPARED = ("cycles", "dram_bytes", "energy_pj")


def estimate_page(data: Data) -> str:
    """HTML of one estimate (``hwsim.report.export.to_dict``)."""
    rows = data["layers"]
    bytes_per_cycle = float(Fraction(data["machine"]["dram"]["bytes_per_cycle"]))
    pictures = [
        picture(
            "Where the cycles go", figures.budget(rows),
            "One bar a layer. The parts sum to its cycles.",
        ),
        picture(
            "Roofline",
            figures.roofline(
                rows, peak=data["peak_macs_per_cycle"], dram_bytes_per_cycle=bytes_per_cycle
            ),
            "A point is a layer; the slope is what DRAM delivers, the flat roof the array's peak.",
        ),
        picture(
            "Utilisation of the array", figures.utilisation(rows, groups=stages(rows)),
            "Useful multiplications, in per cent of the array's peak over the layer's whole time.",
        ),
        picture(
            "DRAM traffic", figures.traffic(rows),
            "The mark is the compulsory traffic: every operand once.",
        ),
    ]  # fmt: skip
    return render(
        "estimate.html.j2",
        title=f"{data['network']} on {data['machine']['title']}",
        data=data,
        rows=rows,
        columns=COLUMNS,
        pictures=pictures,
        evidence=_evidence(rows),
    )


def comparison_page(before: Data, after: Data, *, names: tuple[str, str]) -> str:
    """HTML of two estimates of one network side by side; ``names`` is what to call them."""
    old = {row["name"]: row for row in before["layers"]}
    both = [(old[row["name"]], row) for row in after["layers"] if row["name"] in old]
    changed = [(a, b) for a, b in both if a["cycles"] != b["cycles"] and a["cycles"]]
    pictures = (
        [
            picture(
                "Cycles, after ÷ before",
                figures.ratios(
                    [b["name"] for _, b in changed],
                    [b["cycles"] / a["cycles"] for a, b in changed],
                    label=f"cycles of {names[1]} ÷ {names[0]}",
                ),
                "Only layers whose cycles differ.",
            )
        ]
        if changed
        else []
    )
    missing = [row["name"] for row in before["layers"] if row["name"] not in _named(after)]
    return render(
        "comparison.html.j2",
        title=f"{names[0]} and {names[1]}",
        data={"before": before, "after": after},
        names=names,
        compared=[column for column in COLUMNS if column.key in COMPARED],
        both=both,
        pictures=pictures,
        only_before=missing,
        only_after=[row["name"] for row in after["layers"] if row["name"] not in old],
    )


def stages(rows: Sequence[Data]) -> list[str]:
    """What the layers' names begin with, up to the first "_" or ".", in order."""
    heads = [row["name"].replace(".", "_").split("_")[0] for row in rows if row["macs"]]
    return list(dict.fromkeys(heads))


def _named(data: Data) -> set[str]:
    return {row["name"] for row in data["layers"]}


def _evidence(rows: Sequence[Data]) -> list[tuple[str, int]]:
    """Every sentence of evidence, and how many layers rest on it."""
    said = ["; ".join(f"{key}: {text}" for key, text in row["evidence"].items()) for row in rows]
    return [(sentence, said.count(sentence)) for sentence in dict.fromkeys(said)]


def picture(title: str, figure: Figure, caption: str) -> dict[str, Any]:
    """A drawing as a page shows it, with its title and caption."""
    drawn = Markup(figures.svg(figure))  # noqa: S704 - our own drawing
    return {"title": title, "svg": drawn, "caption": caption}


def number(value: float | None, column: Column) -> str:
    """A number as a page shows it: scaled, with thin spaces between thousands; – if not known."""
    if value is None:
        return "–"
    return f"{value / column.scale:,.{column.digits}f}".replace(",", "\u202f")


def render(template: str, **page: Any) -> str:
    """HTML of a template of this package; ``data`` is embedded as JSON."""
    environment = Environment(
        loader=PackageLoader("hwsim.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    # "<" is the only character that could end the script element early
    embedded = json.dumps(page["data"], ensure_ascii=False).replace("<", "\\u003c")
    page["embedded"] = Markup(embedded)  # noqa: S704 - made safe in the line above
    return environment.get_template(template).render(**page)
