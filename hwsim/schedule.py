"""How long a tiled convolution takes: the array's cycles, and its waiting for DRAM.

Tiles are computed one after another: tile i takes c_i cycles on the array, loads l_i cycles of
transfers before and stores s_i after it. With single buffers nothing overlaps,

    total = Σ_i (l_i + c_i + s_i)

With double buffers the chip proceeds in phases. In phase i the array computes tile i while the one
channel loads tile i + 1 and stores the results of tile i − 1; both halves swap when both are done.
A first phase only loads, a last one only stores:

    total = l_0 + Σ_i max(c_i, l_(i+1) + s_(i−1)) + s_last

An operand whose buffer has one half only is loaded, or stored, between two phases, while nothing
else happens: its l and s are zero in this sum and are added to it.

Only a tile whose index changed is loaded, only complete sums are stored, and every operand's tile
is a transfer of its own, of so many cycles as ``hwsim.channel`` says: fewer for a tile that was
loaded before, where a second level holds it. Stall = total − Σ c_i. Source: derived above.
``hwsim.buffers`` steps through the same phases cycle by cycle.
"""

from collections import Counter
from collections.abc import Collection
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hwsim.channel import keeps, moving_cycles
from hwsim.cycles import ArrayCycles, Tile, tile_cycles
from hwsim.machine import OPERANDS, Machine
from hwsim.tiling import Order, Pieces
from hwsim.workload import Convolution

Ints: TypeAlias = NDArray[Any]


class Transfers(NamedTuple):
    """Cycles to move a tile: ifmap (band, slice), filter (out, slice), ofmap (band, out).

    Those of ifmap and filter are given for the first time, and for every time after it.
    """

    ifmap: tuple[Ints, Ints]
    filter: tuple[Ints, Ints]
    ofmap: Ints


class Steps(NamedTuple):
    """Cycles tile by tile, in the order of the walk: loads before, the array, a store after it."""

    ifmap: Ints
    filter: Ints
    compute: Ints
    store: Ints


def total_cycles(
    conv: Convolution, parts: Pieces, order: Order, machine: Machine, *, l2_waits: bool = True
) -> int:
    """Cycles of ``conv`` cut into ``parts`` and walked in ``order``, waiting for memory included.

    ``l2_waits`` false leaves out what the second level's rate adds.
    """
    found = steps(conv, parts, order, machine, l2_waits=l2_waits)
    return duration(found, groups=conv.groups, doubled=machine.buffers.doubled)


def steps(
    conv: Convolution, parts: Pieces, order: Order, machine: Machine, *, l2_waits: bool = True
) -> Steps:
    """What each tile of one group takes; what is still on chip takes nothing. Groups are alike."""
    band, out, part = _walk(parts, order)
    moved = _transfers(conv, parts, machine, l2_waits=l2_waits)
    ifmap = np.where(out == 0, moved.ifmap[0][band, part], moved.ifmap[1][band, part])
    filters = np.where(band == 0, moved.filter[0][out, part], moved.filter[1][out, part])
    return Steps(
        ifmap=ifmap * _changed(band, part),
        filter=filters * _changed(out, part),
        compute=_computations(conv, parts, machine)[band, out, part],
        store=moved.ofmap[band, out] * (part == len(parts.in_channels) - 1),
    )


def duration(tiles: Steps, *, groups: int = 1, doubled: Collection[str]) -> int:
    """Cycles from the first load to the last store, some operands double-buffered, or none.

    Groups are walked one after another, and tiles at their seams overlap as others do. What is
    inside a group counts once for each, its two ends by what is stored before and loaded after.
    """
    moved = dict(zip(OPERANDS, (tiles.ifmap, tiles.filter, tiles.store), strict=True))
    beside = {name: cycles * (name in doubled) for name, cycles in moved.items()}
    alone = sum(int((moved[name] - beside[name]).sum()) for name in OPERANDS)
    load, compute, store = beside["ifmap"] + beside["filter"], tiles.compute, beside["ofmap"]
    first, last = int(load[0]), int(store[-1])
    inner = groups * (alone + int(np.maximum(compute[1:-1], load[2:] + store[:-2]).sum()))

    def ends(stored: int, loaded: int) -> int:
        if len(load) == 1:
            return max(int(compute[0]), loaded + stored)
        opening = max(int(compute[0]), int(load[1]) + stored)
        return opening + max(int(compute[-1]), loaded + int(store[-2]))

    if groups == 1:
        return first + ends(0, 0) + inner + last
    between = (groups - 2) * ends(last, first)
    return first + ends(0, first) + between + ends(last, 0) + inner + last


def array_total(conv: Convolution, parts: Pieces, machine: Machine) -> ArrayCycles:
    """The array's own cycles, over all tiles of all groups."""
    total = streamed = waiting = 0
    sizes = Counter((band.images, band.out_rows) for band in parts.bands)
    outputs, inputs = (Counter(axis).items() for axis in parts[1:])
    for (images, rows), bands in sizes.items():
        for n, outs in outputs:
            for channels, slices in inputs:
                tile = tile_cycles(tile_of(conv, images, rows // images, n, channels), machine)
                tiles = bands * outs * slices * conv.groups
                total += tiles * tile.total
                streamed += tiles * tile.streamed
                waiting += tiles * tile.waiting
    return ArrayCycles(total, streamed, waiting)


def tile_of(conv: Convolution, images: int, rows: int, outputs: int, channels: int) -> Tile:
    """The tile of ``conv`` that computes so many rows and outputs from so many channels."""
    return Tile(
        images=images,
        rows=rows,
        width=conv.out_width,
        outputs=outputs,
        channels=channels,
        kernel_h=conv.kernel_h,
        kernel_w=conv.kernel_w,
        stride=conv.stride,
        stride_w=conv.stride_across,
    )


def _walk(parts: Pieces, order: Order) -> tuple[Ints, Ints, Ints]:
    """Indices of band, output-channel piece and input-channel slice, tile by tile."""
    indices = np.indices(tuple(len(axis) for axis in parts))
    if order == "filter-outer":
        indices = indices.swapaxes(1, 2)
    band, out, part = indices.reshape(3, -1)
    return band, out, part


def _changed(first: Ints, second: Ints) -> Ints:
    """Where a tile's index differs from that of the step before; the first step has none."""
    differs = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    return np.append(True, differs)


def _transfers(conv: Convolution, parts: Pieces, machine: Machine, *, l2_waits: bool) -> Transfers:
    rows = np.array([band.in_rows for band in parts.bands])
    pixels = np.array(_pixels(conv, parts))
    outs, ins = np.array(parts.out_channels), np.array(parts.in_channels)
    width, level = machine.operand_bytes, machine.l2

    def cycles(elements: Ints) -> Ints:
        moving = moving_cycles if l2_waits else _dram_cycles
        busy = machine.dram.latency_cycles + moving(machine, elements * width)
        return np.where(elements > 0, busy, 0)  # a tile may lie in the padding altogether

    def both(elements: Ints) -> tuple[Ints, Ints]:
        first = cycles(elements)
        if level is None or not keeps(conv, machine):
            return first, first
        return first, level.moving_cycles(elements * width) * l2_waits

    return Transfers(
        ifmap=both(np.multiply.outer(rows * conv.width, ins)),
        filter=both(np.multiply.outer(outs * conv.taps, ins)),
        ofmap=cycles(np.multiply.outer(pixels, outs)),
    )


def _dram_cycles(machine: Machine, moved: Ints) -> Ints:
    cycles: Ints = machine.dram.moving_cycles(moved)
    return cycles


def _computations(conv: Convolution, parts: Pieces, machine: Machine) -> Ints:
    """The array's cycles per (band, out, slice), one evaluation per distinct size."""
    sizes = [(band.images, band.out_rows // band.images) for band in parts.bands]
    kinds = list(dict.fromkeys(sizes))
    (ns, n), (ks, k) = (np.unique(axis, return_inverse=True) for axis in parts[1:])
    distinct = np.array(
        [
            [
                [tile_cycles(tile_of(conv, *kind, int(n), int(k)), machine).total for k in ks]
                for n in ns
            ]
            for kind in kinds
        ]
    )
    band = np.array([kinds.index(size) for size in sizes])
    return distinct[np.ix_(band, n, k)]


def _pixels(conv: Convolution, parts: Pieces) -> list[int]:
    return [band.out_rows * conv.out_width for band in parts.bands]
