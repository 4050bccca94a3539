"""The plain sums in registers: the bits of the loops, on the panels of the fast paths.

    integers   Σ_k w_k·p_k modulo 2³²        any order, the same bits: two channels share a lane
    binary32   acc ← fl(acc + fl(w_k·p_k))   k in the order "cuv"; lanes are pixels, so that every
                                             output keeps a chain of its own

A lane of 32 bits holds channels c and c + ⌈C/2⌉ as 16-bit numbers, which a processor multiplies and
adds in one instruction. In binary32 a product is rounded before it is added, unless the description
itself says fused.

Where there is little to sum, or where what is read is interpreted, the loops stay: the panels take
seconds to compile, once on a machine.
"""

import numpy as np
from numba import config, njit

from refimpl.arrays import Array
from refimpl.ops.conv2d import ConvGeometry, conv_geometry
from refimpl.panels.product import Image, multiply_windows
from refimpl.panels.reach import PLAIN, forward_grid, tap_offsets

FEW = 1 << 22  # ours: products that the loops add up in less than a millisecond


def pays(products: int) -> bool:
    """Whether so many products are worth the panels."""
    return products >= FEW and not config.DISABLE_JIT


def convolve_narrow(x: Array, w: Array, geometry: ConvGeometry) -> Array:
    """Convolve (n, c, h, w) with (o, c, k_h, k_w), 16 bits at most: int32 (n, o, p), modulo 2³²."""
    return _convolve(_paired(x), _paired(w), np.zeros(len(w), np.int32), geometry)


def convolve_binary32(
    x: Array, w: Array, geometry: ConvGeometry, start: Array | None = None, *, fused: bool = False
) -> Array:
    """Convolve float32 images, terms in the order "cuv", from ``start`` (o,): float32 (n, o, p).

    ``fused`` rounds a product and its addition once: fl(acc + w·p).
    """
    begin = np.zeros(len(w), np.float32) if start is None else start.astype(np.float32)
    image, kernels = (np.ascontiguousarray(each) for each in (x, w))
    return _convolve(image, kernels, begin, geometry, fused=fused)


def multiply_binary32(
    rows: Array, columns: Array, start: Array | None = None, *, fused: bool = False
) -> Array:
    """Sum products of float32 (o, k) and (n, k, p), k in order: float32 (n, o, p)."""
    x, w = columns[:, :, None], rows[:, :, None, None]
    return convolve_binary32(x, w, conv_geometry(x.shape, w.shape), start, fused=fused)


def multiply_narrow(rows: Array, columns: Array) -> Array:
    """The same of integers of 16 bits at most: int32, modulo 2³²."""
    x, w = columns[:, :, None], rows[:, :, None, None]
    return convolve_narrow(x, w, conv_geometry(x.shape, w.shape))


def _convolve(
    x: Array, w: Array, start: Array, geometry: ConvGeometry, *, fused: bool = False
) -> Array:
    sums = np.empty((len(x), len(w), *geometry.output), x.dtype)
    multiply_windows(
        x, x, w, start, sums,
        image=Image.of(x), grid=forward_grid(len(w), geometry),
        taps=tap_offsets(geometry), offsets=PLAIN, fused=fused,
    )  # fmt: skip
    return sums.reshape(len(x), len(w), -1)


def _paired(values: Array) -> Array:
    """Channels c and c + ⌈C/2⌉ of (n, C, …) as the lower and upper half of int32 (n, ⌈C/2⌉, …)."""
    n, channels, *rest = values.shape
    half = (channels + 1) // 2
    pairs = np.empty((n, half, *rest), np.int32)
    _pair(np.ascontiguousarray(values).reshape(n, -1), pairs.reshape(n, -1))
    return pairs


@njit(cache=True)
def _pair(values: Array, pairs: Array) -> None:
    size = pairs.shape[1]
    both = values.shape[1] - size
    for n in range(len(values)):
        low, high, own = values[n, :size], values[n, size:], pairs[n]
        for at in range(both):
            own[at] = (np.int32(low[at]) & np.int32(0xFFFF)) | (np.int32(high[at]) << np.int32(16))
        for at in range(both, size):
            own[at] = np.int32(low[at]) & np.int32(0xFFFF)
