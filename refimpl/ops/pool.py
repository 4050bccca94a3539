"""Pooling: the largest value of a window, and the mean of the whole image.

    max_pool2d(x)[n,c,i,j]   = max_{u,v} x[n, c, i·s + u − p, j·s + v − p]      −∞ outside the image
    global_avg_pool(x)[n,c]  = (Σ_{h,w} x[n,c,h,w]) / (H·W)

    ∂x of the maximum goes to the first pixel, in row order, that attains it; of the mean it is
    ∂y/(H·W) everywhere.

Source: He et al., "Deep Residual Learning", arXiv:1512.03385 (2015), Table 1, where both stand.
"""

from typing import NamedTuple

import numpy as np

from refimpl.arrays import Array, Pair, Shaped, check_upstream, pair, shaped, zeros_for
from refimpl.ops.conv2d import conv_geometry


class PoolGrads(NamedTuple):
    """Gradient of a loss with respect to the image."""

    x: Array


@shaped
def max_pool2d(
    x: Shaped[Array, "n c h w"], *, kernel: Pair = 2, stride: Pair = 2, padding: Pair = 0
) -> Shaped[Array, "n c i j"]:
    """Keep the largest value of every window.

    Raises
    ------
    ValueError
        If a window could lie in the padding alone (padding more than half the kernel).
    """
    values, _ = _windows(x, kernel, stride, padding)
    return values.max(axis=0)


@shaped
def max_pool2d_backward(
    dy: Shaped[Array, "n c i j"],
    x: Shaped[Array, "n c h w"],
    *,
    kernel: Pair = 2,
    stride: Pair = 2,
    padding: Pair = 0,
) -> PoolGrads:
    """Send ``dy`` to the pixel that was largest, the first in row order where several were."""
    values, sources = _windows(x, kernel, stride, padding)
    check_upstream("max_pool2d", dy, values.shape[1:])
    winner = values.argmax(axis=0)
    height, width = x.shape[2:]
    images, outputs = len(x) * x.shape[1], winner.shape[2] * winner.shape[3]
    targets = np.take_along_axis(sources[:, None, None], winner[None], axis=0)[0]
    dx = zeros_for(x, dy).reshape(images, height * width)
    rows = np.arange(images)[:, None]
    np.add.at(dx, (rows, targets.reshape(images, outputs)), dy.reshape(images, outputs))
    return PoolGrads(dx.reshape(x.shape))


@shaped
def global_avg_pool(x: Shaped[Array, "n c h w"]) -> Shaped[Array, "n c"]:
    """Average each channel over the image."""
    return x.sum(axis=(2, 3)) / (x.shape[2] * x.shape[3])


@shaped
def global_avg_pool_backward(dy: Shaped[Array, "n c"], x: Shaped[Array, "n c h w"]) -> PoolGrads:
    """Spread ``dy`` evenly over the image."""
    share = dy / (x.shape[2] * x.shape[3])
    return PoolGrads(share[:, :, None, None] + np.zeros_like(x))


def _windows(x: Array, kernel: Pair, stride: Pair, padding: Pair) -> tuple[Array, Array]:
    """For each tap: the value seen (taps n c i j), and the flat pixel it came from (taps i j).

    Taps outside the image repeat the nearest pixel of the window inside it, so that they never
    change the maximum, whatever the number type.
    """
    sides, pads = pair("kernel", kernel, least=1), pair("padding", padding, least=0)
    if any(2 * p > side for p, side in zip(pads, sides, strict=True)):
        raise ValueError(f"padding {pads} must be at most half of the kernel {sides}")
    steps = pair("stride", stride, least=1)
    geometry = conv_geometry(x.shape, (1, x.shape[1], *sides), stride=steps, padding=pads)
    inside = [
        [np.clip(np.arange(size) * step + tap - pad, 0, extent - 1) for tap in range(side)]
        for size, step, pad, side, extent in zip(
            geometry.output, steps, pads, sides, x.shape[2:], strict=True
        )
    ]
    grids = [np.ix_(rows, cols) for rows in inside[0] for cols in inside[1]]
    values = np.stack([x[:, :, rows, cols] for rows, cols in grids])
    return values, np.stack([rows * x.shape[3] + cols for rows, cols in grids])
