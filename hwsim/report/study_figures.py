"""Pictures of a study: where the cycles go, one roofline for all machines, growth, and gains."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hwsim.report.figures import BUDGET, INK
from hwsim.study import Place, Row
from hwsim.study.answers import About
from hwsim.study.summary import Bought

COLOURS = {
    "convolution": "#64748b",
    "convolution-wide": "#0f766e",
    "xvolution-fused": "#2563eb",
    "pssa": "#7c3aed",
    "attention-unnormalised": "#d97706",
    "attention": "#dc2626",
    "attention-tiled": "#f472b6",
}
BARS = (
    "convolution",
    "convolution-wide",
    "xvolution-fused",
    "xvolution-shared",
    "xvolution-training",
    "xvolution-tied",
    "aa-convolution",
    "attention-unnormalised",
)
"""Forms whose cycle budget is drawn."""
MOST_SHOWN = 8.0
"""Times the plain convolution's cycles at which a bar is cut off: ours."""


def budgets(rows: Sequence[Row], network: str, batch: int) -> Figure:
    """Where the cycles of some forms go, machine by machine, in units of the plain convolution.

    All stages of one network, forward, at one batch. A form of which a machine lacks something is
    drawn pale, one without numbers is named.
    """
    mine = [
        row
        for row in rows
        if (row.network, row.batch, row.direction) == (network, batch, "forward")
    ]
    machines = list(dict.fromkeys(row.machine for row in mine))
    forms = [form for form in BARS if any(row.form == form for row in mine)]
    across = min(4, max(1, len(machines)))
    down = -(-max(1, len(machines)) // across)
    figure = Figure(figsize=(11.5, 0.6 + 2.15 * down), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False, sharey=True)
    for panel in panels.flat[len(machines) :]:
        panel.set_visible(False)
    for panel, machine in zip(panels.flat, machines, strict=False):
        _bars(panel, [row for row in mine if row.machine == machine], forms)
        panel.set_title(machine, fontsize=9, color=INK)
    handles, names = _legend(panels.flat)
    if handles:
        figure.legend(handles, names, frameon=False, ncols=6, loc="outside upper center")
    for legend in figure.legends:
        for text in legend.get_texts():
            text.set_color(INK)
    return figure


def _bars(axes: Axes, rows: Sequence[Row], forms: Sequence[str]) -> None:
    plain = sum(row.cycles for row in rows if row.form == "convolution") or 1
    for place, form in enumerate(forms):
        mine = [row for row in rows if row.form == form]
        if any(row.reason for row in mine):
            axes.text(0, place, " no numbers", va="center", fontsize=7, color=INK)
            continue
        missing = any(row.missing for row in mine)
        base = 0.0
        for key, (label, colour) in BUDGET.items():
            part = key.removesuffix("_cycles")
            width = sum(dict(row.budget).get(part, 0) for row in mine) / plain
            if width:
                axes.barh(
                    place, width, left=base, color=colour, label=label, height=0.72,
                    alpha=0.35 if missing else 1,
                )  # fmt: skip
            base += width
        beyond = " →" if base > MOST_SHOWN else ""
        axes.text(
            min(base, MOST_SHOWN), place, f" {base:.2f}{beyond}", va="center", fontsize=7, color=INK
        )
    axes.set_yticks(range(len(forms)), forms, fontsize=7)
    axes.tick_params(axis="x", labelsize=7)
    axes.set_ylim(len(forms) - 0.5, -0.5)
    longest = max((min(text.get_position()[0], MOST_SHOWN) for text in axes.texts), default=1)
    axes.set_xlim(0, 1.25 * max(1, longest))
    axes.axvline(1, color=INK, lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _legend(panels: Any) -> tuple[list[Any], list[str]]:
    found: dict[str, Any] = {}
    for panel in panels:
        for handle, name in zip(*panel.get_legend_handles_labels(), strict=True):
            found.setdefault(name, handle)
    order = [name for name, _ in BUDGET.values() if name in found]
    return [found[name] for name in order], order


def roofline(rows: Sequence[Row], machines: Sequence[About]) -> Figure:
    """All machines under one roof: intensity in units of the ridge's, utilisation of the array.

    A point is a stage of a network on a machine at a batch, in one of three forms.
    """
    figure = Figure(figsize=(7.6, 4.6), layout="constrained")
    axes = figure.subplots()
    lowest, known = 0.5, {each.name: each for each in machines}
    for form in ("convolution", "convolution-wide", "xvolution-fused"):
        mine = [
            row
            for row in rows
            if row.form == form and row.direction == "forward" and row.dram_bytes and row.cycles
        ]
        points = [_point(row, known[row.machine]) for row in mine]
        across, up = [x for x, _ in points], [y for _, y in points]
        axes.scatter(across, up, s=13, color=COLOURS[form], alpha=0.55, label=form, zorder=3)
        lowest = min([lowest, *across])
    axes.plot([lowest / 2, 1, 100], [lowest / 2, 1, 1], color=INK, lw=1.4)
    axes.set(xscale="log", yscale="log", ylabel="MACs per cycle ÷ peak")
    axes.set_xlabel("MACs per DRAM byte ÷ those at the machine's ridge")
    axes.grid(visible=True, which="major", alpha=0.2)
    axes.legend(frameon=False, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _point(row: Row, machine: About) -> tuple[float, float]:
    peak = machine.peak_macs_per_cycle
    ridge = peak / float(Fraction(machine.dram_bytes_per_cycle))
    return row.array_macs / row.dram_bytes / ridge, row.array_macs / row.cycles / peak


def grown(places: Sequence[Place], channels: int) -> Figure:
    """Cycles per pixel over the side of the image, a panel a machine that executes most forms."""
    machines = list(dict.fromkeys(place.machine for place in places))
    count = {
        machine: len({p.form for p in places if p.machine == machine and p.cycles is not None})
        for machine in machines
    }
    chosen = sorted(machines, key=lambda each: (-count[each], each))[:4]
    figure = Figure(figsize=(11.5, 3.3), layout="constrained")
    panels = figure.subplots(1, max(1, len(chosen)), squeeze=False)
    for panel, machine in zip(panels.flat, chosen, strict=False):
        for form in dict.fromkeys(place.form for place in places):
            mine = [
                place
                for place in places
                if (place.machine, place.form, place.channels) == (machine, form, channels)
                and place.cycles is not None
            ]
            sides = [place.side for place in mine]
            each = [(place.cycles or 0) / place.side**2 for place in mine]
            if mine:
                panel.plot(sides, each, marker="o", ms=3, color=COLOURS[form], label=form)
        panel.set(xscale="log", yscale="log")
        panel.set_xlabel("side of the image, pixels", fontsize=8)
        panel.set_title(machine, fontsize=9, color=INK)
        panel.grid(visible=True, which="major", alpha=0.2)
        panel.spines[["top", "right"]].set_visible(False)
        panel.minorticks_off()
        every = sorted({place.side for place in places})
        panel.set_xticks(every, [str(side) for side in every], fontsize=7)
        panel.tick_params(axis="y", labelsize=7)
    panels.flat[0].set_ylabel("cycles per pixel")
    handles: dict[str, Any] = {}
    for panel in panels.flat:
        handles |= dict(zip(*reversed(panel.get_legend_handles_labels()), strict=True))
    figure.legend(
        list(handles.values()), list(handles), frameon=False, ncols=6, loc="outside upper center"
    )
    for text in figure.legends[0].get_texts():
        text.set_color(INK)
    return figure


def gains(found: Sequence[Bought]) -> Figure:
    """What each change saves of the fused form's cycles: least to most, and the median."""
    figure = Figure(figsize=(7.6, 0.42 * len(found) + 0.9), layout="constrained")
    axes = figure.subplots()
    ordered = sorted(found, key=lambda each: -each.saved)
    for place, each in enumerate(ordered):
        axes.plot(
            [100 * each.least, 100 * each.most], [place, place], color="#93c5fd", lw=6,
            solid_capstyle="round",
        )  # fmt: skip
        axes.scatter([100 * each.saved], [place], color="#2563eb", s=42, zorder=3)
        axes.annotate(
            f"{100 * each.saved:.1f} %", (100 * each.most, place), xytext=(10, 0), va="center",
            textcoords="offset points", fontsize=8, color=INK,
        )  # fmt: skip
    axes.set_yticks(range(len(ordered)), [each.change for each in ordered])
    axes.set_ylim(len(ordered) - 0.5, -0.5)
    axes.set_xlabel("per cent of the fused form's cycles saved: the dot is the median")
    axes.margins(x=0.14)
    axes.grid(visible=True, axis="x", alpha=0.2)
    axes.spines[["top", "right", "left"]].set_visible(False)
    return figure
