"""The plain sums: one accumulator per output, one product after another, in the machine's numbers.

    integer   acc = Σ_k w_k·p_k            modulo 2³² (two's complement); any order, the same bits
    float     acc ← fl(acc + fl(w_k·p_k))   k = 0, 1, 2, …, from acc = 0 or acc = bias

fl rounds to binary32, to nearest, ties to even, subnormals kept. k runs over the taps of a kernel
in the order that ``accumulation.Accumulation`` names; ``mac.py`` sums in every other way.

Source: IEEE 754-2019 for fl; the recurrence is the definition, stated here.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numba import njit

from refimpl.arrays import Array
from refimpl.bitexact.accumulation import Order, term_order
from refimpl.bitexact.dense import multiply_binary32, pays
from refimpl.ops.conv2d import ConvGeometry

BLOCK = 512  # pixels summed side by side; does not change any bit, each has its own accumulator


def patches(
    x: Array, geometry: ConvGeometry, order: Order, tiles: Mapping[str, int] | None = None
) -> Array:
    """Gather what each output sees: (n, c, h, w) to (n, taps in ``order``, outputs).

    Pure data movement; positions in the padding hold 0.
    """
    padded = geometry.pad(x)
    seen = np.stack([padded[window] for _, _, window in geometry.taps()], axis=2)
    flat = seen.reshape(len(x), seen.shape[1] * seen.shape[2], -1)
    return _ordered(flat, (x.shape[1], *geometry.kernel), order, tiles)


def kernel_rows(w: Array, order: Order, tiles: Mapping[str, int] | None = None) -> Array:
    """Lay out kernels (o, c, k_h, k_w) as rows whose columns run in ``order``."""
    return _ordered(w.reshape(len(w), -1), w.shape[1:], order, tiles)


def _ordered(
    flat: Array, sizes: tuple[int, ...], order: Order, tiles: Mapping[str, int] | None
) -> Array:
    """Put axis 1, row-major over (c, u, v), into the declared order."""
    if order == "cuv":
        return np.ascontiguousarray(flat)
    loops = dict(zip("cuv", sizes, strict=True))
    return np.ascontiguousarray(flat[:, term_order(loops, order, tiles or {})])


def sum_int32(rows: Array, columns: Array) -> Array:
    """Integer products summed modulo 2³²: (o, k) by (n, k, p) to int32 (n, o, p)."""
    wide = _run(_sum_int64, rows.astype(np.int64), columns.astype(np.int64), None, np.int64)
    return wide.astype(np.int32)


def sum_float32(rows: Array, columns: Array, start: Array | None = None) -> Array:
    """Binary32 products summed in order: (o, k) by (n, k, p) to float32 (n, o, p).

    ``start`` (o,) is what each accumulator begins with; 0 if None.
    """
    left, right = (each.astype(np.float32, copy=False) for each in (rows, columns))
    if pays(rows.size * columns.shape[0] * columns.shape[2]):
        return multiply_binary32(left, right, start)
    return _run(_sum_float32, left, right, start, np.float32)


def sum_float64(rows: Array, columns: Array) -> Array:
    """The same in binary64, for bounds: products of binary32 values are exact there."""
    return _run(_sum_float64, rows.astype(np.float64), columns.astype(np.float64), None, np.float64)


def channel_statistics(x: Array) -> tuple[Array, Array]:
    """Mean and biased variance of each channel of (n, c, h, w), summed in order in binary64."""
    rows = np.ascontiguousarray(x.transpose(1, 0, 2, 3)).reshape(x.shape[1], -1).astype(np.float64)
    count = rows.shape[1]
    mean = _row_sums(rows) / count
    deviations = rows - mean[:, None]
    return mean, _row_sums(deviations * deviations) / count


def _run(
    kernel: Callable[..., None], rows: Array, columns: Array, start: Array | None, dtype: type[Any]
) -> Array:
    n, _, pixels = columns.shape
    sums = np.empty((n, len(rows), pixels), dtype)
    sums[...] = 0 if start is None else start.astype(dtype)[:, None]
    for image in range(n):
        kernel(rows, columns[image], sums[image], BLOCK)
    return sums


def _sum_in_order(rows: Array, columns: Array, sums: Array, block: int) -> None:
    """Add every product to its own accumulator, k in order; pixels and outputs are independent.

    Four outputs share each pixel that is read. Slices, because their indices cannot be negative.
    """
    outputs, taps = rows.shape
    pixels, whole = columns.shape[1], outputs // 4 * 4
    for first in range(0, pixels, block):
        last = min(first + block, pixels)
        for o in range(0, whole, 4):
            a, b = sums[o, first:last], sums[o + 1, first:last]
            c, d = sums[o + 2, first:last], sums[o + 3, first:last]
            for k in range(taps):
                w_a, w_b, w_c, w_d = rows[o, k], rows[o + 1, k], rows[o + 2, k], rows[o + 3, k]
                seen = columns[k, first:last]
                for p in range(seen.size):
                    a[p] = a[p] + w_a * seen[p]
                    b[p] = b[p] + w_b * seen[p]
                    c[p] = c[p] + w_c * seen[p]
                    d[p] = d[p] + w_d * seen[p]
        for o in range(whole, outputs):
            own = sums[o, first:last]
            for k in range(taps):
                weight, seen = rows[o, k], columns[k, first:last]
                for p in range(seen.size):
                    own[p] = own[p] + weight * seen[p]


def _row_sums_in_order(rows: Array, sums: Array) -> None:
    for c in range(rows.shape[0]):
        total = 0.0
        for k in range(rows.shape[1]):
            total = total + rows[c, k]
        sums[c] = total


def _row_sums(rows: Array) -> Array:
    sums = np.empty(len(rows), np.float64)
    _add_rows(rows, sums)
    return sums


# One text, compiled once per number type; never fast-math, so nothing is contracted or reordered.
_sum_float32 = _sum_float64 = _sum_int64 = njit(cache=True)(_sum_in_order)
_add_rows = njit(cache=True)(_row_sums_in_order)
