"""The tiling a convolution is run with: the fastest that fits, then the one with least traffic.

Every one of ``tiling.candidates`` that fits and makes at most ``MOST_TILES`` tiles is considered,
in both loop orders. They are visited by a bound on their cycles, and one whose bound is no better
than the best schedule so far is passed over, as are all after it: trying them all would find no
fewer cycles, and no fewer bytes at as many cycles.
"""

from typing import NamedTuple

from hwsim.cycles import ArrayCycles
from hwsim.machine import Machine
from hwsim.schedule import array_total, least_cycles, total_cycles
from hwsim.tiling import (
    ORDERS,
    Pieces,
    Tiling,
    bands_of,
    candidates,
    fits,
    pieces,
    tile_bytes,
    tile_count,
)
from hwsim.traffic import Traffic, traffic_of
from hwsim.workload import Convolution

MOST_TILES = 2**17
"""Tiles a candidate may have: ours, so that memory and time stay bounded."""


class Run(NamedTuple):
    """A tiled convolution: ``cycles`` with stalls, the array's own, and what it moves."""

    cycles: int
    array: ArrayCycles
    traffic: Traffic
    tiling: Tiling

    @property
    def merit(self) -> tuple[int, int, Tiling]:
        """What is made small; the tiling decides between equals, so that runs repeat."""
        return self.cycles, self.traffic.total_bytes, self.tiling


def best_run(conv: Convolution, machine: Machine) -> Run:
    """The best way to run ``conv``; ``ValueError`` if no tile fits, or too many are needed."""
    best: Run | None = None
    for bound, parts in sorted(_bounded(conv, machine), key=lambda pair: pair[0].merit):
        if best is not None and bound.merit[:2] >= best.merit[:2]:
            break
        cycles = total_cycles(conv, parts, bound.tiling.order, machine)
        run = bound._replace(cycles=cycles)
        best = run if best is None else min(best, run, key=lambda each: each.merit)
    if best is None:
        raise ValueError(_too_small(conv, machine))
    return best


def run(conv: Convolution, tiling: Tiling, machine: Machine) -> Run:
    """``conv`` under a given tiling, whether or not it fits."""
    parts = pieces(conv, tiling)
    bound = _bound(conv, tiling, parts, array_total(conv, parts, machine), machine)
    return bound._replace(cycles=total_cycles(conv, parts, tiling.order, machine))


def _bounded(conv: Convolution, machine: Machine) -> list[tuple[Run, Pieces]]:
    """A bound for every candidate that fits; what two candidates share is computed once."""
    fitting = [
        tiling
        for tiling in candidates(conv, machine.array)
        if tile_count(conv, tiling) <= MOST_TILES
        and fits(tile_bytes(conv, tiling, machine), machine.buffers)
    ]
    cuts = {tiling[:4]: tiling for tiling in fitting}
    bands = {cut: bands_of(conv, *cut) for cut in {cut[:2] for cut in cuts}}
    parts = {cut: pieces(conv, tiling, bands[cut[:2]]) for cut, tiling in cuts.items()}
    arrays = {cut: array_total(conv, part, machine) for cut, part in parts.items()}
    return [(_bound(conv, t, parts[t[:4]], arrays[t[:4]], machine), parts[t[:4]]) for t in fitting]


def _bound(
    conv: Convolution, tiling: Tiling, parts: Pieces, array: ArrayCycles, machine: Machine
) -> Run:
    """The run with a lower bound in place of its cycles."""
    moved = traffic_of(parts, tiling.order, conv, machine)
    return Run(least_cycles(array, moved.total_bytes, machine), array, moved, tiling)


def _too_small(conv: Convolution, machine: Machine) -> str:
    needed = tile_bytes(conv, Tiling(1, 1, 1, 1, ORDERS[0]), machine)
    if fits(needed, machine.buffers):
        return (
            f"{conv.label} must be small enough for at most {MOST_TILES} tiles on {machine.name}, "
            f"not {conv.batch} x {conv.in_channels}x{conv.height}x{conv.width}"
        )
    return (
        f"buffers of {machine.name} must hold {machine.buffers.tiles_held} tiles of at least "
        f"{needed.ifmap} ifmap, {needed.filter} filter and {needed.ofmap} ofmap bytes for "
        f"{conv.label} ({conv.in_channels}x{conv.height}x{conv.width} to {conv.out_channels} "
        f"channels), not have {machine.buffers.ifmap_bytes}, {machine.buffers.filter_bytes} and "
        f"{machine.buffers.ofmap_bytes}"
    )
