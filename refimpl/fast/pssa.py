"""Pixel-shift self-attention, fast: the signature and equation of ``refimpl.pssa``.

Dense (one group): products of pixels are packed straight into the panels of the convolution, so
the shift products, D times the image, are never stored. One group a product map (depthwise): each
map lives in one plane of a thread, and once more in its frame of zeros. Other groups, and ∂x of the
dense form, store the maps once. Projections W_q x and W_k x are stored where they are given.
"""

from typing import Any

import numpy as np

from refimpl.arrays import Array, Pair, Shaped, check_upstream, shaped
from refimpl.fast.arguments import floating
from refimpl.fast.channels import convolve_products, pull_convolved_products
from refimpl.fast.conv2d import conv2d, conv2d_backward, image_gradient
from refimpl.fast.shift_product import reached_of, shift_product
from refimpl.fast.shifts import pull_products
from refimpl.fast.weights import multiply_gradients
from refimpl.ops.conv2d import Conv2dGrads, ConvGeometry, conv_geometry, same_padding
from refimpl.ops.pssa import PssaGrads
from refimpl.ops.shift import Boundary
from refimpl.ops.shift_product import FOUR_DIRECTIONS, Directions
from refimpl.panels.product import Image, multiply_windows
from refimpl.panels.reach import forward_grid, tap_offsets


@shaped
def pssa(
    x: Shaped[Array, "n c h w"],
    w: Shaped[Array, "o dc_g k_h k_w"],
    b: Shaped[Array, " o"] | None = None,
    *,
    directions: Directions = FOUR_DIRECTIONS,
    length: int = 1,
    boundary: Boundary = "circular",
    w_q: Shaped[Array, "c_q c"] | None = None,
    w_k: Shaped[Array, "c_q c"] | None = None,
    stride: Pair = 1,
    dilation: Pair = 1,
    groups: int = 1,
) -> Shaped[Array, "n o i j"]:
    """Attend to shifted copies of ``x``, and sum over a local window."""
    reached, circular = reached_of(directions, length, boundary)
    q, k = project(x, w_q), project(x, w_k)
    geometry = _geometry(q, w, len(reached), stride, dilation, groups)
    q, k, w, b = floating("pssa", q=q, k=k, w=w, b=np.zeros(len(w), w.dtype) if b is None else b)
    y = np.empty((len(x), len(w), *geometry.output), q.dtype)
    maps, taps = len(reached) * q.shape[1], tap_offsets(geometry)
    if groups == 1:
        multiply_windows(
            q, k, w, b, y, image=Image.of(q),
            grid=forward_grid(len(w), geometry),
            taps=taps, offsets=reached, circular=circular,
        )  # fmt: skip
    elif groups == maps:
        flat = w.reshape(len(w), 1, -1)
        convolve_products(q, k, flat, b, y, reached, circular, taps, *geometry.stride)
    else:
        stored = shift_product(q, k, directions=directions, length=length, boundary=boundary)
        return conv2d(stored, w, b, **_options(geometry, groups))
    return y


@shaped
def pssa_backward(
    dy: Shaped[Array, "n o i j"],
    x: Shaped[Array, "n c h w"],
    w: Shaped[Array, "o dc_g k_h k_w"],
    *,
    directions: Directions = FOUR_DIRECTIONS,
    length: int = 1,
    boundary: Boundary = "circular",
    w_q: Shaped[Array, "c_q c"] | None = None,
    w_k: Shaped[Array, "c_q c"] | None = None,
    stride: Pair = 1,
    dilation: Pair = 1,
    groups: int = 1,
) -> PssaGrads:
    """Pull ``dy``, the gradient of the output, back to every array argument."""
    reached, circular = reached_of(directions, length, boundary)
    q, k = project(x, w_q), project(x, w_k)
    geometry = _geometry(q, w, len(reached), stride, dilation, groups)
    check_upstream("pssa", dy, (len(x), len(w), *geometry.output))
    dy, q, k, w = floating("pssa_backward", dy=dy, q=q, k=k, w=w)
    dq = np.zeros_like(q)
    dk = dq if w_q is None and w_k is None else np.zeros_like(k)
    maps = len(reached) * q.shape[1]
    if groups == maps:
        dw = np.zeros_like(w)
        pull_convolved_products(
            dy, q, k, w.reshape(len(w), 1, -1), dq, dk, dw.reshape(len(w), 1, -1),
            reached, circular, tap_offsets(geometry), *geometry.stride,
        )  # fmt: skip
        conv = Conv2dGrads(dq, dw, dy.sum(axis=(0, 2, 3)))
    else:
        if groups == 1:
            conv = _dense(dy, q, k, w, reached, circular, geometry)
        else:
            stored = shift_product(q, k, directions=directions, length=length, boundary=boundary)
            conv = conv2d_backward(dy, stored, w, **_options(geometry, groups))
        pull_products(conv.x, q, k, reached, circular, dq, dk)
    if w_q is None and w_k is None:
        return PssaGrads(dq, conv.w, conv.b, None, None)
    through_q, dw_q = (dq, None) if w_q is None else project_backward(dq, x, w_q)
    through_k, dw_k = (dk, None) if w_k is None else project_backward(dk, x, w_k)
    return PssaGrads(through_q + through_k, conv.w, conv.b, dw_q, dw_k)


def _dense(
    dy: Array, q: Array, k: Array, w: Array, reached: Array, circular: bool, geometry: ConvGeometry
) -> Conv2dGrads:  # fmt: skip
    n, c, height, width = q.shape
    dw = np.empty_like(w)
    multiply_gradients(
        dy, q, k, dw.reshape(len(w), -1), image=Image.of(q),
        grid=forward_grid(len(w), geometry),
        taps=tap_offsets(geometry), offsets=reached, circular=circular,
    )  # fmt: skip
    maps = n, len(reached) * c, height, width
    return Conv2dGrads(image_gradient(dy, w, maps, geometry, 1), dw, dy.sum(axis=(0, 2, 3)))


def project(x: Array, w: Array | None) -> Array:
    """Mix channels by the matrix ``w`` (out, in), a 1×1 convolution; None is the identity."""
    return x if w is None else conv2d(x, w[:, :, None, None])


def project_backward(dy: Array, x: Array, w: Array) -> tuple[Array, Array]:
    """Pull ``dy`` back through ``project``: to ``x`` and to ``w``."""
    grads = conv2d_backward(dy, x, w[:, :, None, None])
    return grads.x, grads.w[:, :, 0, 0]


def _geometry(
    q: Array, w: Array, directions: int, stride: Pair, dilation: Pair, groups: int
) -> ConvGeometry:
    maps = len(q), directions * q.shape[1], *q.shape[2:]
    padding = same_padding((w.shape[2], w.shape[3]), dilation)
    return conv_geometry(
        maps, w.shape, stride=stride, padding=padding, dilation=dilation, groups=groups
    )


def _options(geometry: ConvGeometry, groups: int) -> dict[str, Any]:
    return {
        "stride": geometry.stride,
        "padding": geometry.padding,
        "dilation": geometry.dilation,
        "groups": groups,
    }
