"""Convolution with kernels of its own at every pixel, fast: ``refimpl.forms.dynamic_conv2d``.

No unfolded image: of one channel at a time, what the taps read. Memory: the result, and K² planes
a thread.
"""

import numpy as np
from numba import get_num_threads

from refimpl.arrays import Array, Pair, Shaped, shaped
from refimpl.fast.arguments import floating
from refimpl.fast.windows import convolve_per_pixel
from refimpl.ops.conv2d import conv_geometry, same_padding
from refimpl.panels.reach import tap_offsets


@shaped
def dynamic_conv2d(
    x: Shaped[Array, "n c h w"],
    kernels: Shaped[Array, "n o c k_h k_w i j"],
    b: Shaped[Array, " o"] | None = None,
    *,
    stride: Pair = 1,
    dilation: Pair = 1,
) -> Shaped[Array, "n o i j"]:
    """Convolve with a kernel of its own at every output pixel, "same" zero padding."""
    side = kernels.shape[3], kernels.shape[4]
    padding = same_padding(side, dilation)
    geometry = conv_geometry(
        x.shape, kernels.shape[1:5], stride=stride, padding=padding, dilation=dilation
    )
    x, kernels, b = floating("dynamic_conv2d", x=x, kernels=kernels, b=b)
    outputs = kernels.shape[1]
    y = np.zeros((len(x), outputs, *geometry.output), x.dtype)
    if b is not None:
        y += b[:, None, None]
    flat = kernels.reshape(*kernels.shape[:3], side[0] * side[1], *geometry.output)
    convolve_per_pixel(x, flat, tap_offsets(geometry), *geometry.stride, y, get_num_threads())
    return y
