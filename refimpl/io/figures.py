"""Figures of a study as SVG: the same numbers give the same bytes."""

from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import Any

import numpy as np

from refimpl.io.files import UnusableError
from refimpl.train.study import (
    KERNEL_STUDY,
    SIDES,
    WINDOW_STUDY,
    Curve,
    Run,
    by_member,
    interval,
)

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#555555")  # Okabe-Ito
NAMES = {
    "conv2d": "convolution",
    "pssa": "PSSA",
    "local_attention": "local attention",
    "global_attention": "global attention (SA)",
    "xvolution": "X-volution (PSSA)",
    "xvolution_local": "X-volution (Eq. 9)",
    "xvolution_global": "X-volution (SA)",
}
COLOUR_OF = dict(zip(NAMES, COLOURS, strict=True))


def require_plots() -> Any:
    """The drawing library.

    Raises
    ------
    UnusableError
        If it is not installed.
    """
    try:
        import matplotlib as mpl  # noqa: PLC0415 - an extra
        from matplotlib import figure  # noqa: PLC0415, F401 - drawn on below
    except ImportError as error:
        raise UnusableError(
            "figures need the plots extra: pip install 'xvolution[plots]'"
        ) from error
    return mpl


def study_figure(curves: Iterable[Curve], *, chance: float, linear: Mapping[str, float]) -> bytes:
    """Three panels: how operators learn, sides of the convolution, sides of the window."""
    mpl, found = require_plots(), by_member(curves)
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "study", "font.size": 9}):
        figure = mpl.figure.Figure(figsize=(12, 4), layout="constrained")
        learning, kernels, windows = figure.subplots(1, 3)
        _learning(learning, found)
        _sides(kernels, found, KERNEL_STUDY, "kernel")
        _sides(windows, found, WINDOW_STUDY, "window")
        titles = ("learning, kernel and window 3", "side of the convolution", "side of the window")
        for axes, title in zip((learning, kernels, windows), titles, strict=True):
            axes.set_title(title)
            axes.axhline(100 * chance, color="black", lw=0.8, ls=":", label="chance")
            mean = 100 * interval(linear.values()).mean
            axes.axhline(mean, color="black", lw=0.8, ls="--", label="linear on pixels")
            axes.set_ylim(0, None)
            axes.legend(fontsize=7, loc="lower right")
        learning.set(xlabel="epoch", ylabel="test accuracy, %")
        drawn = BytesIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()


def _learning(axes: Any, found: Mapping[Run, Mapping[str, Curve]]) -> None:
    """Mean test accuracy after every epoch, and the range over seeds."""
    for operator, name in NAMES.items():
        seeds = found.get(Run(operator=operator, seed=""))
        if seeds:
            scores = [[100 * score.accuracy for score in each.test] for each in seeds.values()]
            accuracies, epochs = np.array(scores), np.arange(1, len(scores[0]) + 1)
            axes.plot(epochs, accuracies.mean(axis=0), color=COLOUR_OF[operator], label=name)
            low, high = accuracies.min(axis=0), accuracies.max(axis=0)
            axes.fill_between(epochs, low, high, color=COLOUR_OF[operator], alpha=0.12, lw=0)


def _sides(
    axes: Any, found: Mapping[Run, Mapping[str, Curve]], operators: Iterable[str], which: str
) -> None:
    """Final test accuracy by side: every seed a dot, mean and deviation a line with bars."""
    for operator in operators:
        members = {side: _member(operator, which, side) for side in SIDES}
        sides = [side for side, member in members.items() if member in found]
        every = [[100 * each.accuracy for each in found[members[s]].values()] for s in sides]
        spread = [interval(values) for values in every]
        means = [each.mean for each in spread]
        bars = [np.nan_to_num(each.deviation) for each in spread]
        colour = COLOUR_OF[operator]
        axes.errorbar(sides, means, bars, color=colour, capsize=3, label=NAMES[operator])
        dots = [
            (side, value) for side, values in zip(sides, every, strict=True) for value in values
        ]
        axes.plot(*zip(*dots, strict=True), ".", color=colour, ms=3)
    axes.set(xlabel=f"side of the {which}", xticks=SIDES)


def _member(operator: str, which: str, side: int) -> Run:
    kernel, window = (side, 3) if which == "kernel" else (3, side)
    return Run(operator=operator, kernel=kernel, window=window, seed="")
