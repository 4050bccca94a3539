"""Cycles of a grid that adds outer products, in closed form.

A product is cut into folds of at most R × C sums. A fold of r × c takes ⌈K/ρ⌉ steps of ρ products
for every sum, each step max(p, q) cycles: those in which r·ρ numbers of the left operand and c·ρ of
the right one arrive, at least one; the last step has what is left of K. Then r rows of c sums leave
in o cycles each. With one grid that happens before the next fold:

    cycles = Σ_folds (steps + r·o)

With two it happens under the next fold, which may end no earlier:

    cycles = steps_first + Σ max(steps_next, r_before·o_before) + r_last·o_last

Folds come in at most four sizes and follow each other in at most six ways, so the sums are O(1).
Source: derived above. ``hwsim.literal.outer_product`` counts the same by adding outer products.
"""

from typing import Any

import numpy as np

from hwsim.cycles.fed import Feed, arriving, ends, following
from hwsim.cycles.systolic import ArrayCycles
from hwsim.integers import ceil_div, pieces_of


def outer_product_cycles(
    product: tuple[Any, Any, Any], grid: tuple[Any, Any, Any], feed: Feed, *, double: Any
) -> ArrayCycles:
    """Cycles of an (m, n, k) product on R × C sums of ρ products a cycle; ints, or int64 arrays."""
    fed, free = (_total(product, grid, each, double) for each in (feed, _free(feed)))
    folds = ceil_div(product[0], grid[0]) * ceil_div(product[1], grid[1])
    return ArrayCycles(fed, folds * ceil_div(product[2], grid[2]), fed - free)


def _total(
    product: tuple[Any, Any, Any], grid: tuple[Any, Any, Any], feed: Feed, double: Any
) -> Any:
    highs, wides = (pieces_of(size, side) for size, side in zip(product, grid[:2], strict=False))
    runs = [
        [_steps(high, wide, product[2], grid[2], feed) for wide, _ in wides] for high, _ in highs
    ]
    drains = [[high * arriving(wide, feed.sums) for wide, _ in wides] for high, _ in highs]
    alone = sum(
        many * across * (run + drain)
        for (_, many), run_row, drain_row in zip(highs, runs, drains, strict=True)
        for (_, across), run, drain in zip(wides, run_row, drain_row, strict=True)
    )
    hidden = ends(highs, wides, runs)[0] + ends(highs, wides, drains)[1]
    for count, drain, run in following(highs, wides, drains, runs):
        hidden = hidden + count * np.maximum(drain, run)
    return np.where(double, hidden, alone)


def _steps(high: Any, wide: Any, depth: Any, rank: Any, feed: Feed) -> Any:
    full, rest = depth // rank, depth % rank
    west, north = arriving(high * rank, feed.west), arriving(wide * rank, feed.north)
    last = np.maximum(arriving(high * rest, feed.west), arriving(wide * rest, feed.north))
    return full * np.maximum(west, north) + last * (rest > 0)


def _free(feed: Feed) -> Feed:
    """The same wires, but that none makes anything wait."""
    return Feed._make((wire[0], 0 * wire[1], wire[2]) for wire in feed)
