"""Convolution channel by channel: each output map from a few input maps, plane by plane.

A plane is copied once into a frame of zeros, so that no tap needs a test. With strides of one a tap
is then one run through memory, over all rows, and three taps are taken at a time.
"""

from typing import TypeAlias

import numpy as np
from numba import njit, prange

from refimpl.arrays import Array
from refimpl.fast.run import sum_scaled
from refimpl.fast.shifts import multiply_shifted, pull_shifted

LANES = 64  # ours: sums kept apart, enough for two chains of the widest vectors

Frame: TypeAlias = tuple[int, int, int, int]
"""Where a plane lies in its frame of zeros (top, left), and how large that is (height, width).

A tuple without names: Numba's parallel loops cannot take a named one that was made beside them.
"""


@njit(cache=True)
def frame_of(
    taps: Array, down: int, right: int, height: int, width: int, rows: int, cols: int
) -> Frame:  # fmt: skip
    """The frame in which every tap of every output (rows, cols) finds a number."""
    top, left = max(0, -taps[:, 0].min()), max(0, -taps[:, 1].min())
    return (
        top, left,
        top + max(height, (rows - 1) * down + taps[:, 0].max() + 1),
        left + max(width, (cols - 1) * right + taps[:, 1].max() + 1),
    )  # fmt: skip


@njit(cache=True)
def tap_places(taps: Array, frame: Frame) -> Array:
    """Where each tap reads in a frame, from the start of the row of the output."""
    top, left, _, pitch = frame
    return (taps[:, 0] + top) * pitch + taps[:, 1] + left


@njit(cache=True)
def fill_frame(plane: Array, frame: Frame, framed: Array) -> None:
    """Copy a plane into its place in a frame (height, width) of zeros."""
    top, left, _, _ = frame
    for i in range(plane.shape[0]):
        row, target = plane[i], framed[top + i, left : left + plane.shape[1]]
        for j in range(len(row)):
            target[j] = row[j]


@njit(cache=True)
def add_rows(flat: Array, pitch: int, plane: Array) -> None:
    """Plane += the rows that begin every ``pitch`` numbers of ``flat``."""
    for i in range(plane.shape[0]):
        row, source = plane[i], flat[i * pitch : i * pitch + plane.shape[1]]
        for j in range(len(row)):
            row[j] += source[j]


@njit(cache=True)
def convolve_plane(
    z: Array, places: Array, w: Array, y: Array, down: int, right: int
) -> None:  # fmt: skip
    """Y += Σ_t w[t]·z[(i·down, j·right) + place_t] for a framed plane ``z``; ``w`` (taps,)."""
    pitch, cols = z.shape[1], y.shape[1]
    if right == 1:
        for i in range(y.shape[0]):
            sum_scaled(
                w.ctypes.data, places.ctypes.data, z.ctypes.data + i * down * pitch * z.itemsize,
                places.ctypes.data, len(w), y.ctypes.data + i * cols * z.itemsize, cols, True, w[0],
            )  # fmt: skip
        return
    flat = z.reshape(z.size)
    for i in range(y.shape[0]):
        out = y[i]
        for t in range(len(w)):
            weight, line = w[t], flat[i * down * pitch + places[t] :][::right]
            for j in range(cols):
                out[j] += weight * line[j]


@njit(cache=True)
def pull_plane(
    dy: Array, z: Array, frame: Frame, w: Array, dz: Array, dw: Array,
    taps: Array, down: int, right: int,
) -> None:  # fmt: skip
    """Add the gradients of ``convolve_plane`` to dz (framed) and dw (taps,)."""
    top, left, _, pitch = frame
    rows, cols = dy.shape
    lanes = np.zeros(LANES, dy.dtype)  # sums apart: the compiler may not reorder one sum
    if down == 1 and right == 1:
        size = (rows - 1) * pitch + cols
        spread = np.zeros(-(-size // LANES) * LANES, dy.dtype)
        for i in range(rows):
            spread[i * pitch : i * pitch + cols] = dy[i]
        flat, flat_dz, origin = z.reshape(z.size), dz.reshape(dz.size), top * pitch + left
        for t in range(len(taps)):
            place = origin + taps[t, 0] * pitch + taps[t, 1]
            weight, a, e = w[t], flat[place : place + size], flat_dz[place : place + size]
            for j in range(len(e)):
                e[j] += weight * spread[j]
            lanes[:] = 0
            whole = size // LANES * LANES
            for block in range(0, whole, LANES):
                d, seen = spread[block : block + LANES], a[block : block + LANES]
                for j in range(LANES):
                    lanes[j] += d[j] * seen[j]
            for j in range(whole, size):
                lanes[j - whole] += spread[j] * a[j]
            dw[t] += lanes.sum()
        return
    for t in range(len(taps)):
        weight, total = w[t], lanes[0]
        for i in range(rows):
            row, col = i * down + top + taps[t, 0], left + taps[t, 1]
            d, a, e = dy[i], z[row, col:][::right], dz[row, col:][::right]
            for j in range(cols):
                total += d[j] * a[j]
                e[j] += weight * d[j]
        dw[t] += total


@njit(parallel=True, cache=True, nogil=True)
def convolve_channels(
    x: Array, w: Array, b: Array, y: Array, taps: Array, down: int, right: int
) -> None:  # fmt: skip
    """A convolution in groups: ``w`` (o, channels of a group, taps), plane by plane."""
    n, per = x.shape[0], w.shape[1]
    groups = x.shape[1] // per
    each = w.shape[0] // groups  # outputs of a group
    frame = frame_of(taps, down, right, x.shape[2], x.shape[3], y.shape[2], y.shape[3])
    places = tap_places(taps, frame)
    for task in prange(n * groups):
        image, group = task // groups, task % groups
        z = np.zeros((frame[2], frame[3]), x.dtype)
        for out in range(group * each, group * each + each):
            y[image, out] = b[out]
        for c in range(per):
            fill_frame(x[image, group * per + c], frame, z)
            for out in range(group * each, group * each + each):
                convolve_plane(z, places, w[out, c], y[image, out], down, right)


@njit(parallel=True, cache=True, nogil=True)
def pull_channels(
    dy: Array, x: Array, w: Array, dx: Array, dw: Array, taps: Array, down: int, right: int
) -> None:  # fmt: skip
    """Gradients of ``convolve_channels``, added to dx and dw; a thread owns whole groups."""
    per, groups = w.shape[1], x.shape[1] // w.shape[1]
    each = w.shape[0] // groups
    frame = frame_of(taps, down, right, x.shape[2], x.shape[3], dy.shape[2], dy.shape[3])
    origin, pitch = frame[0] * frame[3] + frame[1], frame[3]
    for group in prange(groups):
        z = np.zeros((frame[2], frame[3]), x.dtype)
        for image in range(x.shape[0]):
            for c in range(per):
                channel = group * per + c
                fill_frame(x[image, channel], frame, z)
                dz = np.zeros_like(z)
                for out in range(group * each, group * each + each):
                    pull_plane(
                        dy[image, out], z, frame, w[out, c], dz, dw[out, c], taps, down, right
                    )
                add_rows(dz.reshape(dz.size)[origin:], pitch, dx[image, channel])


@njit(parallel=True, cache=True, nogil=True)
def convolve_products(
    q: Array, k: Array, w: Array, b: Array, y: Array,
    offsets: Array, circular: bool, taps: Array, down: int, right: int,
) -> None:  # fmt: skip
    """Depthwise: each product map, made in a plane of the thread's own, with its own kernels."""
    n, c = q.shape[:2]
    maps = len(offsets) * c
    each = w.shape[0] // maps
    frame = frame_of(taps, down, right, q.shape[2], q.shape[3], y.shape[2], y.shape[3])
    places = tap_places(taps, frame)
    for task in prange(n * c):
        image, channel = task // c, task % c
        plane, z = np.empty(q.shape[2:], q.dtype), np.zeros((frame[2], frame[3]), q.dtype)
        for d in range(len(offsets)):
            multiply_shifted(
                q[image, channel], False, k[image, channel], offsets[d, 0], offsets[d, 1], circular,
                plane, False,
            )  # fmt: skip
            fill_frame(plane, frame, z)
            number = d * c + channel
            for out in range(number * each, number * each + each):
                y[image, out] = b[out]
                convolve_plane(z, places, w[out, 0], y[image, out], down, right)


@njit(parallel=True, cache=True, nogil=True)
def pull_convolved_products(
    dy: Array, q: Array, k: Array, w: Array, dq: Array, dk: Array, dw: Array,
    offsets: Array, circular: bool, taps: Array, down: int, right: int,
) -> None:  # fmt: skip
    """Gradients of ``convolve_products``, added to dq, dk (may be one array) and dw."""
    n, c = q.shape[:2]
    each = w.shape[0] // (len(offsets) * c)
    frame = frame_of(taps, down, right, q.shape[2], q.shape[3], dy.shape[2], dy.shape[3])
    origin, pitch = frame[0] * frame[3] + frame[1], frame[3]
    for channel in prange(c):
        plane, z = np.empty(q.shape[2:], q.dtype), np.zeros((frame[2], frame[3]), q.dtype)
        for image in range(n):
            one, other = q[image, channel], k[image, channel]
            for d in range(len(offsets)):
                down_d, right_d, number = offsets[d, 0], offsets[d, 1], d * c + channel
                multiply_shifted(one, False, other, down_d, right_d, circular, plane, False)
                fill_frame(plane, frame, z)
                dz = np.zeros_like(z)
                for out in range(number * each, number * each + each):
                    pull_plane(
                        dy[image, out], z, frame, w[out, 0], dz, dw[out, 0], taps, down, right
                    )
                plane[:] = 0
                add_rows(dz.reshape(dz.size)[origin:], pitch, plane)
                pull_shifted(
                    plane, one, other, down_d, right_d, circular,
                    dq[image, channel], dk[image, channel],
                )  # fmt: skip
