"""Weights of their own at every pixel: scores of a window, and sums that they weigh.

With strides of one a tap of the window is one run through memory over many rows at once (``run``).
It meets wrong pixels only where it leaves its row: scores are set to 0 there, and a weight of 0
takes away what was read, unless that is an infinity or a NaN: one at a border may spread.
"""

import numpy as np
from numba import njit, prange

from refimpl.arrays import Array
from refimpl.fast.run import sum_products

PIXELS = 256  # ours: pixels scored at a time, so that their channels stay close for every tap


@njit(cache=True)
def reach(size: int, out: int, step: int, tap: int) -> tuple[int, int]:
    """The outputs i, begin ≤ i < end, for which i·step + tap lies in a side of ``size``."""
    return max(0, -(tap // step)), min(out, -((tap - size) // step))


@njit(parallel=True, cache=True, nogil=True)
def window_scores(
    q: Array, k: Array, taps: Array, down: int, right: int, out: Array
) -> None:  # fmt: skip
    """out[n, t, i, j] = Σ_c q[n, c, i, j]·k[n, c, (i, j)·step + tap_t], 0 outside."""
    n, c, rows, cols = q.shape
    height, width = k.shape[2:]
    flat = down == 1 and right == 1 and cols == width
    block = max(1, PIXELS // max(1, cols)) if flat else 1
    blocks = -(-rows // block)
    lefts, rights = np.arange(c) * (rows * cols), np.arange(c) * (height * width)
    for task in prange(n * blocks):
        image, first = task // blocks, task % blocks * block
        last = min(rows, first + block)
        for t in range(len(taps)):
            sums, tap_row, tap_col = out[image, t], taps[t, 0], taps[t, 1]
            sums[first:last] = 0
            begin, end = reach(width, cols, right, tap_col)
            top, bottom = reach(height, rows, down, tap_row)
            top, bottom = max(top, first), min(bottom, last)
            if begin >= end or top >= bottom:
                continue
            if flat:
                move = tap_row * width + tap_col
                low, high = max(top * cols, -move), min(bottom * cols, height * width - move)
                sum_products(
                    q[image].ctypes.data + low * q.itemsize, lefts.ctypes.data,
                    k[image].ctypes.data + (low + move) * q.itemsize, rights.ctypes.data, c,
                    sums.ctypes.data + low * q.itemsize, high - low, False, q[0, 0, 0, 0],
                )  # fmt: skip
                sums[top:bottom, :begin] = 0
                sums[top:bottom, end:] = 0
                continue
            for i in range(top, bottom):
                for m in range(c):
                    other = k[image, m, i * down + tap_row, begin * right + tap_col :][::right]
                    one, row = q[image, m, i, begin:end], sums[i, begin:end]
                    for j in range(len(row)):
                        row[j] += one[j] * other[j]


@njit(cache=True)
def add_weighed(
    a: Array, v: Array, lefts: Array, rights: Array, sums: Array, low: int, high: int
) -> None:  # fmt: skip
    """sums[p] += Σ_t a[left_t + p]·v[right_t + p] for low ≤ p < high, where v has a place."""
    for t in range(len(rights)):
        begin, end = max(low, -rights[t]), min(high, len(v) - rights[t])
        for p in range(begin, end):
            sums[p] += a[lefts[t] + p] * v[rights[t] + p]


@njit(cache=True)
def weigh_flat(a: Array, v: Array, lefts: Array, rights: Array, sums: Array) -> None:
    """The same for every p of a plane; the middle, where every tap has a place, as runs."""
    size = len(sums)
    edge = min(np.abs(rights).max(), size)
    add_weighed(a, v, lefts, rights, sums, 0, edge)
    if size > 2 * edge:
        sum_products(
            a.ctypes.data + edge * v.itemsize, lefts.ctypes.data,
            v.ctypes.data + edge * v.itemsize, rights.ctypes.data, len(rights),
            sums.ctypes.data + edge * v.itemsize, size - 2 * edge, True, v[0],
        )  # fmt: skip
    add_weighed(a, v, lefts, rights, sums, max(edge, size - edge), size)


@njit(parallel=True, cache=True, nogil=True)
def weigh_windows(
    a: Array, v: Array, taps: Array, down: int, right: int, y: Array
) -> None:  # fmt: skip
    """y[n, c, i, j] = Σ_t a[n, t, i, j]·v[n, c, (i, j)·step + tap_t]; a is 0 outside."""
    n, c, rows, cols = y.shape
    height, width = v.shape[2:]
    size = rows * cols
    flat = down == 1 and right == 1 and cols == width and rows == height
    lefts, rights = np.arange(len(taps)) * size, taps[:, 0] * width + taps[:, 1]
    for task in prange(n * c):
        image, channel = task // c, task % c
        plane, out = v[image, channel], y[image, channel]
        out[:] = 0
        if flat:
            weights = a[image].reshape(len(taps) * size)
            weigh_flat(weights, plane.reshape(size), lefts, rights, out.reshape(size))
            continue
        for t in range(len(taps)):
            top, bottom = reach(height, rows, down, taps[t, 0])
            begin, end = reach(width, cols, right, taps[t, 1])
            for i in range(top, bottom):
                row, weight = out[i], a[image, t, i]
                other = plane[i * down + taps[t, 0]]
                for j in range(begin, end):
                    row[j] += weight[j] * other[j * right + taps[t, 1]]


@njit(parallel=True, cache=True, nogil=True)
def spread_windows(
    a: Array, dy: Array, taps: Array, down: int, right: int, dv: Array
) -> None:  # fmt: skip
    """dv[n, c, (i, j)·step + tap_t] += a[n, t, i, j]·dy[n, c, i, j]: the adjoint."""
    n, c, rows, cols = dy.shape
    height, width = dv.shape[2:]
    size = rows * cols
    flat = down == 1 and right == 1 and cols == width and rows == height
    rights = -(taps[:, 0] * width + taps[:, 1])
    lefts = np.arange(len(taps)) * size + rights
    for task in prange(n * c):
        image, channel = task // c, task % c
        d, out = dy[image, channel], dv[image, channel]
        if flat:
            weights = a[image].reshape(len(taps) * size)
            weigh_flat(weights, d.reshape(size), lefts, rights, out.reshape(size))
            continue
        for t in range(len(taps)):
            top, bottom = reach(height, rows, down, taps[t, 0])
            begin, end = reach(width, cols, right, taps[t, 1])
            for i in range(top, bottom):
                row, weight = out[i * down + taps[t, 0]], a[image, t, i]
                for j in range(begin, end):
                    row[j * right + taps[t, 1]] += weight[j] * d[i, j]


@njit(parallel=True, cache=True, nogil=True)
def convolve_per_pixel(
    x: Array, kernels: Array, taps: Array, down: int, right: int, y: Array, parts: int
) -> None:  # fmt: skip
    """y[n, o, p] += Σ_{c,t} kernels[n, o, c, t, p]·x[n, c, p·step + tap_t].

    The outputs of an image are dealt out in ``parts``; each keeps, for them, what the taps of one
    channel read, p by p.
    """
    n, o, rows, cols = y.shape
    channels, height, width = x.shape[1:]
    size, many = rows * cols, -(-o // parts)
    places = np.arange(len(taps)) * size
    for task in prange(n * parts):
        image, first = task // parts, task % parts * many
        seen = np.zeros((len(taps), rows, cols), x.dtype)
        for c in range(channels):
            for t in range(len(taps)):
                top, bottom = reach(height, rows, down, taps[t, 0])
                begin, end = reach(width, cols, right, taps[t, 1])
                for i in range(top, bottom):
                    source, target = x[image, c, i * down + taps[t, 0]], seen[t, i]
                    for j in range(begin, end):
                        target[j] = source[j * right + taps[t, 1]]
            for out in range(first, min(o, first + many)):
                sum_products(
                    kernels[image, out, c].ctypes.data, places.ctypes.data,
                    seen.ctypes.data, places.ctypes.data, len(taps),
                    y[image, out].ctypes.data, size, True, x[0, 0, 0, 0],
                )  # fmt: skip
