"""The tiling a convolution is run with: the fastest that fits, then the one with least traffic.

Searched are all mappings into equal tiles (``batch.exhaustive``, with the closed form of
``uniform``), the mapping of ``heuristic``, and every one of
``tiling.candidates`` that fits and makes at most ``MOST_TILES`` tiles, in both loop orders.
Candidates are visited by a bound on their cycles, and one whose bound is no better than the best
schedule so far is passed over, as are all after it: trying them all would find no fewer cycles, and
no fewer bytes at as many cycles.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hwsim.batch.bounds import bounds
from hwsim.batch.exhaustive import best_uniform, fitting, uniform_sizes, uniform_tilings
from hwsim.batch.tables import too_large
from hwsim.cycles import ArrayCycles
from hwsim.heuristic import heuristic_tiling
from hwsim.machine import Machine
from hwsim.schedule import array_total, total_cycles
from hwsim.tiling import (
    ORDERS,
    Tiling,
    candidates,
    fits,
    pieces,
    tile_bytes,
    tile_count,
)
from hwsim.traffic import Traffic, dram_traffic_of, traffic_of
from hwsim.workload import Convolution

MOST_TILES = 2**17
"""Tiles a candidate may have: ours, so that memory and time stay bounded."""


class Searched(NamedTuple):
    """What a mapping was found among, in numbers of mappings.

    ``equal`` cut into equal tiles, ``others`` leave remainders; so many of those fit, and ``timed``
    of them were followed tile by tile.
    """

    equal: int
    others: int
    fitting: int
    timed: int

    @property
    def sentence(self) -> str:
        """What was searched, in words."""
        return (
            f"{self.equal} mappings into equal tiles and {self.others} others, of which "
            f"{self.fitting} fit; the fewest cycles, then bytes ({self.timed} of the others timed, "
            f"no bound of the rest leaves room for less)"
        )


class Run(NamedTuple):
    """A tiled convolution: ``cycles`` with stalls, the array's own, and what it moves.

    ``traffic`` is that of DRAM, ``filled`` that of the buffers: the same, unless a second level
    holds what is read again. ``l2_stall`` of the stalls are its own. ``searched`` says what it is
    the best of; ``None`` for a mapping that was given.
    """

    cycles: int
    array: ArrayCycles
    traffic: Traffic
    tiling: Tiling
    filled: Traffic
    l2_stall: int = 0
    searched: Searched | None = None

    @property
    def merit(self) -> tuple[int, int, Tiling]:
        """What is made small; the tiling decides between equals, so that runs repeat."""
        return self.cycles, self.traffic.total_bytes, self.tiling


def best_run(conv: Convolution, machine: Machine) -> Run:
    """The best way to run ``conv``; ``ValueError`` if no tile fits, or too many are needed."""
    if too_large(conv):
        raise ValueError(_too_many(conv, machine))
    tilings = list(candidates(conv, machine.array))
    bounded = sorted(_bounded(conv, machine, tilings))
    best = _best_equal(conv, machine)
    timed = 0
    for cycles, moved, tiling in bounded:
        if best is not None and (cycles, moved) >= best.merit[:2]:
            break
        ran = run(conv, tiling, machine)
        timed += 1
        best = ran if best is None else min(best, ran, key=lambda each: each.merit)
    if best is None:
        raise ValueError(_too_small(conv, machine))
    equal_ones = len(ORDERS) * len(uniform_sizes(conv))
    return best._replace(searched=Searched(equal_ones, len(tilings), len(bounded), timed))


def tilings_of(conv: Convolution, machine: Machine) -> tuple[Tiling, ...]:
    """All tilings that the search is over, whether or not they fit, each once."""
    ruled = [tiling for tiling in (heuristic_tiling(conv, machine),) if tiling is not None]
    tilings = [*ruled, *uniform_tilings(conv), *candidates(conv, machine.array)]
    return tuple(dict.fromkeys(tilings))


def _best_equal(conv: Convolution, machine: Machine) -> Run | None:
    """The best mapping into equal tiles; the rule's is one, but perhaps of a thinned axis."""
    found = dict.fromkeys((heuristic_tiling(conv, machine), best_uniform(conv, machine)))
    runs = [run(conv, tiling, machine) for tiling in found if tiling is not None]
    return min(runs, key=lambda each: each.merit, default=None)


def run(conv: Convolution, tiling: Tiling, machine: Machine) -> Run:
    """``conv`` under a given tiling, whether or not it fits."""
    parts, order = pieces(conv, tiling), tiling.order
    cycles = total_cycles(conv, parts, order, machine)
    without = cycles
    if machine.l2 is not None:
        without = total_cycles(conv, parts, order, machine, l2_waits=False)
    return Run(
        cycles,
        array_total(conv, parts, machine),
        dram_traffic_of(parts, order, conv, machine),
        tiling,
        traffic_of(parts, order, conv, machine),
        cycles - without,
    )


def _bounded(
    conv: Convolution, machine: Machine, tilings: Sequence[Tiling]
) -> list[tuple[int, int, Tiling]]:
    """Cycles and bytes that each tiling takes at the least, of those that fit."""
    sizes = np.array([tiling[:4] for tiling in tilings], np.int64).T
    few = np.array([tile_count(conv, tiling) <= MOST_TILES for tiling in tilings])
    kept = np.flatnonzero(fitting(conv, machine, sizes) & few)
    chosen = [tilings[index] for index in kept.tolist()]
    if not chosen:
        return []
    least = bounds(conv, machine, chosen)
    return list(zip(least.cycles.tolist(), least.bytes.tolist(), chosen, strict=True))


def _too_small(conv: Convolution, machine: Machine) -> str:
    needed = tile_bytes(conv, Tiling(1, 1, 1, 1, ORDERS[0]), machine)
    if fits(needed, machine.buffers):
        return _too_many(conv, machine)
    held = machine.buffers.tiles_held
    tiles = str(held[0]) if len(set(held)) == 1 else "{}, {} and {}".format(*held)
    return (
        f"buffers of {machine.name} must hold {tiles} tiles of at least "
        f"{needed.ifmap} ifmap, {needed.filter} filter and {needed.ofmap} ofmap bytes for "
        f"{conv.label} ({conv.in_channels}x{conv.height}x{conv.width} to {conv.out_channels} "
        f"channels), not have {machine.buffers.ifmap_bytes}, {machine.buffers.filter_bytes} and "
        f"{machine.buffers.ofmap_bytes}"
    )


def _too_many(conv: Convolution, machine: Machine) -> str:
    return (
        f"{conv.label} must be small enough for at most {MOST_TILES} tiles on {machine.name}, "
        f"not {conv.batch} x {conv.in_channels}x{conv.height}x{conv.width}"
    )
