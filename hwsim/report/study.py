"""The rows of a study as JSON and CSV; and its pictures."""

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from io import BytesIO, StringIO
from typing import Any

from hwsim.study import Crossing, Row, Study

LISTED = ("kinds", "supports", "ways", "failed")


def study_json(study: Study, rows: Sequence[Row], crossings: Sequence[Crossing]) -> str:
    """Everything: the declaration, every row, the crossings."""
    document = {
        "study": asdict(study),
        "rows": [asdict(row) | {"conv_friendly": row.friendly} for row in rows],
        "crossings": [each._asdict() for each in crossings],
    }
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


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
    return "; ".join(each if isinstance(each, str) else ": ".join(each) for each in value)
