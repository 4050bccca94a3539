"""How long equal tiles take and what they move: the sums of ``schedule`` and ``traffic``, O(1).

A layer in G groups is cut into F_i pieces of its batch, F_r bands of rows, O pieces of output and I
slices of input channels. Only the input of the first and the last band of an image differs from
that of the bands between: there, padding is not loaded. Every phase of a double-buffered schedule
takes max(c, load of the next tile + store of the one before), so it is enough to count the loads
of each kind. With l_b the ifmap of a band of kind b (of which there are n_b), f a filter, s a store

several slices: every step loads both, and the first of a tile also stores,

    (l_first + f) + Σ_b G·O·n_b·[max(c, l_b + f + s) + (I − 1)·max(c, l_b + f)]
        − max(c, l_first + f + s) + c + s

(the first tile has nothing to store, the last nothing to load), and one slice

    (l_first + f) + Σ_kinds count·max(c, load + s) − [max(c, l₁ + s) − max(c, l₁)] + max(c, s) + s

where l₁ is the load of the second tile, the brackets and the s under the maximum are there only
if there is a second one, and the loads are

                      ifmap-outer                     filter-outer
    next outputs      f             G·B·(O − 1)       f + l_first if B > 1     G·(O − 1)
    next band b       l_b + f if O > 1      G·n_b'    l_b                      G·O·n_b'
    next group        l_first + f       G − 1         l_first + f              G − 1

with n_b' = n_b, but for the first band, that begins a group or its outputs, F_i − 1. Where a second
level holds what was read before, an ifmap takes less under all outputs but the first ones, a filter
in all bands but the first one; every count is then split in two. A buffer with one half moves
between two phases: its loads or stores are zero in these sums, and added. Everything takes
integers, or int64 arrays of them. Source: derived above. ``hwsim.buffers`` steps through the same
tiles, and ``hwsim.schedule`` sums them one by one.
"""

from operator import mul
from typing import Any, NamedTuple

import numpy as np


class Cuts(NamedTuple):
    """Pieces of each axis, and which loop is outside."""

    groups: Any
    batches: Any
    bands: Any
    outs: Any
    slices: Any
    filter_outer: Any


class Again(NamedTuple):
    """Cycles of the same loads when the tile was loaded before."""

    first: Any
    middle: Any
    last: Any
    filter: Any


class Times(NamedTuple):
    """Cycles to load the ifmap of a first, middle and last band, a filter, to store, to compute.

    ``again`` has the loads of a tile that are not its first, where they differ.
    """

    first: Any
    middle: Any
    last: Any
    filter: Any
    store: Any
    compute: Any
    again: Again | None = None

    def only(self, shares: "Doubled", compute: Any) -> "Times":
        """The transfers of some operands, 1 or 0 of each, and the array's cycles or none."""
        ifmap, filters, store = shares
        loads = (ifmap, ifmap, ifmap, filters)
        again = self.again and Again._make(map(mul, self.again, loads))
        return Times._make((*map(mul, self[:6], (*loads, store, compute)), again))


class Doubled(NamedTuple):
    """Which operands are double-buffered: 1 or 0."""

    ifmap: Any
    filter: Any
    ofmap: Any


class _Loads(NamedTuple):
    """A load of one kind: how often it happens, and its cycles."""

    count: Any
    cycles: Any


def total_cycles(cuts: Cuts, times: Times, doubled: Doubled) -> Any:
    """Cycles where some operands are double-buffered."""
    if all(np.all(each) for each in doubled):
        return overlapped_total(cuts, times)
    if not any(np.any(each) for each in doubled):
        return serial_total(cuts, times)
    alone = times.only(Doubled._make(1 - each for each in doubled), 0)
    return overlapped_total(cuts, times.only(doubled, 1)) + serial_total(cuts, alone)


def overlapped_total(cuts: Cuts, times: Times) -> Any:
    """Cycles with double buffers, from the first load to the last store."""
    return np.where(cuts.slices > 1, _sliced(cuts, times), _whole(cuts, times))


def serial_total(cuts: Cuts, times: Times) -> Any:
    """Cycles with single buffers: every load, tile and store one after another."""
    tiles = cuts.groups * cuts.batches * cuts.bands * cuts.outs
    whole = times.first + times.filter
    for load in _arrivals(cuts, times):
        whole = whole + load.count * load.cycles
    sliced = sum(load.count * cuts.slices * load.cycles for load in _pairs(cuts, times))
    loads = np.where(cuts.slices > 1, sliced, whole)
    return loads + tiles * (cuts.slices * times.compute + times.store)


def reads(cuts: Cuts) -> tuple[Any, Any]:
    """How often the ifmap and the filter are read in full."""
    whole, bands = cuts.slices == 1, cuts.batches * cuts.bands
    ifmap_stays = whole & (~cuts.filter_outer | (bands == 1))
    filter_stays = whole & (cuts.filter_outer | (cuts.outs == 1))
    return np.where(ifmap_stays, 1, cuts.outs), np.where(filter_stays, 1, bands)


def _bands(cuts: Cuts, times: Times) -> tuple[tuple[Any, Any], ...]:
    """How many bands of each kind a group has, and what their ifmap takes."""
    middle, last = np.maximum(cuts.bands - 2, 0), np.minimum(cuts.bands - 1, 1)
    return (
        (cuts.batches, times.first),
        (cuts.batches * middle, times.middle),
        (cuts.batches * last, times.last),
    )


def _pairs(cuts: Cuts, times: Times) -> list[_Loads]:
    """Loads of every band and piece of outputs, where each slice loads both operands."""
    groups, outs = cuts.groups, cuts.outs
    if times.again is None:
        return [
            _Loads(groups * outs * count, ifmap + times.filter)
            for count, ifmap in _bands(cuts, times)
        ]
    (batches, first), *others = _bands(cuts, times)
    *ifmaps, filters = times.again
    loads = [
        _Loads(groups, first + times.filter),
        _Loads(groups * (outs - 1), ifmaps[0] + times.filter),
    ]
    for (count, ifmap), again in zip(((batches - 1, first), *others), ifmaps, strict=True):
        loads += [
            _Loads(groups * count, ifmap + filters),
            _Loads(groups * count * (outs - 1), again + filters),
        ]
    return loads


def _sliced(cuts: Cuts, times: Times) -> Any:
    total = times.first + times.filter + times.compute + times.store
    for count, load in _pairs(cuts, times):
        each = np.maximum(times.compute, load + times.store)
        each = each + (cuts.slices - 1) * np.maximum(times.compute, load)
        total = total + count * each
    return total - np.maximum(times.compute, times.first + times.filter + times.store)


def _whole(cuts: Cuts, times: Times) -> Any:
    total = times.first + times.filter + times.store
    for load in _arrivals(cuts, times):
        total = total + load.count * np.maximum(times.compute, load.cycles + times.store)
    several = cuts.groups * cuts.batches * cuts.bands * cuts.outs > 1
    second = _second(cuts, times)
    early = np.maximum(times.compute, second + times.store) - np.maximum(times.compute, second)
    last = np.maximum(times.compute, several * times.store)
    return total + last - several * early


def _arrivals(cuts: Cuts, times: Times) -> list[_Loads]:
    """Loads of every tile but the first, where slices are whole."""
    if times.again is not None:
        return _arrivals_again(cuts, times, times.again)
    groups, outs, inside = cuts.groups, cuts.outs, cuts.filter_outer
    bands = cuts.batches * cuts.bands
    first, middle, last = _bands(cuts, times)
    beside = np.where(inside, 0, np.where(outs > 1, times.filter, 0))
    times_each = groups * np.where(inside, outs, 1)
    return [
        _Loads(
            np.where(inside, groups * (outs - 1), groups * bands * (outs - 1)),
            times.filter + np.where(inside & (bands > 1), times.first, 0),
        ),
        _Loads(times_each * (first[0] - 1), times.first + beside),
        _Loads(times_each * middle[0], middle[1] + beside),
        _Loads(times_each * last[0], last[1] + beside),
        _Loads(groups - 1, times.first + times.filter),
    ]


def _arrivals_again(cuts: Cuts, times: Times, again: tuple[Any, Any, Any, Any]) -> list[_Loads]:
    """The same where a tile takes less when it was loaded before."""
    groups, outs, inside = cuts.groups, cuts.outs, cuts.filter_outer
    bands = cuts.batches * cuts.bands
    *ifmaps, filters = again
    beside = np.where(inside | (outs == 1), 0, filters)
    loads = [
        _Loads(groups * (outs - 1), times.filter + np.where(inside & (bands > 1), ifmaps[0], 0)),
        _Loads(np.where(inside, 0, groups * (bands - 1) * (outs - 1)), filters),
        _Loads(groups - 1, times.first + times.filter),
    ]
    (batches, first), *others = _bands(cuts, times)
    for (count, ifmap), late in zip(((batches - 1, first), *others), ifmaps, strict=True):
        loads += [
            _Loads(groups * count, ifmap + beside),
            _Loads(np.where(inside, groups * (outs - 1), 0) * count, late),
        ]
    return loads


def _second(cuts: Cuts, times: Times) -> Any:
    """What the second tile loads, if there is one."""
    several_outs, several = cuts.outs > 1, cuts.batches * cuts.bands > 1
    of_band = np.where(
        cuts.bands > 2, times.middle, np.where(cuts.bands == 2, times.last, times.first)
    )
    group = times.first + times.filter
    by_band = np.where(several, of_band, np.where(several_outs, times.filter, group))
    by_outs = np.where(several_outs, times.filter, np.where(several, of_band, group))
    return np.where(cuts.filter_outer, by_band, by_outs)
