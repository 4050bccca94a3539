"""X-volution fused, feature form: one standard convolution on the augmented input.

    xvolution_fused(x) = conv2d([x; T(x)], w, b)            T = shift_product, (1 + D)·c channels

    ∂[x; T], ∂w, ∂b = conv2d_backward(∂y, [x; T(x)], w);   ∂x = ∂x direct + backward of T on ∂T

``refimpl.fuse.merge`` makes ``w`` and ``b`` from the training form and says when that is exact.

Source: Chen, Wang and Ni, "X-volution", arXiv:2106.02253 (2021), as its authors' article describes
it: PSSA as a convolution on simply transformed features, merged by structural re-parameterisation.
"""

from typing import Any, NamedTuple

import numpy as np

from refimpl.arrays import Array, Pair, Shaped, shaped
from refimpl.ops.conv2d import conv2d, conv2d_backward, same_padding
from refimpl.ops.shift import Boundary
from refimpl.ops.shift_product import (
    FOUR_DIRECTIONS,
    Directions,
    shift_product,
    shift_product_backward,
)


class XVolutionFusedGrads(NamedTuple):
    """Gradient with respect to each array argument of ``xvolution_fused``."""

    x: Array
    w: Array
    b: Array


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
    """Run the fused feature form: one standard convolution on ``augment(x)``."""
    augmented = augment(x, directions=directions, length=length, boundary=boundary)
    padding = same_padding(w.shape[2:], dilation)
    return conv2d(augmented, w, b, stride=stride, padding=padding, dilation=dilation)


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
    shifts: dict[str, Any] = {"directions": directions, "length": length, "boundary": boundary}
    padding = same_padding(w.shape[2:], dilation)
    conv = conv2d_backward(
        dy, augment(x, **shifts), w, stride=stride, padding=padding, dilation=dilation
    )
    direct, products = np.split(conv.x, [x.shape[1]], axis=1)
    through = shift_product_backward(products, x, **shifts)
    return XVolutionFusedGrads(direct + through.q, conv.w, conv.b)


def augment(
    x: Array,
    *,
    directions: Directions = FOUR_DIRECTIONS,
    length: int = 1,
    boundary: Boundary = "circular",
) -> Array:
    """Append the shift products to the image: [x; T(x)], (1 + D)·c channels."""
    products = shift_product(x, directions=directions, length=length, boundary=boundary)
    return np.concatenate([x, products], axis=1)
