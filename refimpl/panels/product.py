"""The product that every dense operator here is: kernels times what their windows see.

    y[n, o, p] = b[o] + Σ_{s,c,t} w[o, (s, c, t)] · z_s[n, c, p·step + tap_t]

with z_s = q (a plain source) or q ⊙ shift(k, d_s) (a product of pixels), 0 outside the image. A
convolution has one plain source; pixel-shift self-attention has one product a direction; fused
X-volution has all of them. Neither z nor its windows are ever stored: a few panels of a few dozen
pixels and a few hundred terms are packed from the image (150 KB a thread), multiplied, forgotten.

What a panel sees through one tap is a handful of *runs*, stretches of lanes whose pixels lie side
by side in memory; they are found once per panel, then copied for every channel.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import get_num_threads, njit, prange

from refimpl.arrays import Array
from refimpl.panels.lanes import tile_width
from refimpl.panels.tile import (
    add_product,
    pack_product,
    pack_product_by_2,
    pack_run,
    pack_run_by_2,
    prefetch,
    read,
    write,
)

DEPTH = 288  # ours: terms of a panel, so that it stays in a 48 KB first-level cache
TOGETHER = 4  # ours: panels packed one after another, so that memory is read in longer stretches
FEW_GROUPS = 16  # ours: below this, a thread's share is split by output channels too
RUN = 4  # integers that describe one: lanes as bits, first lane, place in q, place in k
ALIGNED = 64  # bytes of a cache line
LINE = 16  # binary32 numbers in one


class Image(NamedTuple):
    """Where the operands lie: n images of ``channels`` maps h×w, ``used`` of them from ``at``."""

    n: int
    channels: int
    h: int
    w: int
    at: int
    used: int

    @classmethod
    def of(cls, array: Array, at: int = 0, used: int | None = None) -> "Image":
        """Of an array (n, c, h, w): ``used`` channels from ``at``, by default all."""
        n, c, h, w = array.shape
        return cls(n, c, h, w, at, c - at if used is None else used)


class Grid(NamedTuple):
    """Where the results go, and where each reads.

    Result (i, j) of ``rows`` × ``cols`` is written at (row + i·row_step, col + j·col_step) of the
    output's h×w map, and reads at (i·read_rows, j·read_cols) and the taps' offsets from there.
    """

    rows: int
    cols: int
    channels: int
    h: int
    w: int
    at: int
    used: int
    row: int
    row_step: int
    col: int
    col_step: int
    read_rows: int
    read_cols: int


class Sources(NamedTuple):
    """How many taps and sources, where their offsets lie as pairs of integers, the boundary.

    The offset of a plain source is (0, 0).
    """

    taps_number: int
    number: int
    taps: int
    offsets: int
    circular: bool


class Buffers(NamedTuple):
    """Where a thread works: packed panels, tiles of results, runs and where each part's end."""

    packed: int
    tiles: int
    runs: int
    ends: int
    packed_size: int
    tile_size: int
    runs_size: int
    ends_size: int


def multiply_windows(
    q: Array, k: Array, w: Array, b: Array, y: Array,
    *, image: Image, grid: Grid, taps: Array, offsets: Array, circular: bool = False,
    fused: bool = True,
) -> None:  # fmt: skip
    """Write the product into ``y``; all arrays are contiguous and of one type.

    ``taps`` (t, 2) and ``offsets`` (s, 2) are pairs (down, right) of 64-bit integers. The terms of
    an output are added in the order (s, c, t); ``fused`` and the types are those of ``tile``, int32
    of plain sources only.
    """
    width = tile_width(q.dtype)
    panels = -(-image.n * grid.rows * grid.cols // width)
    if not panels or not grid.used:
        return
    workers = get_num_threads()
    together = max(1, min(TOGETHER, panels // (2 * workers)))
    groups = -(-panels // together)
    splits = 1 if groups >= FEW_GROUPS else min(workers, -(-grid.used // 64))
    workers = min(workers, groups * splits)
    share = -(-grid.used // (splits * 8)) * 8
    parts = len(taps) * len(offsets)
    most_runs = 2 * parts * width
    numbers = (DEPTH + len(taps)) * width, share * width
    sizes = [-(-together * n // ALIGNED) * ALIGNED for n in (*numbers, RUN * most_runs, parts + 1)]
    numeric = np.empty(workers * (sizes[0] + sizes[1]) + ALIGNED, q.dtype)
    integral = np.empty(workers * (sizes[2] + sizes[3]), np.int64)
    packed = numeric.ctypes.data + -numeric.ctypes.data % ALIGNED
    tiles = packed + workers * sizes[0] * q.itemsize
    runs = integral.ctypes.data
    buffers = Buffers(
        packed, tiles, runs, runs + 8 * workers * sizes[2],
        numbers[0], numbers[1], RUN * most_runs, parts + 1,
    )  # fmt: skip
    sources = Sources(len(taps), len(offsets), taps.ctypes.data, offsets.ctypes.data, circular)
    _multiply(
        *(each.ctypes.data for each in (q, k, w, b, y)), q.dtype.type(0), q.itemsize,
        image, grid, sources, buffers, tuple(sizes),
        width, panels, together, splits, share, workers, fused,
    )  # fmt: skip


@njit(parallel=True, cache=True, nogil=True)
def _multiply(
    q: int, k: int, w: int, b: int, y: int, like: Any, itemsize: int,
    image: Image, grid: Grid, sources: Sources, buffers: Buffers, sizes: Any,
    width: int, panels: int, together: int, splits: int, share: int, workers: int, fused: bool,
) -> None:  # fmt: skip
    tasks = -(-panels // together) * splits
    for worker in prange(workers):
        own = Buffers(
            buffers.packed + worker * sizes[0] * itemsize,
            buffers.tiles + worker * sizes[1] * itemsize,
            buffers.runs + worker * sizes[2] * 8,
            buffers.ends + worker * sizes[3] * 8,
            buffers.packed_size, buffers.tile_size, buffers.runs_size, buffers.ends_size,
        )  # fmt: skip
        for task in range(tasks * worker // workers, tasks * (worker + 1) // workers):
            panel, first = task // splits * together, task % splits * share
            rows, count = min(share, grid.used - first), min(together, panels - panel)
            if rows > 0:
                _panels(
                    q, k, w, b, y, like, image, grid, sources, own,
                    width, panel, count, first, rows, fused,
                )  # fmt: skip


@njit(cache=True)
def _panels(
    q: int, k: int, w: int, b: int, y: int, like: Any,
    image: Image, grid: Grid, sources: Sources, own: Buffers,
    width: int, panel: int, count: int, first: int, rows: int, fused: bool,
) -> None:  # fmt: skip
    """Results of ``rows`` output channels in ``count`` panels of ``width`` pixels."""
    taps = sources.taps_number
    depth = image.used * taps
    per_row = depth * sources.number
    for g in range(count):
        find_runs((panel + g) * width, width, image, grid, sources, own, g)
        direct, to, row = _target(grid, (panel + g) * width, width, first)
        target = y if direct else own.tiles
        to += 0 if direct else g * own.tile_size
        for r in range(rows):
            value = read(b, first + r, like)
            for t in range(width):
                write(target, to + r * row + t, value)
    blocks = -(-depth // DEPTH)
    step = -(-image.used // blocks)
    for s in range(sources.number):
        for c in range(0, image.used, step):
            channels = min(step, image.used - c)
            pack(
                q, k, like, image, grid, sources, own, s, c, channels,
                width, count, width, own.packed_size,
            )  # fmt: skip
            for g in range(count):
                direct, to, row = _target(grid, (panel + g) * width, width, first)
                target = y if direct else own.tiles
                to += 0 if direct else g * own.tile_size
                start = first * per_row + s * depth + c * taps
                add_product(
                    w, start, per_row, rows, own.packed, g * own.packed_size, channels * taps,
                    target, to, row, fused, like,
                )  # fmt: skip
    for g in range(count):
        at = (panel + g) * width
        if not _target(grid, at, width, first)[0]:
            lanes = min(width, image.n * grid.rows * grid.cols - at)
            _scatter(own.tiles, g * own.tile_size, y, like, grid, width, at, lanes, first, rows)


@njit(cache=True)
def _target(grid: Grid, at: int, width: int, first: int) -> tuple[bool, int, int]:
    """Whether a panel's results lie side by side in the output; from where; how far apart rows."""
    pixels = grid.rows * grid.cols
    n, p = at // pixels, at % pixels
    if (
        p + width <= pixels
        and grid.row_step == 1
        and grid.col_step == 1
        and grid.rows == grid.h
        and grid.cols == grid.w
    ):
        return True, (n * grid.channels + grid.at + first) * pixels + p, pixels
    return False, 0, width


@njit(cache=True)
def _scatter(
    tile: int, of: int, y: int, like: Any, grid: Grid,
    width: int, at: int, lanes: int, first: int, rows: int,
) -> None:  # fmt: skip
    """Write a tile whose pixels do not lie side by side in the output."""
    pixels, plane = grid.rows * grid.cols, grid.h * grid.w
    for t in range(lanes):
        n, p = (at + t) // pixels, (at + t) % pixels
        i, j = p // grid.cols, p % grid.cols
        place = (grid.row + i * grid.row_step) * grid.w + grid.col + j * grid.col_step
        to = (n * grid.channels + grid.at + first) * plane + place
        for r in range(rows):
            write(y, to + r * plane, read(tile, of + r * width + t, like))


@njit(cache=True)
def find_runs(
    at: int, width: int, image: Image, grid: Grid, sources: Sources, own: Buffers, g: int
) -> None:
    """Describe the runs of panel ``g`` of the group, part by part.

    Part s·taps + t is what source s shows through tap t. The places are those of lane 0, so that
    lane t of a run lies t steps further on, in channel 0.
    """
    pixels, plane = grid.rows * grid.cols, image.h * image.w
    last = min(at + width, image.n * pixels)
    step, count, part = grid.read_cols, 0, 0
    runs, ends = g * own.runs_size, g * own.ends_size
    write(own.ends, ends, 0)
    for s in range(sources.number):
        down, right = read(sources.offsets, 2 * s, 0), read(sources.offsets, 2 * s + 1, 0)
        if sources.circular:
            down, right = down % image.h, right % image.w
        for t in range(sources.taps_number):
            tap_row, tap_col = read(sources.taps, 2 * t, 0), read(sources.taps, 2 * t + 1, 0)
            here = at
            while here < last:  # one row of results after another
                n, p = here // pixels, here % pixels
                i, j = p // grid.cols, p % grid.cols
                stop = min(last - here, grid.cols - j) + j
                row = i * grid.read_rows + tap_row
                other_row = row + down
                if sources.circular and other_row >= image.h:
                    other_row -= image.h
                if 0 <= row < image.h and 0 <= other_row < image.h:
                    base = (n * image.channels + image.at) * plane + tap_col
                    left, other = base + row * image.w, base + other_row * image.w + right
                    lowest, highest = 0, image.w  # columns that are read
                    if not sources.circular:
                        lowest, highest = max(0, -right), image.w - max(0, right)
                    wrap = image.w - right if sources.circular else image.w
                    for piece in range(2):  # before and after the shift wraps around
                        begin = max(lowest, wrap) if piece else lowest
                        end = highest if piece else min(highest, wrap)
                        a = max(j, -((tap_col - begin) // step))
                        z = min(stop, -((tap_col - end) // step))
                        if a < z:
                            lane = here - at + a - j
                            back = (here - at - j) * step
                            to = runs + RUN * count
                            write(own.runs, to, ((1 << (z - a - 1)) * 2 - 1) << lane)
                            write(own.runs, to + 1, lane)
                            write(own.runs, to + 2, left - back)
                            write(own.runs, to + 3, other - back - (image.w if piece else 0))
                            count += 1
                here += stop - j
            part += 1
            write(own.ends, ends + part, count)


@njit(cache=True)
def pack(
    q: int, k: int, like: Any, image: Image, grid: Grid, sources: Sources, own: Buffers,
    s: int, c: int, channels: int, width: int, count: int, row: int, panel: int,
) -> None:  # fmt: skip
    """Pack what ``channels`` channels from ``c`` of source ``s`` show: a row a channel and tap.

    Row r of panel g goes to r·row + g·panel. What follows in memory is asked for at once: it is
    what the next panels will show, and it arrives while these are multiplied.
    """
    taps, plane = sources.taps_number, image.h * image.w
    plain = read(sources.offsets, 2 * s, 0) == 0 and read(sources.offsets, 2 * s + 1, 0) == 0
    for t in range(taps):
        part = s * taps + t
        last_run = RUN * read(own.ends, (count - 1) * own.ends_size + part, 0)
        last = read(own.runs, (count - 1) * own.runs_size + last_run + 2, 0)
        for channel in range(channels):
            to, shift = (channel * taps + t) * row, (c + channel) * plane
            for g in range(count):
                _pack_row(
                    q, k, like, grid.read_cols, plain, shift,
                    own.packed, g * panel + to, width,
                    own.runs + 8 * g * own.runs_size,
                    read(own.ends, g * own.ends_size + part, 0),
                    read(own.ends, g * own.ends_size + part + 1, 0),
                )  # fmt: skip
            if taps == 1:
                ahead = shift + last + width * grid.read_cols
                for line in range(0, count * width * grid.read_cols, LINE):
                    prefetch(q, ahead + line, like)


@njit(cache=True)
def _pack_row(
    q: int, k: int, like: Any, step: int, plain: bool, shift: int,
    panel: int, to: int, width: int, runs: int, begin: int, end: int,
) -> None:  # fmt: skip
    if step == 1 and plain:
        pack_run(q, k, shift, panel, to, runs, begin, end, like)
    elif step == 1:
        pack_product(q, k, shift, panel, to, runs, begin, end, like)
    elif step == 2 and plain:
        pack_run_by_2(q, k, shift, panel, to, runs, begin, end, like)
    elif step == 2:
        pack_product_by_2(q, k, shift, panel, to, runs, begin, end, like)
    else:
        _pack_sparse(q, k, like, step, plain, shift, panel, to, width, runs, begin, end)


@njit(cache=True)
def _pack_sparse(
    q: int, k: int, like: Any, step: int, plain: bool, shift: int,
    panel: int, to: int, width: int, runs: int, begin: int, end: int,
) -> None:  # fmt: skip
    """The same for strides for which there are no instructions, number by number."""
    for lane in range(width):
        write(panel, to + lane, like)
    for run in range(begin, end):
        bits, lane = read(runs, RUN * run, 0), read(runs, RUN * run + 1, 0)
        left, right = read(runs, RUN * run + 2, 0), read(runs, RUN * run + 3, 0)
        while lane < width and bits >> lane & 1:
            value = read(q, shift + left + lane * step, like)
            if plain:
                write(panel, to + lane, value)
            else:
                write(panel, to + lane, value * read(k, shift + right + lane * step, like))
            lane += 1
