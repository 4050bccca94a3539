"""Loops over planes: shift products, convolution channel by channel, weighted windows.

A plane is one channel of one image; planes are independent, so they are shared out among threads.
Inner loops run along rows, without a test in them: where a shift wraps around or leaves the image,
or a tap its window, the row is cut into pieces first.
"""

from typing import Any

import numpy as np
from numba import njit, prange

from refimpl.arrays import Array


@njit(cache=True)
def piece(right: int, width: int, circular: bool, number: int) -> tuple[int, int, int]:
    """The first or second stretch of columns j whose j + right lies in the row: begin, end, place.

    Element j reads place + j. Stretches may be empty; a boundary of zeros has only the first.
    """
    if circular:
        right %= width
        if number == 0:
            return 0, width - right, right
        return width - right, width, right - width
    if number == 0:
        return max(0, -right), min(width, width - right), right
    return 0, 0, 0


@njit(cache=True)
def other_row(row: int, down: int, height: int, circular: bool) -> int:
    """The row that a shift reads, −1 outside."""
    row += down
    if circular:
        return row % height
    return row if 0 <= row < height else -1


@njit(cache=True)
def product_plane(
    q: Array, k: Array, out: Array, down: int, right: int, circular: bool
) -> None:  # fmt: skip
    """Out = q ⊙ shift(k, (down, right)) for planes (h, w)."""
    height, width = q.shape
    for row in range(height):
        other = other_row(row, down, height, circular)
        if not circular:
            for j in range(width):
                out[row, j] = 0
        if other >= 0:
            for number in range(2):
                begin, end, place = piece(right, width, circular, number)
                for j in range(begin, end):
                    out[row, j] = q[row, j] * k[other, place + j]


@njit(parallel=True, cache=True, nogil=True)
def products(q: Array, k: Array, offsets: Array, circular: bool, out: Array) -> None:
    """out[n, d·c + channel] = q ⊙ shift(k, d): planes of (n, c, h, w), direction first."""
    n, c = q.shape[:2]
    for task in prange(n * len(offsets) * c):
        image, d, channel = task // (len(offsets) * c), task // c % len(offsets), task % c
        product_plane(
            q[image, channel], k[image, channel], out[image, d * c + channel],
            offsets[d, 0], offsets[d, 1], circular,
        )  # fmt: skip


@njit(cache=True)
def pull_product_plane(
    dy: Array, q: Array, k: Array, dq: Array, dk: Array, down: int, right: int, circular: bool
) -> None:  # fmt: skip
    """Dq += dy ⊙ shift(k, d), dk += shift(dy ⊙ q, −d) for planes."""
    height, width = q.shape
    for row in range(height):
        other = other_row(row, down, height, circular)
        if other >= 0:
            for number in range(2):
                begin, end, place = piece(right, width, circular, number)
                for j in range(begin, end):
                    dq[row, j] += dy[row, j] * k[other, place + j]
                for j in range(begin, end):
                    dk[other, place + j] += dy[row, j] * q[row, j]


@njit(parallel=True, cache=True, nogil=True)
def pull_products(
    dy: Array, q: Array, k: Array, offsets: Array, circular: bool, dq: Array, dk: Array
) -> None:  # fmt: skip
    """Add the gradients of ``products`` to dq and dk, which may be one array."""
    n, c = q.shape[:2]
    for task in prange(n * c):
        image, channel = task // c, task % c
        for d in range(len(offsets)):
            pull_product_plane(
                dy[image, d * c + channel], q[image, channel], k[image, channel],
                dq[image, channel], dk[image, channel], offsets[d, 0], offsets[d, 1], circular,
            )  # fmt: skip


@njit(cache=True)
def reach(size: int, out: int, step: int, tap: int) -> tuple[int, int]:
    """The outputs i, begin ≤ i < end, for which i·step + tap lies in a side of ``size``."""
    return max(0, -(tap // step)), min(out, -((tap - size) // step))


@njit(cache=True)
def convolve_plane(
    x: Array, w: Array, y: Array, taps: Array, down: int, right: int
) -> None:  # fmt: skip
    """Y += Σ_t w[t]·x[i·down + tap_t] for planes; ``w`` (taps,)."""
    for t in range(len(taps)):
        tap_row, tap_col = taps[t, 0], taps[t, 1]
        first, last = reach(x.shape[0], y.shape[0], down, tap_row)
        begin, end = reach(x.shape[1], y.shape[1], right, tap_col)
        weight = w[t]
        for i in range(first, last):
            row = i * down + tap_row
            if right == 1:
                for j in range(begin, end):
                    y[i, j] += weight * x[row, j + tap_col]
            else:
                for j in range(begin, end):
                    y[i, j] += weight * x[row, j * right + tap_col]


@njit(cache=True)
def pull_plane(
    dy: Array, x: Array, w: Array, dx: Array, dw: Array, taps: Array, down: int, right: int
) -> None:  # fmt: skip
    """Add the gradients of ``convolve_plane`` to dx (plane) and dw (taps,)."""
    lanes = np.zeros(dy.shape[1], dy.dtype)
    for t in range(len(taps)):
        tap_row, tap_col = taps[t, 0], taps[t, 1]
        first, last = reach(x.shape[0], dy.shape[0], down, tap_row)
        begin, end = reach(x.shape[1], dy.shape[1], right, tap_col)
        weight = w[t]
        lanes[:] = 0  # one sum a column: the compiler may not reorder a sum, but these are several
        for i in range(first, last):
            row = i * down + tap_row
            for j in range(begin, end):
                lanes[j] += dy[i, j] * x[row, j * right + tap_col]
            for j in range(begin, end):
                dx[row, j * right + tap_col] += weight * dy[i, j]
        dw[t] += lanes.sum()


@njit(parallel=True, cache=True, nogil=True)
def convolve_channels(
    x: Array, w: Array, b: Array, y: Array, taps: Array, down: int, right: int
) -> None:  # fmt: skip
    """A convolution in groups: ``w`` (o, channels of a group, taps), plane by plane."""
    n, o, per = x.shape[0], w.shape[0], w.shape[1]
    each = o // (x.shape[1] // per)  # outputs of a group
    for task in prange(n * o):
        image, out = task // o, task % o
        y[image, out] = b[out]
        for c in range(per):
            plane = x[image, out // each * per + c]
            convolve_plane(plane, w[out, c], y[image, out], taps, down, right)


@njit(parallel=True, cache=True, nogil=True)
def pull_channels(
    dy: Array, x: Array, w: Array, dx: Array, dw: Array, taps: Array, down: int, right: int
) -> None:  # fmt: skip
    """Gradients of ``convolve_channels``, added to dx and dw; a thread owns whole groups."""
    per, groups = w.shape[1], x.shape[1] // w.shape[1]
    each = w.shape[0] // groups
    for group in prange(groups):
        for image in range(x.shape[0]):
            for out in range(group * each, group * each + each):
                for c in range(per):
                    channel = group * per + c
                    pull_plane(
                        dy[image, out], x[image, channel], w[out, c],
                        dx[image, channel], dw[out, c], taps, down, right,
                    )  # fmt: skip


@njit(parallel=True, cache=True, nogil=True)
def convolve_products(
    q: Array, k: Array, w: Array, b: Array, y: Array,
    offsets: Array, circular: bool, taps: Array, down: int, right: int,
) -> None:  # fmt: skip
    """Depthwise: each product map, made in a plane of the thread's own, with its own kernels."""
    n, c = q.shape[:2]
    maps = len(offsets) * c
    each = w.shape[0] // maps
    for task in prange(n * maps):
        image, number = task // maps, task % maps
        d, channel = number // c, number % c
        plane = np.empty(q.shape[2:], q.dtype)
        product_plane(
            q[image, channel], k[image, channel], plane, offsets[d, 0], offsets[d, 1], circular
        )
        for out in range(number * each, number * each + each):
            y[image, out] = b[out]
            convolve_plane(plane, w[out, 0], y[image, out], taps, down, right)


@njit(parallel=True, cache=True, nogil=True)
def pull_convolved_products(
    dy: Array, q: Array, k: Array, w: Array, dq: Array, dk: Array, dw: Array,
    offsets: Array, circular: bool, taps: Array, down: int, right: int,
) -> None:  # fmt: skip
    """Gradients of ``convolve_products``, added to dq, dk (may be one array) and dw."""
    n, c = q.shape[:2]
    each = w.shape[0] // (len(offsets) * c)
    for channel in prange(c):
        plane, back = np.empty(q.shape[2:], q.dtype), np.empty(q.shape[2:], q.dtype)
        for image in range(n):
            one, other = q[image, channel], k[image, channel]
            for d in range(len(offsets)):
                product_plane(one, other, plane, offsets[d, 0], offsets[d, 1], circular)
                back[:] = 0
                number = d * c + channel
                for out in range(number * each, number * each + each):
                    pull_plane(
                        dy[image, out], plane, w[out, 0], back, dw[out, 0], taps, down, right
                    )
                pull_product_plane(
                    back, one, other, dq[image, channel], dk[image, channel],
                    offsets[d, 0], offsets[d, 1], circular,
                )  # fmt: skip


@njit(parallel=True, cache=True, nogil=True)
def window_scores(
    q: Array, k: Array, taps: Array, down: int, right: int, out: Any
) -> None:  # fmt: skip
    """out[n, t, i, j] = Σ_c q[n, c, i, j]·k[n, c, (i, j)·step + tap_t], 0 outside."""
    n, c, rows = q.shape[:3]
    for task in prange(n * rows):
        image, i = task // rows, task % rows
        for t in range(len(taps)):
            out[image, t, i] = 0
            row = i * down + taps[t, 0]
            begin, end = reach(k.shape[3], q.shape[3], right, taps[t, 1])
            if 0 <= row < k.shape[2]:
                for channel in range(c):
                    for j in range(begin, end):
                        out[image, t, i, j] += (
                            q[image, channel, i, j] * k[image, channel, row, j * right + taps[t, 1]]
                        )


@njit(parallel=True, cache=True, nogil=True)
def weigh_windows(
    a: Array, v: Array, taps: Array, down: int, right: int, y: Array
) -> None:  # fmt: skip
    """y[n, c, i, j] = Σ_t a[n, t, i, j]·v[n, c, (i, j)·step + tap_t], 0 outside."""
    n, c = y.shape[:2]
    for task in prange(n * c):
        image, channel = task // c, task % c
        y[image, channel] = 0
        for t in range(len(taps)):
            first, last = reach(v.shape[2], y.shape[2], down, taps[t, 0])
            begin, end = reach(v.shape[3], y.shape[3], right, taps[t, 1])
            for i in range(first, last):
                row = i * down + taps[t, 0]
                for j in range(begin, end):
                    y[image, channel, i, j] += (
                        a[image, t, i, j] * v[image, channel, row, j * right + taps[t, 1]]
                    )


@njit(parallel=True, cache=True, nogil=True)
def spread_windows(
    a: Array, dy: Array, taps: Array, down: int, right: int, dv: Array
) -> None:  # fmt: skip
    """dv[n, c, (i, j)·step + tap_t] += a[n, t, i, j]·dy[n, c, i, j]: the adjoint."""
    n, c = dy.shape[:2]
    for task in prange(n * c):
        image, channel = task // c, task % c
        for t in range(len(taps)):
            first, last = reach(dv.shape[2], dy.shape[2], down, taps[t, 0])
            begin, end = reach(dv.shape[3], dy.shape[3], right, taps[t, 1])
            for i in range(first, last):
                row = i * down + taps[t, 0]
                for j in range(begin, end):
                    dv[image, channel, row, j * right + taps[t, 1]] += (
                        a[image, t, i, j] * dy[image, channel, i, j]
                    )


@njit(parallel=True, cache=True, nogil=True)
def convolve_per_pixel(
    x: Array, kernels: Array, taps: Array, down: int, right: int, y: Array
) -> None:  # fmt: skip
    """y[n, o, p] += Σ_{c,t} kernels[n, o, c, t, p]·x[n, c, p·step + tap_t]."""
    n, o = y.shape[:2]
    for task in prange(n * o):
        image, out = task // o, task % o
        for c in range(x.shape[1]):
            for t in range(len(taps)):
                first, last = reach(x.shape[2], y.shape[2], down, taps[t, 0])
                begin, end = reach(x.shape[3], y.shape[3], right, taps[t, 1])
                for i in range(first, last):
                    row = i * down + taps[t, 0]
                    for j in range(begin, end):
                        y[image, out, i, j] += (
                            kernels[image, out, c, t, i, j]
                            * x[image, c, row, j * right + taps[t, 1]]
                        )
