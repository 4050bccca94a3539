"""Gradient of the kernels of a dense operator: what each window showed, times what came back.

    ∂w[o, (s, c, t)] = Σ_{n,p} ∂y[n, o, p] · z_s[n, c, p·step + tap_t]

with the sources z_s of ``panels.product``, whose panels are multiplied here too. The sum runs over
pixels, so a few hundred of them are packed at a time: the windows as rows, as they lie in memory,
and ∂y turned about, channels side by side. The threads share the turned ∂y and take their own
channels of x; nothing is summed across threads, so the result does not depend on their number, nor
on how many pixels are packed at a time where sums are exact.

Memory: at most 2 MB of ∂y, 300 KB a thread of windows; beyond 256 pixels (binary32, AVX-512) the
gradient once more, turned.
"""

from typing import Any

import numpy as np
from numba import get_num_threads, njit, prange

from refimpl.arrays import Array
from refimpl.fast.transpose import transpose
from refimpl.panels.lanes import tile_width
from refimpl.panels.product import RUN, Buffers, Grid, Image, Sources, find_runs, pack
from refimpl.panels.tile import add_product, write

PANELS = 8  # ours: panels of pixels multiplied at a time, 256 binary32 pixels with AVX-512
ROWS = 256  # ours: windows packed at a time, so that they stay in a second-level cache
TURNED_BYTES = 2**21  # ours: of ∂y turned about at a time


def multiply_gradients(
    dy: Array, q: Array, k: Array, dw: Array,
    *, image: Image, grid: Grid, taps: Array, offsets: Array, circular: bool = False,
) -> None:  # fmt: skip
    """Write the gradient of the ``grid.used`` kernels of a group into ``dw`` (used, s·c·t)."""
    width = tile_width(q.dtype)
    panels = -(-image.n * grid.rows * grid.cols // width)
    terms = dw.size // max(1, len(dw))
    if not panels or not dw.size:
        dw[...] = 0
        return
    across = -(-grid.used // width)
    step = width * PANELS
    held = max(1, TURNED_BYTES // (across * width * q.itemsize * step)) * PANELS
    held = min(held, -(-panels // PANELS) * PANELS)
    turned = np.zeros((across, held * width, width), q.dtype)
    per_chunk = max(1, ROWS // len(taps))
    chunks = -(-image.used // per_chunk)
    workers = min(get_num_threads(), chunks * len(offsets))
    parts = len(taps) * len(offsets)
    sizes = (
        per_chunk * len(taps) * step, PANELS * RUN * 2 * parts * width, PANELS * (parts + 1),
        per_chunk * len(taps) * width,
    )  # fmt: skip
    packed = np.empty((workers, sizes[0]), q.dtype)
    tiles = np.empty((workers, sizes[3]), q.dtype)
    integers = np.empty((workers, sizes[1] + sizes[2]), np.int64)
    own = Buffers(
        packed.ctypes.data, tiles.ctypes.data, integers.ctypes.data,
        integers.ctypes.data + 8 * sizes[1],
        sizes[0], sizes[3], RUN * 2 * parts * width, parts + 1,
    )  # fmt: skip
    sources = Sources(len(taps), len(offsets), taps.ctypes.data, offsets.ctypes.data, circular)
    like = q.dtype.type(0)
    turn = dy.ctypes.data, turned.ctypes.data, like, q.itemsize, image.n, grid, width
    operands = turned.ctypes.data, q.ctypes.data, k.ctypes.data
    if panels <= min(PANELS, held):
        _turn(*turn, 0, panels, held)
        _multiply_once(
            *operands, dw.ctypes.data, like, q.itemsize,
            image, grid, sources, own, sizes, width, panels, held, per_chunk, workers,
        )  # fmt: skip
        return
    result = np.zeros((terms, across * width), q.dtype)
    for first in range(0, panels, held):
        count = min(held, panels - first)
        _turn(*turn, first, count, held)
        _multiply(
            *operands, result.ctypes.data, like, q.itemsize,
            image, grid, sources, own, sizes, width, first, count, held, per_chunk, workers,
        )  # fmt: skip
    _turn_back(result.ctypes.data, terms, across * width, dw.ctypes.data, len(dw), q.itemsize, like)


@njit(parallel=True, cache=True, nogil=True)
def _turn(
    dy: int, turned: int, like: Any, itemsize: int, n: int, grid: Grid, width: int, first: int,
    count: int, held: int,
) -> None:  # fmt: skip
    """turned[o // width, p, o % width] = dy[o, p] for the pixels of ``count`` panels."""
    pixels = grid.rows * grid.cols
    across = -(-grid.used // width)
    for task in prange(count * across):
        panel, o = task // across, task % across * width
        start = (first + panel) * width
        lanes, rows = min(width, n * pixels - start), min(width, grid.used - o)
        to = (o // width * held + panel) * width * width
        done = 0
        while done < lanes:  # one image after another
            image, p = (start + done) // pixels, (start + done) % pixels
            many = min(lanes - done, pixels - p)
            transpose(
                dy, (image * grid.channels + grid.at + o) * pixels + p, pixels, rows, many,
                turned, to + done * width, width, itemsize, like,
            )  # fmt: skip
            done += many


@njit(parallel=True, cache=True, nogil=True)
def _multiply(
    turned: int, q: int, k: int, result: int, like: Any, itemsize: int,
    image: Image, grid: Grid, sources: Sources, buffers: Buffers, sizes: Any,
    width: int, first: int, count: int, held: int, per_chunk: int, workers: int,
) -> None:  # fmt: skip
    taps, total = sources.taps_number, image.n * grid.rows * grid.cols
    chunks = -(-image.used // per_chunk)
    across = -(-grid.used // width)
    tasks = chunks * sources.number
    for worker in prange(workers):
        own = Buffers(
            buffers.packed + worker * sizes[0] * itemsize, 0,
            buffers.runs + worker * (sizes[1] + sizes[2]) * 8,
            buffers.ends + worker * (sizes[1] + sizes[2]) * 8,
            buffers.packed_size, 0, buffers.runs_size, buffers.ends_size,
        )  # fmt: skip
        for panel in range(0, count, PANELS):
            many = min(PANELS, count - panel)
            at = (first + panel) * width
            for g in range(many):
                find_runs(at + g * width, width, image, grid, sources, own, g)
            depth = min(many * width, total - at)
            for task in range(tasks * worker // workers, tasks * (worker + 1) // workers):
                s, c = task // chunks, task % chunks * per_chunk
                channels = min(per_chunk, image.used - c)
                pack(
                    q, k, like, image, grid, sources, own, s, c, channels,
                    width, many, many * width, width,
                )  # fmt: skip
                row = (s * image.used + c) * taps
                for o in range(across):
                    add_product(
                        own.packed, 0, many * width, channels * taps,
                        turned, (o * held + panel) * width * width, depth,
                        result, row * across * width + o * width, across * width, True, like,
                    )  # fmt: skip


@njit(parallel=True, cache=True, nogil=True)
def _multiply_once(
    turned: int, q: int, k: int, dw: int, like: Any, itemsize: int,
    image: Image, grid: Grid, sources: Sources, buffers: Buffers, sizes: Any,
    width: int, panels: int, held: int, per_chunk: int, workers: int,
) -> None:  # fmt: skip
    """All of the sum over few pixels: a tile of results at a time, turned while it is at hand."""
    taps, total = sources.taps_number, image.n * grid.rows * grid.cols
    chunks, terms = -(-image.used // per_chunk), sources.number * image.used * taps
    tasks = chunks * sources.number
    for worker in prange(workers):
        own = Buffers(
            buffers.packed + worker * sizes[0] * itemsize,
            buffers.tiles + worker * sizes[3] * itemsize,
            buffers.runs + worker * (sizes[1] + sizes[2]) * 8,
            buffers.ends + worker * (sizes[1] + sizes[2]) * 8,
            buffers.packed_size, buffers.tile_size, buffers.runs_size, buffers.ends_size,
        )  # fmt: skip
        for g in range(panels):
            find_runs(g * width, width, image, grid, sources, own, g)
        for task in range(tasks * worker // workers, tasks * (worker + 1) // workers):
            s, c = task // chunks, task % chunks * per_chunk
            channels = min(per_chunk, image.used - c)
            pack(
                q, k, like, image, grid, sources, own, s, c, channels,
                width, panels, panels * width, width,
            )  # fmt: skip
            rows = channels * taps
            for o in range(-(-grid.used // width)):
                for place in range(rows * width):
                    write(own.tiles, place, like)
                add_product(
                    own.packed, 0, panels * width, rows, turned, o * held * width * width, total,
                    own.tiles, 0, width, True, like,
                )  # fmt: skip
                transpose(
                    own.tiles, 0, width, rows, min(width, grid.used - o * width),
                    dw, o * width * terms + (s * image.used + c) * taps, terms, itemsize, like,
                )  # fmt: skip


@njit(parallel=True, cache=True, nogil=True)
def _turn_back(
    result: int, rows: int, across: int, dw: int, outputs: int, itemsize: int, like: Any
) -> None:  # fmt: skip
    """dw[o, r] = result[r, o], some rows at a time."""
    for block in prange(-(-rows // ROWS)):
        first = block * ROWS
        transpose(
            result, first * across, across, min(ROWS, rows - first), outputs,
            dw, first, rows, itemsize, like,
        )  # fmt: skip
