"""Products per pixel in three ways, and attention in blocks.

    vector    place after place, products of elements on the vector unit
    small     pixel after pixel, one small matrix product each
    banded    block after block of pixels, one product with all that the block's windows span, of
              which only each pixel's own window is kept: the rest is waste, and counted

All give the same numbers. Where a window reads is found anew here, from the definition.
"""

from collections.abc import Callable, Mapping
from itertools import product as pairs
from typing import TypeAlias

import numpy as np

from hwsim.dynamic import PerPixel, TiledAttention
from hwsim.execute.measured import Measured
from hwsim.lowering.views import Numbers

Spot: TypeAlias = tuple[int, int]
WAYS = ("vector", "small", "banded")
BLOCK = 4  # pixels along each side of a block: that of hwsim.lowering.per_pixel is told, not asked


def per_pixel(
    work: PerPixel, a: Numbers, b: Numbers, way: str, count: Measured, block: int = BLOCK
) -> Numbers:
    """A product per pixel as images, done in one of ``WAYS``."""
    if way not in WAYS:
        raise ValueError(f"a product per pixel must be run in one of {WAYS}, not {way!r}")
    made = np.zeros(_shape(work), np.result_type(a, b))
    left, right = _operands(work, a, b)
    for n, head in np.ndindex(work.batch, work.heads):
        own = left[n, head], right[n, head], made[n, head], count
        if way == "vector":
            _by_place(work, *own)
        elif work.operation in {"mix", "spread", "outer"}:
            for at in np.ndindex(work.out_height, work.out_width):
                _kernel_product(work, at, *own)
        elif way == "small":
            for at in np.ndindex(work.out_height, work.out_width):
                _by_block(work, [at], *own, _places(work, *at))
        else:
            for pixels in _blocks(work, block):
                _by_block(work, pixels, *own, _spanned(work, pixels))
    count.loaded += a.size + b.size
    count.stored += made.size
    return made.reshape(work.batch, -1, *made.shape[-2:])


def attend(work: TiledAttention, q: Numbers, k: Numbers, v: Numbers, count: Measured) -> Numbers:
    """Softmax attention in blocks, with each query's largest score and sum so far."""
    shape = (work.count, work.queries, work.values)
    made = np.zeros(shape, np.result_type(q, k, v, np.float64))
    for each in range(work.count):
        for first in range(0, work.queries, work.query_block):
            queries = q[each, first : first + work.query_block]
            count.loaded += queries.size
            made[each, first : first + len(queries)] = _online(
                work, queries, k[each], v[each], count
            )
    count.stored += made.size
    return made


def _online(
    work: TiledAttention, queries: Numbers, k: Numbers, v: Numbers, count: Measured
) -> Numbers:
    largest = np.full((len(queries), 1), -np.inf)
    sums = np.zeros((len(queries), 1))
    gathered = np.zeros((len(queries), work.values))
    for first in range(0, work.keys, work.key_block):
        keys, values = k[first : first + work.key_block], v[first : first + work.key_block]
        scores = queries @ keys.T
        now = np.maximum(largest, scores.max(axis=1, keepdims=True))
        factor, raised = np.exp(largest - now), np.exp(scores - now)
        sums = sums * factor + raised.sum(axis=1, keepdims=True)
        gathered = gathered * factor + raised @ values
        largest = now
        count.loaded += keys.size + values.size
        count.macs += scores.size * (keys.shape[1] + values.shape[1])
        count.operations += scores.size + sums.size + gathered.size
        count.peak = max(count.peak, scores.size)
    count.operations += gathered.size
    return gathered / sums


def _shape(work: PerPixel) -> tuple[int, ...]:
    grid, image = (work.out_height, work.out_width), (work.height, work.width)
    inner: dict[str, tuple[int, ...]] = {
        "score": (work.taps, *grid),
        "weigh": (work.channels, *grid),
        "scatter": (work.channels, *image),
        "mix": (work.outputs, *grid),
        "spread": (work.channels, *image),
        "outer": (work.outputs, work.channels, work.taps, *grid),
    }
    return work.batch, work.heads, *inner[work.operation]


def _operands(work: PerPixel, a: Numbers, b: Numbers) -> tuple[Numbers, Numbers]:
    """Both operands by image and head; kernels as (o, c, places, i, j)."""
    split = [each.reshape(work.batch, work.heads, -1, *each.shape[2:]) for each in (a, b)]
    left, right = split
    if work.operation in {"mix", "spread"}:
        shape = (work.outputs, work.channels, work.taps, work.out_height, work.out_width)
        left = left.reshape(work.batch, work.heads, *shape)
    return left, right


def _blocks(work: PerPixel, side: int) -> list[list[Spot]]:
    """Pixels of each block, row by row."""
    rows = [range(i, min(i + side, work.out_height)) for i in range(0, work.out_height, side)]
    cols = [range(j, min(j + side, work.out_width)) for j in range(0, work.out_width, side)]
    return [list(pairs(down, right)) for down, right in pairs(rows, cols)]


def _places(work: PerPixel, i: int, j: int) -> list[Spot]:
    """Where pixel (i, j) sees each place of its window; outside the image, where that would be."""
    top = _start(work, i, work.height, work.kernel_h)
    left = _start(work, j, work.width, work.kernel_w)
    return [
        (top + u * work.dilation, left + v * work.dilation)
        for u, v in np.ndindex(work.kernel_h, work.kernel_w)
    ]


def _start(work: PerPixel, at: int, size: int, side: int) -> int:
    start = at * work.stride - work.dilation * (side // 2)
    if work.border == "clamp":
        start = min(max(start, 0), size - 1 - work.dilation * (side - 1))
    return start


def _by_place(
    work: PerPixel, left: Numbers, right: Numbers, made: Numbers, count: Measured
) -> None:
    """Place after place: products of elements over all pixels, added where they belong."""
    one = _ONE[work.operation]
    for place in range(work.taps):
        for i, j in np.ndindex(work.out_height, work.out_width):
            count.macs += work.channels * work.outputs
            row, col = _places(work, i, j)[place]
            if 0 <= row < work.height and 0 <= col < work.width:
                one(left, right, made, place, i, j, row, col)


def _score(left: Numbers, right: Numbers, made: Numbers, place: int, *at: int) -> None:
    i, j, row, col = at
    made[place, i, j] = (left[:, i, j] * right[:, row, col]).sum()


def _weigh(left: Numbers, right: Numbers, made: Numbers, place: int, *at: int) -> None:
    i, j, row, col = at
    made[:, i, j] = made[:, i, j] + left[place, i, j] * right[:, row, col]


def _scatter(left: Numbers, right: Numbers, made: Numbers, place: int, *at: int) -> None:
    i, j, row, col = at
    made[:, row, col] = made[:, row, col] + left[place, i, j] * right[:, i, j]


def _mix(left: Numbers, right: Numbers, made: Numbers, place: int, *at: int) -> None:
    i, j, row, col = at
    made[:, i, j] = made[:, i, j] + (left[:, :, place, i, j] * right[:, row, col]).sum(axis=1)


def _spread(left: Numbers, right: Numbers, made: Numbers, place: int, *at: int) -> None:
    i, j, row, col = at
    terms = left[:, :, place, i, j] * right[:, i, j][:, None]
    made[:, row, col] = made[:, row, col] + terms.sum(axis=0)


def _outer(left: Numbers, right: Numbers, made: Numbers, place: int, *at: int) -> None:
    i, j, row, col = at
    made[:, :, place, i, j] = left[:, i, j][:, None] * right[None, :, row, col]


_ONE: Mapping[str, Callable[..., None]] = {
    "score": _score,
    "weigh": _weigh,
    "scatter": _scatter,
    "mix": _mix,
    "spread": _spread,
    "outer": _outer,
}
"""What one pixel and one place contribute."""


def _by_block(
    work: PerPixel,
    pixels: list[Spot],
    left: Numbers,
    right: Numbers,
    made: Numbers,
    count: Measured,
    spots: list[Spot],
) -> None:
    """One matrix product of some pixels with all ``spots``; each keeps its own window's part."""
    number = {spot: column for column, spot in enumerate(spots)}
    columns = [[number[spot] for spot in _places(work, *at)] for at in pixels]
    if work.operation == "score":
        scores = np.stack([left[:, i, j] for i, j in pixels]) @ _at(right, spots).T
        count.macs += len(pixels) * len(spots) * work.channels
        for at, own, line in zip(pixels, columns, scores, strict=True):
            made[(slice(None), *at)] = line[own]
        return
    banded = np.zeros((len(pixels), len(spots)), left.dtype)
    for at, own, line in zip(pixels, columns, banded, strict=True):
        line[own] = left[(slice(None), *at)]
    count.macs += len(pixels) * len(spots) * work.channels
    if work.operation == "weigh":
        for (i, j), line in zip(pixels, banded @ _at(right, spots), strict=True):
            made[:, i, j] = line
        return
    sums = banded.T @ np.stack([right[:, i, j] for i, j in pixels])
    for (row, col), line in zip(spots, sums, strict=True):
        if 0 <= row < work.height and 0 <= col < work.width:
            made[:, row, col] = made[:, row, col] + line


def _kernel_product(
    work: PerPixel,
    at: Spot,
    left: Numbers,
    right: Numbers,
    made: Numbers,
    count: Measured,
) -> None:
    """One pixel's kernel (o, c·places) times its window, or the adjoints of that."""
    i, j = at
    spots = _places(work, i, j)
    count.macs += work.outputs * work.channels * work.taps
    if work.operation == "spread":
        flat = left[..., i, j].reshape(work.outputs, -1)
        back = (right[:, i, j][None] @ flat).reshape(work.channels, work.taps)
        for (row, col), line in zip(spots, back.T, strict=True):
            if 0 <= row < work.height and 0 <= col < work.width:
                made[:, row, col] = made[:, row, col] + line
        return
    window = _at(right, spots).T.reshape(-1)
    if work.operation == "mix":
        made[:, i, j] = left[..., i, j].reshape(work.outputs, -1) @ window
    else:
        outer = left[:, i, j][:, None] @ window[None]
        made[..., i, j] = outer.reshape(work.outputs, work.channels, work.taps)


def _spanned(work: PerPixel, pixels: list[Spot]) -> list[Spot]:
    """Every spot from the first to the last row and column that windows of these pixels reach."""
    axes = []
    for axis, (size, side) in enumerate(
        ((work.height, work.kernel_h), (work.width, work.kernel_w))
    ):
        starts = [_start(work, at[axis], size, side) for at in pixels]
        axes.append(range(min(starts), max(starts) + work.dilation * (side - 1) + 1))
    rows, cols = axes
    return list(pairs(rows, cols))


def _at(image: Numbers, spots: list[Spot]) -> Numbers:
    """The numbers at some spots of an image (c, h, w), as rows; zeros outside."""
    _, height, width = image.shape
    rows = np.zeros((len(spots), len(image)), image.dtype)
    for line, (row, col) in zip(rows, spots, strict=True):
        if 0 <= row < height and 0 <= col < width:
            line[:] = image[:, row, col]
    return rows
