"""Kernel form of pixel-shift attention: a convolution whose kernel depends on the pixel.

    y[p] = b + Σ_δ (w_c[δ] + Σ_d w_a[d,δ]·diag(x[p+δ+L·d]))·x[p+δ]
         = b + Σ_δ (w_c[δ]·x[p+δ] + Σ_d w_a[d,δ]·(x[p+δ+L·d] ⊙ x[p+δ]))

"static plus content-dependent", the article's sentence. Both padding of the convolution and
boundary of the shift are free, in all four combinations: x[p+δ] is read first, padded, and what
multiplies it is the *shifted* map at the same, padded place.

Stored (``dynamic_kernel``, ``dynamic_conv2d``) it is o·c·K² numbers for every output pixel: for 3×3
and 128 channels at 28², 441 MiB in binary32. ``kernel_form`` evaluates the second line and stores
none of it.

Source: Chen, Wang and Ni, "X-volution", arXiv:2106.02253 (2021), as its authors' article describes
it.
"""

from math import prod
from typing import Any

import numpy as np

from refimpl.arrays import Array, Pair, Shaped, shaped
from refimpl.fuse import MergeError, PaddingMode, embed
from refimpl.ops.conv2d import ConvGeometry, conv_geometry, same_padding
from refimpl.ops.shift import Boundary, shift
from refimpl.ops.shift_product import FOUR_DIRECTIONS, Directions, offsets

MOST_BYTES = 2**28  # ours: stored kernels are for looking at, not for computing with


@shaped
def dynamic_kernel(
    x: Shaped[Array, "n c h w"],
    w_c: Shaped[Array, "o c k_h k_w"],
    w_a: Shaped[Array, "o dc a_h a_w"],
    *,
    directions: Directions = FOUR_DIRECTIONS,
    length: int = 1,
    boundary: Boundary = "circular",
    padding_mode: PaddingMode = "zero",
    stride: Pair = 1,
    dilation: Pair = 1,
    most_bytes: int = MOST_BYTES,
) -> Shaped[Array, "n o c s_h s_w i j"]:
    """The kernel at every output pixel: static plus content-dependent. Stored: small cases only.

    Raises
    ------
    ValueError
        If the kernels would take more than ``most_bytes``.
    """
    support = max(w_c.shape[2], w_a.shape[2]), max(w_c.shape[3], w_a.shape[3])
    static, kernels = embed(w_c, support), embed(w_a, support)
    geometry = same_geometry(x, static.shape[:2], support, stride, dilation)
    dtype = np.result_type(x, w_c, w_a)
    shape = (len(x), *static.shape, *geometry.output)
    check_size(shape, dtype, most_bytes, "kernel_form")
    copies = [
        spread(shift(x, offset=d, boundary=boundary), geometry, padding_mode)
        for d in offsets(directions, length)
    ]
    dynamic = np.zeros(shape, dtype) + static[None, ..., None, None]
    for u, v, window in geometry.taps():
        for kernel, copy in zip(np.split(kernels, len(copies), axis=1), copies, strict=True):
            seen = copy[window][:, None]
            dynamic[:, :, :, u, v] = (
                dynamic[:, :, :, u, v] + kernel[None, :, :, u, v, None, None] * seen
            )
    return dynamic


@shaped
def dynamic_conv2d(
    x: Shaped[Array, "n c h w"],
    kernels: Shaped[Array, "n o c k_h k_w i j"],
    b: Shaped[Array, " o"] | None = None,
    *,
    stride: Pair = 1,
    dilation: Pair = 1,
    padding_mode: PaddingMode = "zero",
) -> Shaped[Array, "n o i j"]:
    """Convolve with a kernel of its own at every output pixel, "same" padding."""
    sides = kernels.shape[3], kernels.shape[4]
    geometry = same_geometry(x, kernels.shape[1:3], sides, stride, dilation)
    padded = spread(x, geometry, padding_mode)
    y = np.zeros((len(x), kernels.shape[1], *geometry.output), np.result_type(x, kernels))
    for u, v, window in geometry.taps():
        y = y + (kernels[:, :, :, u, v] * padded[window][:, None]).sum(axis=2)
    return y if b is None else y + b[:, None, None]


@shaped
def kernel_form(
    x: Shaped[Array, "n c h w"],
    w_c: Shaped[Array, "o c k_h k_w"],
    w_a: Shaped[Array, "o dc a_h a_w"],
    b: Shaped[Array, " o"] | None = None,
    *,
    directions: Directions = FOUR_DIRECTIONS,
    length: int = 1,
    boundary: Boundary = "circular",
    padding_mode: PaddingMode = "zero",
    stride: Pair = 1,
    dilation: Pair = 1,
) -> Shaped[Array, "n o i j"]:
    """Evaluate the kernel form tap by tap, without storing a kernel."""
    support = max(w_c.shape[2], w_a.shape[2]), max(w_c.shape[3], w_a.shape[3])
    static, kernels = embed(w_c, support), embed(w_a, support)
    geometry = same_geometry(x, static.shape[:2], support, stride, dilation)
    image = spread(x, geometry, padding_mode)
    gates = [
        spread(shift(x, offset=d, boundary=boundary), geometry, padding_mode)
        for d in offsets(directions, length)
    ]
    y = np.zeros((len(x), len(w_c), *geometry.output), np.result_type(x, w_c, w_a))
    for u, v, window in geometry.taps():
        seen = image[window]
        y = y + _mix(static[:, :, u, v], seen)
        for kernel, gate in zip(np.split(kernels, len(gates), axis=1), gates, strict=True):
            y = y + _mix(kernel[:, :, u, v], gate[window] * seen)
    return y if b is None else y + b[:, None, None]


def same_geometry(
    x: Array, channels: tuple[int, ...], sides: tuple[int, int], stride: Pair, dilation: Pair
) -> ConvGeometry:
    """Where a "same" convolution of x with kernels of (out, in) channels and these sides reads."""
    shape = (*channels, *sides)
    padding = same_padding(sides, dilation)
    return conv_geometry(x.shape, shape, stride=stride, padding=padding, dilation=dilation)


def spread(x: Array, geometry: ConvGeometry, mode: PaddingMode) -> Array:
    """Surround the image with zeros, or with itself.

    Raises
    ------
    MergeError
        If there is no such padding.
    """
    if mode == "zero":
        return geometry.pad(x)
    if mode != "circular":
        raise MergeError("padding mode", f"padding must be 'zero' or 'circular', not {mode!r}")
    (rows, cols), (height, width) = geometry.padding, x.shape[2:]
    return x[:, :, np.arange(-rows, height + rows) % height][
        :, :, :, np.arange(-cols, width + cols) % width
    ]


def check_size(shape: tuple[int, ...], dtype: Any, most: int, instead: str) -> None:
    """Refuse to store kernels of more than ``most`` bytes; ``instead`` is what to call.

    Raises
    ------
    ValueError
        One sentence with the size and the alternative.
    """
    size = prod(shape) * np.dtype(dtype).itemsize
    if size > most:
        raise ValueError(
            f"stored kernels must take at most {most} bytes, not the {size} of {shape}: evaluate "
            f"them factorised, with {instead}"
        )


def _mix(matrix: Array, seen: Array) -> Array:
    """Matrix product over channels: (o c) by (n c i j) gives (n o i j)."""
    n, c, i, j = seen.shape
    return np.matmul(matrix, seen.reshape(n, c, i * j)).reshape(n, len(matrix), i, j)
