"""A sweep as one HTML page: what no machine beats, where a grid is good, and the best machine.

Made of one row per machine (sums over its layers) and of the layers of the fastest one. A sweep may
have a million machines: the page lists the ``MOST_LISTED`` with the fewest cycles and all that none
beats, and says so.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hwsim.report import figures
from hwsim.report.figures import BUDGET, INK
from hwsim.report.page import Column, picture, render
from hwsim.sweep import front

Table: TypeAlias = Mapping[str, NDArray[Any]]
SUMMED = (
    "macs",
    "cycles",
    "compute_cycles",
    "fragmentation_cycles",
    "fill_drain_cycles",
    "stall_cycles",
    "dram_bytes",
    "filter_bytes",
)
"""Columns that the page shows summed over a machine's layers."""
EACH = ("peak_macs_per_cycle", "dram_bytes_per_cycle")
OF_LAYERS = ("network", "stage", "form", "batch", "layer", "primitive", "dram_bytes", *SUMMED[:6])
"""Columns of the fastest machine's layers."""
MOST_LISTED = 300
MOST_POINTS = 4000
MOST_SIDE = 24
"""Machines in the table, points in a picture, values along a side of the heat map: ours."""
COLUMNS = (
    Column(key="peak_macs_per_cycle", title="MACs a cycle"),
    Column(key="cycles", title="cycles"),
    Column(key="utilisation", title="util %", scale=0.01, digits=1),
    *(Column(key=key, title=BUDGET[key][0]) for key in SUMMED if key in BUDGET),
    Column(key="dram_bytes", title="DRAM kB", scale=1e3, digits=1),
    Column(key="filter_bytes", title="of it weights kB", scale=1e3, digits=1),
)


def fastest(machines: Table, title: str) -> int:
    """The machine with the fewest cycles of those that run every layer, by its number.

    Raises ``ValueError`` if there is none.
    """
    return int(_ordered(machines, title)[0])


def _ordered(machines: Table, title: str) -> NDArray[Any]:
    whole = np.flatnonzero(machines["fits"].astype(bool))
    if not len(whole):
        raise ValueError(f"{title} must hold a machine that runs every layer, and none does")
    peak, cycles = (machines[name][whole] for name in ("peak_macs_per_cycle", "cycles"))
    return whole[np.lexsort((peak, cycles))]


def swept(keys: Sequence[str], machines: Table, layers: Table, title: str) -> dict[str, Any]:
    """What the page shows, in plain types: of every machine, and of the fastest one's ``layers``.

    Raises ``ValueError`` if no machine runs every layer.
    """
    ordered = _ordered(machines, title)
    whole = np.sort(ordered)
    peak, cycles = (
        machines[name][whole].astype(float) for name in ("peak_macs_per_cycle", "cycles")
    )
    unbeaten = whole[front(peak, cycles)]
    listed = list(dict.fromkeys([*unbeaten.tolist(), *ordered[:MOST_LISTED].tolist()]))
    return {
        "title": title,
        "keys": list(keys),
        "machines": len(machines["fits"]),
        "whole": len(whole),
        "layers": [
            {name: _plain(layers[name][at]) for name in layers} for at in range(len(layers["macs"]))
        ],
        "front": [int(number) for number in unbeaten],
        "fastest": int(ordered[0]),
        "listed": [_row(keys, machines, number) for number in listed],
        "grid": _grid(keys, machines, whole),
        "points": _points(machines, whole, unbeaten),
    }


def sweep_page(data: Mapping[str, Any]) -> str:
    """HTML of a sweep; ``data`` is of ``swept``."""
    best = next(row for row in data["listed"] if row["number"] == data["fastest"])
    unbeaten = [row for row in data["listed"] if row["number"] in set(data["front"])]
    named = [
        {**layer, "name": f"{layer['layer']} {layer['primitive']}"} for layer in data["layers"]
    ]
    return render(
        "sweep.html.j2",
        title=f"Sweep {data['title']}",
        data=data,
        best=best,
        columns=COLUMNS,
        pictures=[
            picture(
                "What no machine beats",
                _scatter(data),
                "A point is a machine: its peak, and its cycles over all layers. The line joins "
                "those that none beats in both.",
            ),
            picture(
                "Where the cycles go, on those that none beats",
                _shares(data["keys"], unbeaten),
                "One bar a machine, from small to large, each its own whole.",
            ),
            picture(
                "Roofline of the fastest machine",
                figures.roofline(
                    named,
                    peak=best["peak_macs_per_cycle"],
                    dram_bytes_per_cycle=best["dram_bytes_per_cycle"],
                ),
                "A point is a layer; the slope is what DRAM delivers, the flat roof the peak.",
            ),
        ],
    )


def _row(keys: Sequence[str], machines: Table, number: int) -> dict[str, Any]:
    row = {name: _plain(machines[name][number]) for name in (*keys, *EACH, *SUMMED)}
    whole = {name: int(value) if name in SUMMED else value for name, value in row.items()}
    peak = whole["cycles"] * whole["peak_macs_per_cycle"]
    return {"number": int(number), **whole, "utilisation": whole["macs"] / peak}


def _grid(keys: Sequence[str], machines: Table, whole: NDArray[Any]) -> dict[str, Any] | None:
    """Fewest cycles for each pair of values of two keys; what else varies is free.

    The first two that vary of the constants, the base only if there are no two.
    """
    varying = [key for key in (*keys[1:], keys[0]) if len(set(machines[key].tolist())) > 1]
    if len(varying) < 2:
        return None
    first, second = varying[:2]
    down, across = (list(dict.fromkeys(machines[key].tolist())) for key in (first, second))
    if max(len(down), len(across)) > MOST_SIDE:
        return None
    cells: list[list[float | None]] = [[None] * len(across) for _ in down]
    places = ({value: at for at, value in enumerate(values)} for values in (down, across))
    rows, columns = places
    for number in whole.tolist():
        row, column = rows[machines[first][number]], columns[machines[second][number]]
        cycles, old = float(machines["cycles"][number]), cells[row][column]
        cells[row][column] = cycles if old is None else min(old, cycles)
    return {
        "first": first,
        "second": second,
        "down": [_plain(value) for value in down],
        "across": [_plain(value) for value in across],
        "cells": cells,
        "least": min(cell for line in cells for cell in line if cell is not None),
    }


def _points(machines: Table, whole: NDArray[Any], unbeaten: NDArray[Any]) -> dict[str, Any]:
    """Peak and cycles of the machines that are drawn: all, or evenly spaced ones and the front."""
    step = max(1, len(whole) // MOST_POINTS)
    drawn = np.unique(np.concatenate([whole[::step], unbeaten]))
    return {
        "step": step,
        "peak": [float(value) for value in machines["peak_macs_per_cycle"][drawn]],
        "cycles": [float(value) for value in machines["cycles"][drawn]],
    }


def _scatter(data: Mapping[str, Any]) -> Figure:
    figure = Figure(figsize=(7.6, 4.4), layout="constrained")
    axes = figure.subplots()
    points = data["points"]
    axes.scatter(points["peak"], points["cycles"], s=9, color="#93c5fd", alpha=0.6)
    numbers = set(data["front"])
    line = sorted(
        (row["peak_macs_per_cycle"], row["cycles"])
        for row in data["listed"]
        if row["number"] in numbers
    )
    axes.plot([x for x, _ in line], [y for _, y in line], color="#2563eb", marker="o", ms=4, lw=1)
    axes.set(xscale="log", yscale="log", xlabel="MACs per cycle, peak", ylabel="cycles, all layers")
    axes.grid(visible=True, which="major", alpha=0.2)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK)
    return figure


def _shares(keys: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Figure:
    """The parts of each machine's cycles in per cent of them."""
    shares = [
        {name: 100 * row[name] / row["cycles"] for name in BUDGET if name in row}
        | {"name": _short(keys, row)}
        for row in rows
    ]
    figure = figures.budget(shares)
    figure.axes[0].set_ylabel("per cent of its cycles")
    return figure


def _short(keys: Sequence[str], row: Mapping[str, Any]) -> str:
    return " ".join(str(row[key]) for key in keys)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
