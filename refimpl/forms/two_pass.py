"""Two-pass form: each kernel at its own size, into the same accumulators.

    y = conv2d(x, w_c, b) + conv2d(T(x), w_a)

K_a = 1 beside K_c = 3 with D directions takes (9 + D)/9 of the plain convolution's products, where
one convolution with both kernels embedded in 3×3 takes 1 + D.

Source: derived from the feature form in ``refimpl.fuse.merge``, by linearity.
"""

from typing import Any

from refimpl.arrays import Array, Pair, Shaped, shaped
from refimpl.ops.conv2d import conv2d, same_padding
from refimpl.ops.shift import Boundary
from refimpl.ops.shift_product import FOUR_DIRECTIONS, Directions, shift_product


@shaped
def two_pass(
    x: Shaped[Array, "n c h w"],
    w_c: Shaped[Array, "o c k_h k_w"],
    w_a: Shaped[Array, "o dc a_h a_w"],
    b: Shaped[Array, " o"] | None = None,
    *,
    directions: Directions = FOUR_DIRECTIONS,
    length: int = 1,
    boundary: Boundary = "circular",
    stride: Pair = 1,
    dilation: Pair = 1,
) -> Shaped[Array, "n o i j"]:
    """Add two convolutions, each with a kernel of its own size."""
    products = shift_product(x, directions=directions, length=length, boundary=boundary)
    steps: dict[str, Any] = {"stride": stride, "dilation": dilation}
    static = conv2d(x, w_c, b, padding=same_padding(w_c.shape[2:], dilation), **steps)
    return static + conv2d(products, w_a, padding=same_padding(w_a.shape[2:], dilation), **steps)
