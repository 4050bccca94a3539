"""A verdict as a picture: where a tensor is wrong, over (y, x), channels and lanes."""

from io import BytesIO

import numpy as np

from refimpl.io.figures import require_plots
from refimpl.io.files import UnusableError
from refimpl.vectors.check import Verdict
from refimpl.vectors.patterns import WORDS

SUFFIXES = ("png", "svg")


def must_be_drawable(suffix: str) -> None:
    """Refuse a kind of picture that is none, or one that nothing here can draw.

    Raises
    ------
    UnusableError
        If it is not png or svg, or there is no drawing library.
    """
    if suffix not in SUFFIXES:
        raise UnusableError(f"a picture must end in .{' or .'.join(SUFFIXES)}, not .{suffix}")
    require_plots()


def mismatch_figure(verdict: Verdict, suffix: str) -> bytes:
    """Picture of a failed verdict: a map of pixels, and bars of every axis and lane.

    Raises
    ------
    UnusableError
        If there is nothing to show, no drawing library, or no such kind of picture.
    """
    must_be_drawable(suffix)
    maps = verdict.maps
    if maps is None:
        raise UnusableError(f"{verdict.case} {verdict.tensor} must be wrong to be drawn")
    mpl = require_plots()
    bars = {letter: counts for letter, counts in maps.axes.items() if len(counts) > 1}
    if len(maps.lanes) > 1:
        bars["lane"] = maps.lanes
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "mismatch", "font.size": 9}):
        panels = len(bars) + (maps.pixels is not None)
        figure = mpl.figure.Figure(figsize=(3.4 * max(panels, 1), 3.4), layout="constrained")
        axes = list(np.atleast_1d(figure.subplots(1, max(panels, 1))))
        if maps.pixels is not None:
            image = axes[0].imshow(maps.pixels, cmap="inferno", interpolation="nearest")
            axes[0].set(title="wrong elements per pixel", xlabel="column x", ylabel="row y")
            figure.colorbar(image, ax=axes.pop(0), shrink=0.8)
        for panel, (letter, counts) in zip(axes, bars.items(), strict=False):
            panel.bar(np.arange(len(counts)), counts, width=1.0, color="#d55e00")
            panel.set(title="wrong elements", xlabel=WORDS.get(letter, letter))
        figure.suptitle(f"{verdict.case} {verdict.tensor}: {verdict.pattern}")
        buffer = BytesIO()
        metadata = {"Software": None} if suffix == "png" else {"Date": None, "Creator": None}
        figure.savefig(buffer, format=suffix, metadata=metadata)
    return buffer.getvalue()
