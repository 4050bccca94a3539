"""How long a tiled convolution takes: the array's cycles, and its waiting for DRAM.

Tiles are computed one after another: tile i takes c_i cycles on the array, loads l_i cycles of
transfers before and stores s_i after it. With single buffers nothing overlaps,

    total = Σ_i (l_i + c_i + s_i)

With double buffers the chip proceeds in phases. In phase i the array computes tile i while the one
DRAM channel loads tile i + 1 and stores the results of tile i − 1; both halves swap when both are
done. A first phase only loads, a last one only stores:

    total = l_0 + Σ_i max(c_i, l_(i+1) + s_(i−1)) + s_last

Only a tile whose index changed is loaded, only complete sums are stored, and every operand's tile
is a transfer of its own. Stall = total − Σ c_i. Source: derived above. ``hwsim.buffers`` steps
through the same phases cycle by cycle.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hwsim.cycles import ArrayCycles, array_cycles
from hwsim.dataflow import DATAFLOWS
from hwsim.machine import Machine
from hwsim.tiling import Order, Pieces
from hwsim.workload import Convolution, Gemm

Ints: TypeAlias = NDArray[Any]


class Steps(NamedTuple):
    """Cycles per tile, in the order of the walk."""

    load: Ints
    compute: Ints
    store: Ints


def total_cycles(conv: Convolution, parts: Pieces, order: Order, machine: Machine) -> int:
    """Cycles of ``conv`` cut into ``parts`` and walked in ``order``, waiting for DRAM included."""
    load, compute, store = _steps(conv, parts, order, machine)
    if not machine.buffers.double_buffered:
        return int(load.sum() + compute.sum() + store.sum())
    meanwhile = np.append(load[1:], 0) + np.append(0, store[:-1])
    return int(load[0] + np.maximum(compute, meanwhile).sum() + store[-1])


def array_total(conv: Convolution, parts: Pieces, machine: Machine) -> ArrayCycles:
    """The array's own cycles, over all tiles of all groups."""
    flow = DATAFLOWS[machine.dataflow]
    total = streamed = 0
    for m, bands in Counter(_pixels(conv, parts)).items():
        for n, outs in Counter(parts.out_channels).items():
            for channels, slices in Counter(parts.in_channels).items():
                tile = array_cycles(Gemm(m, n, channels * conv.taps), machine.array, flow)
                tiles = bands * outs * slices * conv.groups
                total += tiles * tile.total
                streamed += tiles * tile.streamed
    return ArrayCycles(total, streamed)


def least_cycles(
    conv: Convolution, parts: Pieces, array: ArrayCycles, dram_bytes: int, machine: Machine
) -> int:
    """A bound no schedule of ``parts`` beats: cheap, and close where one resource decides."""
    per_cycle = machine.dram.bytes_per_cycle
    moving = -(-dram_bytes * per_cycle.denominator // per_cycle.numerator)
    if not machine.buffers.double_buffered:
        return array.total + moving
    moved = machine.dram.transfer_cycles
    first = moved(_ifmap_bytes(conv, parts, machine)[0][0])
    first += moved(_filter_bytes(conv, parts, machine)[0][0])
    last = moved(_ofmap_bytes(conv, parts, machine)[-1][-1])
    return max(moving, first + array.total + last)


def _steps(conv: Convolution, parts: Pieces, order: Order, machine: Machine) -> Steps:
    """Transfers and computations along the walk; every array is (bands, outs, slices) at first."""
    moved = machine.dram.transfer_cycles
    shape = tuple(len(axis) for axis in parts)
    band, out, channel = np.indices(shape)
    ifmap = _looked_up(moved, _ifmap_bytes(conv, parts, machine))[:, None, :]
    filters = _looked_up(moved, _filter_bytes(conv, parts, machine))[None, :, :]
    ofmap = _looked_up(moved, _ofmap_bytes(conv, parts, machine))[:, :, None]

    def walk(values: Ints) -> Ints:
        outer_first = values if order == "ifmap-outer" else values.swapaxes(0, 1)
        return np.broadcast_to(outer_first, outer_first.shape).ravel()

    def changed(first: Ints, second: Ints) -> Ints:
        a, b = walk(first), walk(second)
        return np.append(True, (a[1:] != a[:-1]) | (b[1:] != b[:-1]))

    load = walk(ifmap + 0 * out) * changed(band, channel)
    load = load + walk(filters + 0 * band) * changed(out, channel)
    store = walk(ofmap * (channel == shape[2] - 1))
    compute = walk(_computations(conv, parts, machine))
    return Steps(*(np.tile(steps, conv.groups) for steps in (load, compute, store)))
