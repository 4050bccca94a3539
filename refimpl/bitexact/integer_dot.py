"""Convolutions of narrow integers modulo 2³², fast: pixel by pixel, any order, the same bits.

    sums[n, o, p] = Σ_k rows[o, k] · pixels[n, p, k]        k = (u, v, c): channels innermost

Two's complement sums modulo 2³² do not depend on their order, so the order is the one in which a
processor multiplies and adds 16-bit pairs along k; four pixels share each weight that is read. A
pixel's sum is its own: pixels may run on several threads.
"""

import numpy as np
from numba import njit

from refimpl.arrays import Array
from refimpl.ops.conv2d import ConvGeometry


def sum_narrow(x: Array, w: Array, geometry: ConvGeometry) -> Array:
    """Convolve int16 images (n, c, h, w) with int16 kernels: int32 (n, o, outputs), modulo 2³²."""
    rows = np.ascontiguousarray(w.transpose(0, 2, 3, 1)).reshape(len(w), -1)
    pixels = _pixels(x, geometry)
    sums = np.empty((len(x), len(w), pixels.shape[1]), np.int32)
    for image in range(len(x)):
        _dot(rows, pixels[image], sums[image])
    return sums


def _pixels(x: Array, geometry: ConvGeometry) -> Array:
    """What each output sees, channels innermost: (n, outputs, taps)."""
    padded = np.ascontiguousarray(geometry.pad(x).transpose(0, 2, 3, 1))
    taps = geometry.kernel[0] * geometry.kernel[1]
    seen = np.empty((len(x), *geometry.output, taps, x.shape[1]), x.dtype)
    for at, (_, _, (_, _, rows, cols)) in enumerate(geometry.taps()):
        seen[:, :, :, at] = padded[:, rows, cols]
    return seen.reshape(len(x), -1, taps * x.shape[1])


@njit(cache=True)
def _dot(rows: Array, pixels: Array, sums: Array) -> None:
    outputs, whole = len(rows), len(pixels) // 4 * 4
    for p in range(0, whole, 4):
        first, second, third, fourth = pixels[p], pixels[p + 1], pixels[p + 2], pixels[p + 3]
        for o in range(outputs):
            weights = rows[o]
            a, b, c, d = np.int32(0), np.int32(0), np.int32(0), np.int32(0)
            for k in range(weights.size):
                weight = np.int64(weights[k])
                a = np.int32(np.int64(a) + weight * np.int64(first[k]))
                b = np.int32(np.int64(b) + weight * np.int64(second[k]))
                c = np.int32(np.int64(c) + weight * np.int64(third[k]))
                d = np.int32(np.int64(d) + weight * np.int64(fourth[k]))
            own = sums[o, p : p + 4]
            own[0], own[1], own[2], own[3] = a, b, c, d
    for p in range(whole, len(pixels)):
        pixel = pixels[p]
        for o in range(outputs):
            weights = rows[o]
            a = np.int32(0)
            for k in range(weights.size):
                a = np.int32(np.int64(a) + np.int64(weights[k]) * np.int64(pixel[k]))
            sums[o, p] = a
