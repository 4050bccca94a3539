"""Convolution, fast: the signature and equation of ``refimpl.conv2d``, for float32 and float64.

Forward and both gradients are products of panels packed on the way (``product``, ``weights``); no
unfolded image is stored. Memory: the result; 150 KB a thread; for ∂x the kernels once more, turned;
for ∂w see ``weights``. Groups of few outputs (depthwise) go plane by plane, without any of it. An
argument that is not contiguous is copied.
"""

from typing import Any

import numpy as np
from numba import njit, prange

from refimpl.arrays import Array, Pair, Shaped, check_upstream, shaped
from refimpl.fast.arguments import floating
from refimpl.fast.channels import convolve_channels, pull_channels
from refimpl.fast.transpose import transpose
from refimpl.fast.weights import multiply_gradients
from refimpl.ops.conv2d import Conv2dGrads, ConvGeometry, conv_geometry
from refimpl.panels.product import Grid, Image, multiply_windows
from refimpl.panels.reach import PLAIN, forward_grid, tap_offsets

NARROW = 4  # ours: with fewer outputs a group, plane by plane is faster than panels
BLOCK = 32  # ours: channels of a matrix turned about at a time, whole cache lines of them
FEW = 8  # ours: channels of kernels turned about at a time: streams that are written side by side


@shaped
def conv2d(
    x: Shaped[Array, "n c h w"],
    w: Shaped[Array, "o c_g k_h k_w"],
    b: Shaped[Array, " o"] | None = None,
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Shaped[Array, "n o i j"]:
    """Convolve a batch of images ``x`` with a bank of kernels ``w``.

    Raises
    ------
    ValueError
        If channels, groups, kernel and image do not fit together, or the arrays are not all float32
        or all float64.
    """
    geometry = conv_geometry(
        x.shape, w.shape, stride=stride, padding=padding, dilation=dilation, groups=groups
    )
    x, w, b = floating("conv2d", x=x, w=w, b=np.zeros(len(w), w.dtype) if b is None else b)
    y = np.empty((len(x), len(w), *geometry.output), x.dtype)
    o, c = len(w) // groups, w.shape[1]
    if groups > 1 and o < NARROW:
        flat = w.reshape(*w.shape[:2], -1)
        convolve_channels(x, flat, b, y, tap_offsets(geometry), *geometry.stride)
        return y
    for g in range(groups):
        multiply_windows(
            x, x, w[g * o : (g + 1) * o], b[g * o : (g + 1) * o], y,
            image=Image.of(x, g * c, c),
            grid=forward_grid(len(w), geometry, g * o, o),
            taps=tap_offsets(geometry), offsets=PLAIN,
        )  # fmt: skip
    return y


@shaped
def conv2d_backward(
    dy: Shaped[Array, "n o i j"],
    x: Shaped[Array, "n c h w"],
    w: Shaped[Array, "o c_g k_h k_w"],
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Conv2dGrads:
    """Pull ``dy``, the gradient of the output, back to the images, the kernels and the bias."""
    geometry = conv_geometry(
        x.shape, w.shape, stride=stride, padding=padding, dilation=dilation, groups=groups
    )
    check_upstream("conv2d", dy, (len(x), len(w), *geometry.output))
    dy, x, w = floating("conv2d_backward", dy=dy, x=x, w=w)
    o, c = len(w) // groups, w.shape[1]
    if groups > 1 and o < NARROW:
        dx, dw = np.zeros_like(x), np.zeros_like(w)
        flat_w, flat_dw = (each.reshape(*w.shape[:2], -1) for each in (w, dw))
        pull_channels(dy, x, flat_w, dx, flat_dw, tap_offsets(geometry), *geometry.stride)
        return Conv2dGrads(dx, dw, dy.sum(axis=(0, 2, 3)))
    dx, dw = image_gradient(dy, w, x.shape, geometry, groups), np.empty_like(w)
    for g in range(groups):
        multiply_gradients(
            dy, x, x, dw[g * o : (g + 1) * o].reshape(o, -1),
            image=Image.of(x, g * c, c),
            grid=forward_grid(len(w), geometry, g * o, o),
            taps=tap_offsets(geometry), offsets=PLAIN,
        )  # fmt: skip
    return Conv2dGrads(dx, dw, dy.sum(axis=(0, 2, 3)))


def image_gradient(
    dy: Array, w: Array, shape: tuple[int, ...], geometry: ConvGeometry, groups: int
) -> Array:
    """∂x: for each phase of the stride, a convolution of ∂y with the taps that reach it."""
    phases = [
        [_phase(axis, geometry, shape[2 + axis], p) for p in range(geometry.stride[axis])]
        for axis in (0, 1)
    ]
    dx = np.zeros(shape, dy.dtype)
    o, c = len(w) // groups, w.shape[1]
    bias = np.zeros(c, w.dtype)
    for row, (us, downs, rows) in enumerate(phases[0]):
        for col, (vs, rights, cols) in enumerate(phases[1]):
            if not (len(us) and len(vs) and rows and cols):
                continue
            taps = np.stack(np.broadcast_arrays(downs[:, None], rights), axis=-1).reshape(-1, 2)
            for g in range(groups):
                multiply_windows(
                    dy, dy, _turn(w[g * o : (g + 1) * o], us, vs), bias, dx,
                    image=Image.of(dy, g * o, o),
                    grid=Grid(
                        rows, cols, shape[1], shape[2], shape[3], g * c, c,
                        row, geometry.stride[0], col, geometry.stride[1], 1, 1,
                    ),
                    taps=taps, offsets=PLAIN,
                )  # fmt: skip
    return dx


def _phase(axis: int, geometry: ConvGeometry, size: int, phase: int) -> tuple[Array, Array, int]:
    """Taps that reach the pixels ``phase`` + s·i, what they read of ∂y from i, how many pixels."""
    step, apart, pad = (
        each[axis] for each in (geometry.stride, geometry.dilation, geometry.padding)
    )
    taps = np.arange(geometry.kernel[axis])
    reached = phase + pad - taps * apart
    fits = reached % step == 0
    return taps[fits], reached[fits] // step, max(0, -(-(size - phase) // step))


def _turn(w: Array, us: Array, vs: Array) -> Array:
    """Kernels (o, c, k_h, k_w) as (c, o, chosen taps)."""
    outputs, channels, height, width = w.shape
    chosen = (us[:, None] * width + vs).reshape(-1)
    turned = np.empty((channels, outputs, len(chosen)), w.dtype)
    if height * width == 1:
        _turn_matrix(
            w.ctypes.data, outputs, channels, turned.ctypes.data, w.itemsize, w.dtype.type(0)
        )
    else:
        _turn_taps(w.reshape(outputs, channels, height * width), chosen, turned)
    return turned


@njit(parallel=True, cache=True)
def _turn_matrix(
    w: int, outputs: int, channels: int, turned: int, itemsize: int, like: Any
) -> None:  # fmt: skip
    for block in prange(-(-channels // BLOCK)):
        first, many = block * BLOCK, min(BLOCK, channels - block * BLOCK)
        transpose(
            w, first, channels, outputs, many, turned, first * outputs, outputs, itemsize, like
        )


@njit(parallel=True, cache=True)
def _turn_taps(w: Array, chosen: Array, turned: Array) -> None:
    outputs, channels = w.shape[:2]
    for block in prange(-(-channels // FEW)):
        for o in range(outputs):
            for c in range(block * FEW, min(channels, block * FEW + FEW)):
                source, target = w[o, c], turned[c, o]
                for i, place in enumerate(chosen):
                    target[i] = source[place]
