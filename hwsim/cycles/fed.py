"""Cycles of a systolic array whose buffers are narrower than its edges, in closed form.

The array steps when all numbers of the step have arrived or left. Registers at the edges delay
them, so that whole vectors pass the buffers. Let a vector of r numbers enter at the west edge in p
cycles, one of c at the north edge in q, and one of c sums leave in o, each at least one. A serial
fold of r × c that streams t vectors takes

    output-stationary    t·max(p, q) + (r + c − 2) + r·o
    others               r·q + max(0, t − s)·max(p, o) + min(t, s)·(p + o) + max(0, s − t)

with s = r + c − 2 steps between the first vector that enters and the first that leaves; with a
second register the loads r·q of all folds but the first happen under the fold before, which lasts
until both are done. Overlapped folds use all wires at once: every step takes max(p, q, o) of the
widest fold (ours).

Source: derived above. ``hwsim.systolic`` counts the same by moving operands from wire to wire, and
waiting for them number by number.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from hwsim.integers import ceil_div, pieces_of

Wire: TypeAlias = tuple[Any, Any, Any]
"""Bytes of a number; numerator and denominator of the bytes per cycle."""
Sizes: TypeAlias = tuple[tuple[Any, Any], tuple[Any, Any]]
Grid: TypeAlias = list[list[Any]]


class Feed(NamedTuple):
    """What the wires at the west and the north edge carry, and that of the sums.

    A numerator of 0 stands for a buffer that always keeps up.
    """

    west: Wire
    north: Wire
    sums: Wire


FREE = Feed((1, 0, 1), (1, 0, 1), (1, 0, 1))
"""Wires that make nothing wait."""


def arriving(numbers: Any, wire: Wire) -> Any:
    """Cycles of a step in which so many numbers pass a wire."""
    width, above, below = wire
    return np.maximum(1, ceil_div(numbers * width * below, np.maximum(above, 1)) * (above > 0))


def pace(rows: Any, cols: Any, array_rows: Any, array_cols: Any, feed: Feed) -> Any:
    """Cycles of every step of overlapped folds: those of the slowest wire of the widest fold."""
    high, wide = np.minimum(rows, array_rows), np.minimum(cols, array_cols)
    west, north = arriving(high, feed.west), arriving(wide, feed.north)
    return np.maximum(np.maximum(west, north), arriving(wide, feed.sums))


def fed_cycles(
    rows: Any,
    cols: Any,
    array_rows: Any,
    array_cols: Any,
    depth: Any,
    feed: Feed,
    *,
    preloads: Any,
    drains: Any,
) -> Any:
    """Cycles of serial folds that wait for their buffers; ints, or int64 arrays of them.

    Folds come in at most four sizes, and follow each other in at most six ways.
    """
    highs, wides = pieces_of(rows, array_rows), pieces_of(cols, array_cols)
    runs = [[_fold(high, wide, depth, feed, drains) for wide, _ in wides] for high, _ in highs]
    loads = [
        [np.where(drains, 0, high * arriving(wide, feed.north)) for wide, _ in wides]
        for high, _ in highs
    ]
    alone = sum(
        many * across * (run + load)
        for (_, many), run_row, load_row in zip(highs, runs, loads, strict=True)
        for (_, across), run, load in zip(wides, run_row, load_row, strict=True)
    )
    first, last = (ends(highs, wides, grid) for grid in (loads, runs))
    hidden = first[0] + last[1]
    for count, before, after in following(highs, wides, runs, loads):
        hidden = hidden + count * np.maximum(before, after)
    return np.where(preloads, hidden, alone)


def _fold(high: Any, wide: Any, depth: Any, feed: Feed, drains: Any) -> Any:
    """Cycles of one fold, the load of what stays left out."""
    west, north = arriving(high, feed.west), arriving(wide, feed.north)
    out, skew = arriving(wide, feed.sums), high + wide - 2
    drained = depth * np.maximum(west, north) + skew + high * out
    both, one = np.maximum(0, depth - skew), np.minimum(depth, skew)
    streamed = both * np.maximum(west, out) + one * (west + out) + np.maximum(0, skew - depth)
    return np.where(drains, drained, streamed)


def ends(highs: Sizes, wides: Sizes, grid: Grid) -> tuple[Any, Any]:
    """What belongs to the first fold of a product, and to the last."""
    has_high, has_wide = highs[0][1] > 0, wides[0][1] > 0
    first = np.where(
        has_high,
        np.where(has_wide, grid[0][0], grid[0][1]),
        np.where(has_wide, grid[1][0], grid[1][1]),
    )
    rest_high, rest_wide = highs[1][1] > 0, wides[1][1] > 0
    last = np.where(
        rest_high,
        np.where(rest_wide, grid[1][1], grid[1][0]),
        np.where(rest_wide, grid[0][1], grid[0][0]),
    )
    return first, last


def following(
    highs: Sizes, wides: Sizes, runs: Grid, loads: Grid
) -> Iterator[tuple[Any, Any, Any]]:
    """How often a fold of one size precedes one of another; its run, and the load of that one."""
    (_, full_high), (_, rest_high) = highs
    (_, full_wide), (_, rest_wide) = wides
    for many, run, load in zip((full_high, rest_high), runs, loads, strict=True):
        yield many * np.maximum(full_wide - 1, 0), run[0], load[0]
        yield many * rest_wide * (full_wide > 0), run[0], load[1]
    ends, starts = [
        [np.where(choice > 0, row[at], row[1 - at]) for row in grid]
        for grid, choice, at in ((runs, rest_wide, 1), (loads, full_wide, 0))
    ]
    yield np.maximum(full_high - 1, 0), ends[0], starts[0]
    yield rest_high * (full_high > 0), ends[0], starts[1]
