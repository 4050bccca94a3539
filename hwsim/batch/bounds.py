"""Lower bounds of many tilings of one layer at once, remainders included.

The array's cycles are exact: sums over the at most two sizes of a tile along each axis. Bytes are
what would move if no row were read for two bands. A schedule takes no less than either of them.
"""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwsim.batch.budgets import array_cycles
from hwsim.batch.mapping import Bools, Tiles
from hwsim.batch.tables import Ints, layer_table, machine_table
from hwsim.channel import keeps
from hwsim.integers import ceil_div
from hwsim.machine import OPERANDS, Machine
from hwsim.tiling import Tiling
from hwsim.traffic import compulsory_traffic
from hwsim.uniform import Cuts, reads
from hwsim.workload import Convolution


class Bounds(NamedTuple):
    """For each tiling: the array's cycles, and cycles and bytes that it takes at the least."""

    array: Ints
    cycles: Ints
    bytes: Ints


def bounds(conv: Convolution, machine: Machine, tilings: Sequence[Tiling]) -> Bounds:
    """Bounds of every tiling, whether or not it fits."""
    sizes = np.array([tiling[:4] for tiling in tilings], np.int64).T
    outer = np.array([tiling.order == "filter-outer" for tiling in tilings])
    outs, ins = conv.out_channels // conv.groups, conv.in_channels // conv.groups
    whole = np.array([conv.batch, conv.out_height, outs, ins])[:, None]
    array = conv.groups * _array_total(conv, machine, sizes, whole)
    batches, bands, out_pieces, slices = ceil_div(whole, sizes)
    groups = np.full_like(batches, conv.groups)
    ifmap_reads, filter_reads = reads(Cuts(groups, batches, bands, out_pieces, slices, outer))
    once = compulsory_traffic(conv, machine)
    filled = (
        ifmap_reads * once.ifmap_bytes,
        filter_reads * once.filter_bytes,
        np.full_like(array, once.ofmap_bytes),
    )
    one = [np.full_like(array, size) for size in once]
    moved = one if keeps(conv, machine) else filled
    beside = [name in machine.buffers.doubled for name in OPERANDS]
    under, alone = (
        _moving(machine, *(_chosen(sizes, beside, doubled) for sizes in (moved, filled)))
        for doubled in (True, False)
    )
    return Bounds(array, np.maximum(array, under) + alone, np.stack(moved).sum(axis=0))


def _chosen(sizes: Sequence[Ints], beside: Sequence[bool], doubled: bool) -> Ints:
    """Bytes of the operands that are double-buffered, or of the others."""
    kept = [size * (each == doubled) for size, each in zip(sizes, beside, strict=True)]
    return np.stack(kept).sum(axis=0)


def _moving(machine: Machine, from_dram: Ints, filled: Ints) -> Ints:
    """Cycles that bytes take at the least: those of DRAM, or all that pass the second level."""
    cycles: Ints = machine.dram.moving_cycles(from_dram)
    if machine.l2 is not None:
        cycles = np.maximum(cycles, machine.l2.moving_cycles(filled))
    return cycles


def _array_total(
    conv: Convolution, machine: Machine, sizes: Ints, whole: NDArray[np.int64]
) -> Ints:
    """The array's cycles over all tiles of a group."""
    layer = layer_table([conv]).rows(np.zeros(sizes.shape[1], np.int64))
    unit = machine_table([machine]).rows(np.zeros(sizes.shape[1], np.int64))
    full, rest = np.divmod(whole, sizes)
    total = np.zeros(sizes.shape[1], np.int64)
    for ends in product((False, True), repeat=4):
        last = np.array(ends)[:, None]
        count = np.where(last, rest > 0, full).prod(axis=0)
        if count.any():
            tile = np.where(last, np.maximum(rest, 1), sizes)
            cycles = array_cycles(layer, unit, _only(tile), int(unit["kind"][0]))
            total += count * cycles.total
    return total


def _only(sizes: Ints) -> Tiles:
    """Tiles of those sizes; how many there are does not matter here."""
    one = np.ones(sizes.shape[1], np.int64)
    fits: Bools = np.ones(sizes.shape[1], bool)
    return Tiles._make([*sizes, one, one, one, one, fits, fits])
