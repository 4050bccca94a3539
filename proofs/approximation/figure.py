"""R² of every operator on every population, as one picture."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

from proofs.approximation.page import TARGETS
from proofs.approximation.populations import POPULATIONS
from proofs.approximation.predict import PREDICTORS
from proofs.approximation.study import Row, summarise, values

LEAST = -0.2  # R² below it is drawn there


def approximation_figure(rows: Sequence[Row]) -> bytes:
    """An SVG: one panel a population, one row an operator, intervals as bars.

    Needs matplotlib. The same rows give the same bytes with the same matplotlib.
    """
    from matplotlib import rc_context  # noqa: PLC0415 - an extra
    from matplotlib.figure import Figure  # noqa: PLC0415

    with rc_context({"svg.hashsalt": "proofs", "font.size": 8.0, "svg.fonttype": "path"}):
        figure = Figure(figsize=(10.0, 5.5), layout="constrained")
        panels = figure.subplots(2, 3, sharex=True, sharey=True)
        for axes, population in zip(panels.flat, POPULATIONS, strict=True):
            _panel(axes, rows, population)
        handles, labels = panels.flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2)
        figure.suptitle("R² of global attention, predicted at the best weights of each operator")
        drawn = BytesIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()


def _panel(axes: Any, rows: Sequence[Row], population: str) -> None:
    places = range(len(PREDICTORS))
    for shift, (target, said) in zip((-0.15, 0.15), TARGETS.items(), strict=True):
        found = [summarise(values(rows, population, target, what)) for what in PREDICTORS]
        middle = [max(each.median, LEAST) for each in found]
        below = [m - max(each.low, LEAST) for m, each in zip(middle, found, strict=True)]
        above = [max(each.high, LEAST) - m for m, each in zip(middle, found, strict=True)]
        heights = [place + shift for place in places]
        axes.errorbar(middle, heights, xerr=[below, above], fmt="o", ms=4, capsize=2, label=said)
    axes.set_title(population)
    axes.set_xlim(LEAST - 0.05, 1.05)
    axes.set_yticks(list(places), list(PREDICTORS))
    axes.axvline(0.0, color="grey", lw=0.8)
    axes.grid(axis="x", alpha=0.3)
    if not axes.yaxis_inverted():
        axes.invert_yaxis()
