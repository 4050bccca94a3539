"""The best of all mappings into equal tiles, for one layer on one machine.

Every combination of divisors of output channels, input channels, rows (of one image) and images
(whole ones) in both loop orders is a row of the same columns that ``budgets`` works on. An axis
with more than ``MOST_SIZES`` divisors is thinned to that many, the smallest and largest among them.
"""

from itertools import product

import numpy as np

from hwsim.batch.budgets import budgets
from hwsim.batch.mapping import Bools, Tiles
from hwsim.batch.tables import Ints, layer_table, machine_table
from hwsim.heuristic import fewest_rows
from hwsim.integers import divisors
from hwsim.machine import OPERANDS, Buffers, Machine
from hwsim.tiling import ORDERS, Tiling
from hwsim.workload import Convolution

MOST_SIZES = 32
"""Sizes that are tried along an axis: ours, so that no layer takes longer than others."""


def uniform_tilings(conv: Convolution) -> list[Tiling]:
    """All mappings that are tried, whether or not they fit."""
    return [
        Tiling(int(images), int(rows), int(outs), int(ins), order)
        for images, rows, outs, ins in uniform_sizes(conv)
        for order in ORDERS
    ]


def best_uniform(conv: Convolution, machine: Machine) -> Tiling | None:
    """The mapping with the fewest cycles, then the fewest bytes; ``None`` if none fits."""
    layers, machines = layer_table([conv]), machine_table([machine])
    sizes = uniform_sizes(conv)
    images, rows, outputs, channels = (column.repeat(len(ORDERS)) for column in sizes.T)
    filter_outer = np.tile([order == "filter-outer" for order in ORDERS], len(sizes))
    one = np.zeros(len(images), np.int64)
    layer, unit = layers.rows(one), machines.rows(one)
    cut = Tiles(
        images=images,
        rows=rows,
        outputs=outputs,
        channels=channels,
        batches=layer["batch"] // images,
        bands=layer["out_height"] // rows,
        outs=layer["outs"] // outputs,
        slices=layer["ins"] // channels,
        filter_outer=filter_outer,
        fits=fitting(conv, machine, np.stack([images, rows, outputs, channels])),
    )
    if not cut.fits.any():
        return None
    got = budgets(layer, unit, cut, int(machines.columns["kind"][0]))
    where = np.flatnonzero(cut.fits)
    best = int(where[np.lexsort((got.dram_bytes[where], got.cycles[where]))[0]])
    chosen = [int(column[best]) for column in (images, rows, outputs, channels)]
    return Tiling._make([*chosen, ORDERS[int(filter_outer[best])]])


def uniform_sizes(conv: Convolution) -> Ints:
    """Images, rows, outputs and channels of every tile that is tried, one row each."""
    outs, ins = conv.out_channels // conv.groups, conv.in_channels // conv.groups
    fewest, height = fewest_rows(conv), conv.out_height
    pixels = [(1, rows) for rows in _thinned(height) if fewest <= rows < height]
    pixels += [(images, height) for images in _thinned(conv.batch)]
    combined = [
        (images, rows, out, part)
        for (images, rows), out, part in product(pixels, _thinned(outs), _thinned(ins))
    ]
    return np.array(combined, np.int64)


def _thinned(whole: int) -> list[int]:
    """Divisors of an axis, or ``MOST_SIZES`` of them."""
    found = divisors(whole)
    if len(found) <= MOST_SIZES:
        return found
    chosen = np.linspace(0, len(found) - 1, MOST_SIZES).round().astype(int)
    return [found[index] for index in chosen]


def fitting(conv: Convolution, machine: Machine, sizes: Ints) -> Bools:
    """Which tiles have room, as ``hwsim.tiling.fits`` finds for one."""
    images, rows, outputs, channels = sizes
    extent = conv.dilation * (conv.kernel_h - 1) + 1
    dense = extent >= conv.stride
    lines = (rows - 1) * conv.stride + extent if dense else rows * extent
    needed = (
        images * np.minimum(lines, conv.height) * conv.width * channels * machine.operand_bytes,
        outputs * channels * conv.taps * machine.operand_bytes,
        images * rows * conv.out_width * outputs * machine.accumulator_bytes,
    )
    buffers = machine.buffers
    held = [size * tiles for size, tiles in zip(needed, buffers.tiles_held, strict=True)]
    return _has_room(held, buffers)


def _has_room(held: list[Ints], buffers: Buffers) -> Bools:
    room = (buffers.ifmap_bytes, buffers.filter_bytes, buffers.ofmap_bytes)
    fits = np.logical_and.reduce([size <= most for size, most in zip(held, room, strict=True)])
    if buffers.shared_bytes is None:
        return fits
    pairs = zip(OPERANDS, held, strict=True)
    together = sum(size for name, size in pairs if name in buffers.shared)
    return fits & (together <= buffers.shared_bytes)
