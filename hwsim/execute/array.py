"""A convolution on the array, tile by tile.

The walk is that of ``hwsim.tiling``: group after group; bands of rows and pieces of output channels
in the order of the tiling; slices of input channels innermost. A tile reads its input from a buffer
that holds the rows its windows span, of its images and channels, and nothing else; a row that is
missing there is an error, not a zero. Sums stay until the last slice, and then are stored.
"""

from collections.abc import Callable, Iterator
from itertools import product as pairs
from math import prod
from typing import Any, NamedTuple

import numpy as np

from hwsim.execute.measured import Measured
from hwsim.lowering.views import Numbers
from hwsim.tiling import Tiling
from hwsim.workload import Convolution

Product = Callable[[Numbers, Numbers, Convolution], Numbers]
"""Sums (pixels, outs) of windows (images, rows, cols, ins, taps) and kernels (outs, ins, taps)."""


def matrix_of_windows(windows: Numbers, kernels: Numbers, _: Convolution) -> Numbers:
    """The product of one tile as a matrix of windows by one of kernels."""
    return windows.reshape(prod(windows.shape[:3]), -1) @ kernels.reshape(len(kernels), -1).T


class Tile(NamedTuple):
    """Ranges of one tile; channels are counted within ``group``."""

    group: int
    images: range
    rows: range
    outs: range
    ins: range


def convolve(
    conv: Convolution,
    tiling: Tiling,
    operands: list[Numbers],
    count: Measured,
    product: Product = matrix_of_windows,
) -> Numbers:
    """Output of ``conv`` on x, w and perhaps what the sums start from, as the tiles make it."""
    x, w, *start = operands
    shape = (conv.batch, conv.out_channels, conv.out_height, conv.out_width)
    out = np.zeros(shape, np.result_type(*operands))
    if start:
        first = start[0]
        out = out + (first[:, None, None] if first.ndim == 1 else first.reshape(shape))
    ins, outs = conv.in_channels // conv.groups, conv.out_channels // conv.groups
    held: dict[str, tuple[object, Any]] = {}
    for tile in tiles(conv, tiling):
        wanted = [(image, row) for image in tile.images for row in rows_of(conv, tile.rows)]
        channels = slice(tile.group * ins + tile.ins.start, tile.group * ins + tile.ins.stop)
        where = (tile.group, tile.images, tile.rows, tile.ins)
        if held.get("ifmap", (None,))[0] != where:
            held["ifmap"] = where, {at: x[at[0], channels, at[1]] for at in wanted}
            count.loaded += len(wanted) * len(tile.ins) * conv.width
        kernels = slice(tile.group * outs + tile.outs.start, tile.group * outs + tile.outs.stop)
        which = (tile.group, tile.outs, tile.ins)
        if held.get("filter", (None,))[0] != which:
            held["filter"] = which, w[kernels, tile.ins.start : tile.ins.stop]
            count.loaded += len(tile.outs) * len(tile.ins) * conv.taps
        sums = _tile_product(conv, tile, held["ifmap"][1], held["filter"][1], count, product)
        for image, block in zip(tile.images, sums, strict=True):
            place = (image, kernels, slice(tile.rows.start, tile.rows.stop))
            out[place] = out[place] + block
        if tile.ins.stop == ins:
            count.stored += sums.size
    return out


def tiles(conv: Convolution, tiling: Tiling) -> Iterator[Tile]:
    """Tiles in the order they run; the last along an axis may be smaller."""
    bands = list(pairs(_cut(conv.batch, tiling.images), _cut(conv.out_height, tiling.rows)))
    pieces = _cut(conv.out_channels // conv.groups, tiling.out_channels)
    slices = _cut(conv.in_channels // conv.groups, tiling.in_channels)
    walk = (
        [(band, outs) for band in bands for outs in pieces]
        if tiling.order == "ifmap-outer"
        else [(band, outs) for outs in pieces for band in bands]
    )
    for group in range(conv.groups):
        for (images, rows), outs in walk:
            for ins in slices:
                yield Tile(group, images, rows, outs, ins)


def rows_of(conv: Convolution, rows: range) -> list[int]:
    """Input rows that windows of these output rows span, padding left out."""
    spanned = {
        row * conv.stride + reach - conv.padding
        for row in rows
        for reach in range(conv.dilation * (conv.kernel_h - 1) + 1)
    }
    return sorted(row for row in spanned if 0 <= row < conv.height)


def _tile_product(
    conv: Convolution,
    tile: Tile,
    lines: dict[tuple[int, int], Numbers],
    kernels: Numbers,
    count: Measured,
    product: Product,
) -> Numbers:
    """Sums of one tile (images, outs, rows, columns), as the array makes them."""
    windows = np.zeros(
        (len(tile.images), len(tile.rows), conv.out_width, len(tile.ins), conv.taps),
        np.result_type(*lines.values(), kernels) if lines else kernels.dtype,
    )
    for (at, image), (line, row) in pairs(enumerate(tile.images), enumerate(tile.rows)):
        for tap, (u, v) in enumerate(np.ndindex(conv.kernel_h, conv.kernel_w)):
            below = row * conv.stride + u * conv.dilation - conv.padding
            if not 0 <= below < conv.height:
                continue
            for column in range(conv.out_width):
                right = column * conv.stride_across + v * conv.dilation - conv.padding
                if 0 <= right < conv.width:
                    windows[at, line, column, :, tap] = lines[image, below][:, right]
    sums = product(windows, kernels.reshape(len(tile.outs), len(tile.ins), conv.taps), conv)
    count.macs += windows.size * len(tile.outs)
    return sums.reshape(len(tile.images), len(tile.rows), conv.out_width, len(tile.outs)).transpose(
        0, 3, 1, 2
    )


def _cut(total: int, size: int) -> list[range]:
    return [range(start, min(start + size, total)) for start in range(0, total, size)]
