"""Pictures of an estimate: Matplotlib figures, and SVG text that takes its ink from its page.

Every drawing takes rows of ``hwsim estimate``'s JSON. In SVG text stays text, so that a reader can
search it; the same rows give the same bytes.
"""

from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any, TypeAlias

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Row: TypeAlias = Mapping[str, Any]

INK = "#123456"  # a colour that no picture has: replaced by the page's own
BUDGET = {
    "compute_cycles": ("compute", "#2563eb"),
    "fragmentation_cycles": ("fragmentation", "#93c5fd"),
    "fill_drain_cycles": ("fill and drain", "#94a3b8"),
    "vector_cycles": ("vector unit", "#d97706"),
    "movement_cycles": ("data movement", "#7c3aed"),
    "buffer_stall_cycles": ("stall, buffers", "#f9a8d4"),
    "l2_stall_cycles": ("stall, L2", "#db2777"),
    "stall_cycles": ("stall, DRAM", "#dc2626"),
}
TRAFFIC = {
    "filter_read_bytes": ("weights in", "#0f766e"),
    "feature_read_bytes": ("features in", "#2dd4bf"),
    "dram_write_bytes": ("features out", "#f59e0b"),
}
MOST_BARS = 120  # ours: more layers than this share bars no wider than a hair


def budget(rows: Sequence[Row]) -> Figure:
    """Where the cycles of each layer go: one stacked bar a layer."""
    figure, axes = _wide(len(rows))
    _stack(axes, rows, BUDGET)
    axes.set_ylabel("cycles")
    return figure


def traffic(rows: Sequence[Row]) -> Figure:
    """DRAM bytes of each layer by operand, and a mark where the compulsory bytes are."""
    figure, axes = _wide(len(rows))
    split = [
        {**row, "feature_read_bytes": row["dram_read_bytes"] - row["filter_read_bytes"]}
        for row in rows
    ]
    _stack(axes, split, TRAFFIC)
    least = [row["compulsory_bytes"] for row in rows]
    axes.scatter(range(len(rows)), least, marker="_", color=INK, zorder=3, label="compulsory")
    axes.legend(frameon=False, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    axes.set_ylabel("DRAM bytes")
    return figure


def roofline(rows: Sequence[Row], *, peak: float, dram_bytes_per_cycle: float) -> Figure:
    """Each layer that multiplies: MACs per cycle over MACs per DRAM byte, under the two roofs."""
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    axes = figure.subplots()
    seen = [row for row in rows if row["macs"] and row["dram_bytes"]]
    intensity = np.array([row["macs"] / row["dram_bytes"] for row in seen])
    rate = np.array([row["macs"] / row["cycles"] for row in seen])
    ridge = peak / dram_bytes_per_cycle
    low = min([ridge, *intensity]) / 2
    high = max([ridge, *intensity]) * 2
    axes.plot([low, ridge, high], [low * dram_bytes_per_cycle, peak, peak], color=INK, lw=1.5)
    axes.scatter(intensity, rate, s=22, color="#2563eb", alpha=0.75, zorder=3)
    points = {(x, y): row for row, x, y in zip(seen, intensity, rate, strict=True)}
    for (x, y), row in sorted(points.items(), key=_cycles)[-3:]:
        axes.annotate(
            row["name"], (x, y), xytext=(6, -10), textcoords="offset points", size=9, color=INK
        )
    axes.set(xscale="log", yscale="log", xlabel="MACs per DRAM byte", ylabel="MACs per cycle")
    axes.grid(visible=True, which="major", alpha=0.2)
    _plain(axes)
    return figure


def utilisation(rows: Sequence[Row], *, groups: Sequence[str]) -> Figure:
    """Utilisation of the array as a heat map: a row a group (stage), a cell a layer."""
    members = {group: [row for row in rows if row["name"].startswith(group)] for group in groups}
    width = max((len(each) for each in members.values()), default=1)
    grid = np.full((max(1, len(groups)), max(1, width)), np.nan)
    for number, group in enumerate(groups):
        for place, each in enumerate(members[group]):
            grid[number, place] = each["utilisation"] if each["macs"] else np.nan
    figure = Figure(figsize=(9.6, 0.42 * len(grid) + 1.1), layout="constrained")
    axes = figure.subplots()
    drawn = axes.imshow(grid, aspect="auto", cmap="viridis", vmin=0, vmax=1)
    axes.set_yticks(range(len(groups)), groups)
    axes.set_xlabel("layer of its stage, in order; blank where nothing is multiplied")
    for (row, col), value in np.ndenumerate(grid):
        if not np.isnan(value) and width <= 32:
            ink = "black" if value > 0.6 else "white"
            axes.text(col, row, f"{100 * value:.0f}", ha="center", va="center", color=ink)
    bar = figure.colorbar(drawn, ax=axes, label="utilisation")
    bar.outline.set_visible(False)
    axes.spines[:].set_visible(False)
    return figure


def ratios(names: Sequence[str], values: Sequence[float], *, label: str) -> Figure:
    """Bars of after ÷ before, a line at 1."""
    figure = Figure(figsize=(9.6, 0.3 * len(names) + 0.9), layout="constrained")
    axes = figure.subplots()
    colours = ["#dc2626" if value > 1 else "#0f766e" for value in values]
    axes.barh(range(len(names)), [value - 1 for value in values], left=1, color=colours)
    axes.set_yticks(range(len(names)), names)
    axes.axvline(1, color=INK, lw=1)
    axes.invert_yaxis()
    axes.set_xlabel(label)
    _plain(axes)
    return figure


def _cycles(point: tuple[tuple[float, float], Row]) -> int:
    return int(point[1]["cycles"])


def _wide(bars: int) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(max(7.2, min(14.0, 0.17 * bars + 2)), 3.6), layout="constrained")
    return figure, figure.subplots()


def _stack(axes: Axes, rows: Sequence[Row], parts: Mapping[str, tuple[str, str]]) -> None:
    base = np.zeros(len(rows))
    for key, (label, colour) in parts.items():
        height = np.array([row.get(key, 0) for row in rows], float)
        if height.any():
            axes.bar(range(len(rows)), height, bottom=base, color=colour, label=label, width=0.85)
        base += height
    if len(rows) <= MOST_BARS:
        names = [row["name"] for row in rows]
        axes.set_xticks(range(len(rows)), names, rotation=90, fontsize=7)
    axes.margins(x=0.01)
    axes.legend(frameon=False, ncols=6, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    _plain(axes)


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)


def svg(figure: Figure) -> str:
    """SVG text of a figure, for a page of any colours."""
    settings: Any = {
        "svg.hashsalt": "xvolution", "svg.fonttype": "none", "font.size": 10,
    }  # fmt: skip
    _ink(figure)
    text = StringIO()
    with mpl.rc_context(settings):
        figure.patch.set_alpha(0)
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    drawn = text.getvalue()
    return drawn[drawn.index("<svg") :].replace(INK, "currentColor")


def _ink(figure: Figure) -> None:
    """Everything that is neither a bar nor a point takes the colour of the page's text."""
    for axes in figure.axes:
        axes.patch.set_alpha(0)
        axes.tick_params(which="both", colors=INK)
        axes.xaxis.label.set_color(INK)
        axes.yaxis.label.set_color(INK)
        for spine in axes.spines.values():
            spine.set_edgecolor(INK)
        for text in axes.texts:
            if text.get_color() not in ("black", "white"):
                text.set_color(INK)
        legend = axes.get_legend()
        for label in legend.get_texts() if legend else ():
            label.set_color(INK)
