"""The answers of a study as JSON and CSV; and its picture."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from io import BytesIO, StringIO
from typing import Any, TypeAlias

from hwsim.study import Answers, Row, Study

LISTED = ("kinds", "supports", "ways", "failed", "missing", "budget")
TABLES = ("rows", "changed", "curves")
Document: TypeAlias = dict[str, Any]


def study_document(study: Study, answers: Answers) -> Document:
    """Everything in plain types: the assumptions, the machines, and every answer."""
    return {
        "study": asdict(study),
        "machines": [asdict(each) for each in answers.machines],
        "rows": [asdict(row) | {"conv_friendly": row.friendly} for row in answers.rows],
        "changed": [asdict(case) | {"saved": case.saved} for case in answers.changed],
        "curves": [asdict(place) for place in answers.curves],
        "crossings": [each._asdict() for each in answers.crossings],
    }


def study_json(document: Mapping[str, Any]) -> str:
    """JSON text, a line per row: the same bytes for the same document."""
    parts = []
    for name, value in document.items():
        if isinstance(value, list):
            lines = ",\n".join(json.dumps(each, ensure_ascii=False) for each in value)
            parts.append(f'"{name}": [\n{lines}\n]')
        else:
            parts.append(f'"{name}": {json.dumps(value, indent=1, ensure_ascii=False)}')
    return "{" + ",\n".join(parts) + "}\n"


def packed(document: Mapping[str, Any]) -> Document:
    """The document with its tables as columns; where values repeat, as places in a list of them."""
    return {name: _columns(value) if name in TABLES else value for name, value in document.items()}


def unpacked(document: Mapping[str, Any]) -> Document:
    """The document that ``packed`` was given."""
    return {name: _rows(value) if name in TABLES else value for name, value in document.items()}


def _columns(rows: Sequence[Mapping[str, Any]]) -> Document:
    names = list(rows[0]) if rows else []
    return {name: _column(name, [row[name] for row in rows]) for name in names}


def _column(name: str, values: Sequence[Any]) -> Any:
    if name == "budget":  # the same parts in every row that has numbers
        parts = next(([part for part, _ in value] for value in values if value), [])
        return {"parts": parts, "cycles": [[cycles for _, cycles in value] for value in values]}
    numbers = all(type(value) in (int, float) for value in values)
    if numbers and 4 * len(set(values)) > len(values):
        return list(values)
    places: dict[str, int] = {}
    at = [places.setdefault(json.dumps(value), len(places)) for value in values]
    return {"at": at, "values": [json.loads(text) for text in places]}


def _rows(columns: Mapping[str, Any]) -> list[Document]:
    whole = {name: _values(each) for name, each in columns.items()}
    return [dict(zip(whole, values, strict=True)) for values in zip(*whole.values(), strict=True)]


def _values(column: Any) -> list[Any]:
    if not isinstance(column, dict):
        return list(column)
    if "parts" in column:
        parts = column["parts"]
        return [
            [list(pair) for pair in zip(parts, cycles, strict=True)] if cycles else []
            for cycles in column["cycles"]
        ]
    return [column["values"][place] for place in column["at"]]


def study_csv(rows: Sequence[Row]) -> str:
    """A line per row; lists as texts separated by semicolons."""
    text = StringIO()
    names = [each.name for each in fields(Row)]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*names, "conv_friendly"])
    for row in rows:
        values = [_cell(name, getattr(row, name)) for name in names]
        writer.writerow([*values, row.friendly])
    return text.getvalue()


def study_picture(rows: Sequence[Row]) -> bytes:
    """Efficiency against exposed vector time, a panel per machine, as SVG: same rows, same bytes.

    Needs matplotlib (extra ``plots``).
    """
    import matplotlib as mpl  # noqa: PLC0415 - an extra, slow to import

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    machines = list(dict.fromkeys(row.machine for row in rows))
    forms = list(dict.fromkeys(row.form for row in rows))
    style: dict[Any, Any] = {"svg.hashsalt": "hwsim study", "svg.fonttype": "none"}
    with mpl.rc_context(style):
        figure, panels = plt.subplots(
            1, len(machines), figsize=(3 * len(machines) + 3, 6), sharey=True, squeeze=False
        )
        for panel, machine in zip(panels[0], machines, strict=True):
            mine = [
                row
                for row in rows
                if row.machine == machine and row.direction == "forward" and not row.reason
            ]
            for friendly, colour in ((True, "tab:green"), (False, "tab:red")):
                chosen = [row for row in mine if row.friendly is friendly]
                panel.scatter(
                    [row.efficiency_ratio for row in chosen],
                    [forms.index(row.form) for row in chosen],
                    s=14,
                    color=colour,
                    label="conv-friendly" if friendly else "not",
                )
            panel.axvline(1, color="grey", linewidth=0.5)
            panel.set_title(machine, fontsize=9)
            panel.set_xlabel("efficiency / plain", fontsize=8)
            panel.set_yticks(range(len(forms)), forms, fontsize=7)
            panel.set_ylim(len(forms) - 0.5, -0.5)
        panels[0][0].legend(fontsize=7, loc="lower right")
        figure.tight_layout()
        image = BytesIO()
        figure.savefig(image, format="svg", metadata={"Date": None})
        plt.close(figure)
    return image.getvalue()


def _cell(name: str, value: object) -> object:
    if name not in LISTED:
        return "" if value is None else value
    assert isinstance(value, tuple)  # noqa: S101 - the row's type says so
    return "; ".join(each if isinstance(each, str) else ": ".join(map(str, each)) for each in value)
