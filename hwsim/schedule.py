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
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hwsim.checks import one_of
from hwsim.cycles import ArrayCycles, array_cycles
from hwsim.dataflow import DATAFLOWS, Dataflow
from hwsim.machine import Array, Machine
from hwsim.tiling import Order, Pieces
from hwsim.workload import Convolution, Gemm

Ints: TypeAlias = NDArray[Any]


class Transfers(NamedTuple):
    """Cycles to move a tile: ifmap (band, slice), filter (out, slice), ofmap (band, out)."""

    ifmap: Ints
    filter: Ints
    ofmap: Ints


def total_cycles(conv: Convolution, parts: Pieces, order: Order, machine: Machine) -> int:
    """Cycles of ``conv`` cut into ``parts`` and walked in ``order``, waiting for DRAM included."""
    band, out, part = _walk(parts, order)
    moved = _transfers(conv, parts, machine)
    load = moved.ifmap[band, part] * _changed(band, part)
    load += moved.filter[out, part] * _changed(out, part)
    store = moved.ofmap[band, out] * (part == len(parts.in_channels) - 1)
    compute = _computations(conv, parts, machine)[band, out, part]
    load, store, compute = (np.tile(steps, conv.groups) for steps in (load, store, compute))
    if not machine.buffers.double_buffered:
        return int(load.sum() + compute.sum() + store.sum())
    meanwhile = np.append(load[1:], 0) + np.append(0, store[:-1])
    return int(load[0] + np.maximum(compute, meanwhile).sum() + store[-1])


def array_total(conv: Convolution, parts: Pieces, machine: Machine) -> ArrayCycles:
    """The array's own cycles, over all tiles of all groups."""
    array, flow = _grid(machine)
    total = streamed = 0
    pixels, outputs, inputs = (Counter(axis).items() for axis in (_pixels(conv, parts), *parts[1:]))
    for m, bands in pixels:
        for n, outs in outputs:
            for channels, slices in inputs:
                tile = array_cycles(Gemm(m, n, channels * conv.taps), array, flow)
                tiles = bands * outs * slices * conv.groups
                total += tiles * tile.total
                streamed += tiles * tile.streamed
    return ArrayCycles(total, streamed)


def least_cycles(array: ArrayCycles, dram_bytes: int, machine: Machine) -> int:
    """Cycles that no schedule beats, from the totals of its two resources."""
    moving = int(machine.dram.moving_cycles(dram_bytes))
    if machine.buffers.double_buffered:
        return max(array.total, moving)
    return array.total + moving


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


def _transfers(conv: Convolution, parts: Pieces, machine: Machine) -> Transfers:
    rows = np.array([band.in_rows for band in parts.bands])
    pixels = np.array(_pixels(conv, parts))
    outs, ins = np.array(parts.out_channels), np.array(parts.in_channels)
    latency, width = machine.dram.latency_cycles, machine.operand_bytes

    def cycles(elements: Ints) -> Ints:
        busy = latency + machine.dram.moving_cycles(elements * width)
        return np.where(elements > 0, busy, 0)  # a tile may lie in the padding altogether

    return Transfers(
        ifmap=cycles(np.multiply.outer(rows * conv.width, ins)),
        filter=cycles(np.multiply.outer(outs * conv.taps, ins)),
        ofmap=cycles(np.multiply.outer(pixels, outs)),
    )


def _computations(conv: Convolution, parts: Pieces, machine: Machine) -> Ints:
    """The array's cycles per (band, out, slice), one evaluation per distinct size."""
    array, flow = _grid(machine)
    axes = (_pixels(conv, parts), parts.out_channels, parts.in_channels)
    (ms, m), (ns, n), (ks, k) = (np.unique(axis, return_inverse=True) for axis in axes)
    distinct = np.array(
        [
            [[array_cycles(Gemm(m, n, k), array, flow).total for k in ks * conv.taps] for n in ns]
            for m in ms
        ]
    )
    return distinct[np.ix_(m, n, k)]


def _pixels(conv: Convolution, parts: Pieces) -> list[int]:
    return [band.out_rows * conv.out_width for band in parts.bands]


def _grid(machine: Machine) -> tuple[Array, Dataflow]:
    """Array and dataflow of a systolic machine; ``ValueError`` for another kind."""
    one_of(f"dataflow of {machine.name}, to be costed,", machine.dataflow, DATAFLOWS)
    assert isinstance(machine.array, Array)  # noqa: S101 - the machine has checked it
    return machine.array, DATAFLOWS[machine.dataflow]
