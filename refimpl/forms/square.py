"""Square form: every product by a difference of squares, its quarter in the weights.

    x ⊙ Sx = ¼·[(x + Sx)² − (x − Sx)²]           S = shift by L·d
    y = conv2d([x; (x + Sx)²; (x − Sx)²], [w_c; w_a/4; −w_a/4], b)

Sums (a convolution with kernels ±1) and one pointwise square: no product of two activations. It
takes 1 + 2D convolutions' products where the feature form takes 1 + D, and sums one bit wider.

Source: the polarisation identity; Chen, Wang and Ni, "X-volution", arXiv:2106.02253 (2021), for
what it replaces.
"""

import numpy as np

from refimpl.arrays import Array, Pair, Shaped, shaped
from refimpl.fuse import embed
from refimpl.ops.conv2d import conv2d, same_padding
from refimpl.ops.shift import Boundary, shift
from refimpl.ops.shift_product import FOUR_DIRECTIONS, Directions, offsets


@shaped
def square(
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
    """Replace every product by a difference of squares, its quarter in the weights."""
    copies = [shift(x, offset=d, boundary=boundary) for d in offsets(directions, length)]
    squares = [(x + sign * copy) * (x + sign * copy) for sign in (1, -1) for copy in copies]
    w = square_weights(w_c, w_a)
    padding = same_padding(w.shape[2:], dilation)
    features = np.concatenate([x, *squares], axis=1)
    return conv2d(features, w, b, stride=stride, padding=padding, dilation=dilation)


def square_weights(w_c: Array, w_a: Array) -> Array:
    """Kernels of [x; sums squared; differences squared], (o, (1 + 2D)·c, k_h, k_w)."""
    support = max(w_c.shape[2], w_a.shape[2]), max(w_c.shape[3], w_a.shape[3])
    quarter = embed(w_a / 4, support)
    return np.concatenate([embed(w_c, support), quarter, -quarter], axis=1)
