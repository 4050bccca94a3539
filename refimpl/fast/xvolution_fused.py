"""X-volution fused, fast: the signature and equation of ``refimpl.xvolution_fused``.

The image and its products of pixels are packed straight into the panels of one convolution; the
augmented input, 1 + D times the image, is never stored. ∂x stores its gradient once.
"""

import numpy as np

from refimpl.arrays import Array, Pair, Shaped, check_upstream, shaped
from refimpl.fast.arguments import floating
from refimpl.fast.conv2d import image_gradient
from refimpl.fast.shift_product import reached_of
from refimpl.fast.shifts import pull_products
from refimpl.fast.weights import multiply_gradients
from refimpl.ops.conv2d import ConvGeometry, conv_geometry, same_padding
from refimpl.ops.shift import Boundary
from refimpl.ops.shift_product import FOUR_DIRECTIONS, Directions
from refimpl.ops.xvolution_fused import XVolutionFusedGrads
from refimpl.panels.product import Image, multiply_windows
from refimpl.panels.reach import forward_grid, tap_offsets


@shaped
def xvolution_fused(
    x: Shaped[Array, "n c h w"],
    w: Shaped[Array, "o zc k_h k_w"],
    b: Shaped[Array, " o"] | None = None,
    *,
    directions: Directions = FOUR_DIRECTIONS,
    length: int = 1,
    boundary: Boundary = "circular",
    stride: Pair = 1,
    dilation: Pair = 1,
) -> Shaped[Array, "n o i j"]:
    """Run the fused feature form: one standard convolution on [x; T(x)]."""
    sources, circular = _sources(directions, length, boundary)
    geometry = _geometry(x, w, len(sources), stride, dilation)
    x, w, b = floating("xvolution_fused", x=x, w=w, b=np.zeros(len(w), w.dtype) if b is None else b)
    y = np.empty((len(x), len(w), *geometry.output), x.dtype)
    multiply_windows(
        x, x, w, b, y, image=Image.of(x),
        grid=forward_grid(len(w), geometry),
        taps=tap_offsets(geometry), offsets=sources, circular=circular,
    )  # fmt: skip
    return y


@shaped
def xvolution_fused_backward(
    dy: Shaped[Array, "n o i j"],
    x: Shaped[Array, "n c h w"],
    w: Shaped[Array, "o zc k_h k_w"],
    *,
    directions: Directions = FOUR_DIRECTIONS,
    length: int = 1,
    boundary: Boundary = "circular",
    stride: Pair = 1,
    dilation: Pair = 1,
) -> XVolutionFusedGrads:
    """Pull ``dy`` back to the image and to the fused kernels and bias."""
    sources, circular = _sources(directions, length, boundary)
    geometry = _geometry(x, w, len(sources), stride, dilation)
    check_upstream("xvolution_fused", dy, (len(x), len(w), *geometry.output))
    dy, x, w = floating("xvolution_fused_backward", dy=dy, x=x, w=w)
    n, c, height, width = x.shape
    dw = np.empty_like(w)
    multiply_gradients(
        dy, x, x, dw.reshape(len(w), -1), image=Image.of(x),
        grid=forward_grid(len(w), geometry),
        taps=tap_offsets(geometry), offsets=sources, circular=circular,
    )  # fmt: skip
    shape = n, len(sources) * c, height, width
    dz = image_gradient(dy, w, shape, geometry, 1)
    dx = np.ascontiguousarray(dz[:, :c])
    pull_products(dz, x, x, sources[1:], circular, dx, dx, c)
    return XVolutionFusedGrads(dx, dw, dy.sum(axis=(0, 2, 3)))


def _sources(directions: Directions, length: int, boundary: Boundary) -> tuple[Array, bool]:
    """The image itself, offset (0, 0), then its products."""
    reached, circular = reached_of(directions, length, boundary)
    return np.concatenate([np.zeros((1, 2), np.int64), reached]), circular


def _geometry(x: Array, w: Array, sources: int, stride: Pair, dilation: Pair) -> ConvGeometry:
    augmented = len(x), sources * x.shape[1], *x.shape[2:]
    padding = same_padding((w.shape[2], w.shape[3]), dilation)
    return conv_geometry(augmented, w.shape, stride=stride, padding=padding, dilation=dilation)
