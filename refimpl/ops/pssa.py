"""Pixel-shift self-attention: shift, multiply, convolve (the article's reading).

    T(x)       = concat_d ( (W_q x) ⊙ shift(W_k x, L·d) )
    pssa(x)    = conv2d(T(x), w, b)            "same" zero padding δ·(K − 1)/2, stride s, dilation δ

    ∂T, ∂w, ∂b = conv2d_backward(∂y, T(x), w)
    ∂q, ∂k     = shift_product_backward(∂T, q, k),  q = W_q x, k = W_k x (1×1, identity by default)
    ∂x         = W_qᵀ ∂q + W_kᵀ ∂k

One level without bias is homogeneous of degree 2 and even: pssa(t·x) = t²·pssa(x). It is *not* the
degree-3 local attention of the paper's Eq. 9, which is another operator.

Source: Chen, Wang and Ni, "X-volution", arXiv:2106.02253 (2021), as its authors' article describes
it. Kernel size, shift length and number of directions are not known from there: they are arguments.
"""

from typing import Any, NamedTuple

from refimpl.arrays import Array, Pair, Shaped, shaped
from refimpl.ops.conv2d import conv2d, conv2d_backward, same_padding
from refimpl.ops.shift import Boundary
from refimpl.ops.shift_product import (
    FOUR_DIRECTIONS,
    Directions,
    shift_product,
    shift_product_backward,
)


class PssaGrads(NamedTuple):
    """Gradient with respect to each array argument; None for a projection that was left out."""

    x: Array
    w: Array
    b: Array
    w_q: Array | None
    w_k: Array | None


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
    """Attend to shifted copies of ``x``, and sum over a local window.

    ``w`` has len(directions)·c input channels, direction first; ``boundary`` is that of the shift,
    the convolution pads with zeros.

    Raises
    ------
    ValueError
        If a kernel side is even, or directions, channels and kernel do not fit together.
    """
    products = shift_product(
        project(x, w_q),
        None if w_q is None and w_k is None else project(x, w_k),
        directions=directions,
        length=length,
        boundary=boundary,
    )
    padding = same_padding(w.shape[2:], dilation)
    return conv2d(products, w, b, stride=stride, padding=padding, dilation=dilation, groups=groups)


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
    q, k = project(x, w_q), project(x, w_k)
    shifts: dict[str, Any] = {"directions": directions, "length": length, "boundary": boundary}
    conv = conv2d_backward(
        dy,
        shift_product(q, k, **shifts),
        w,
        stride=stride,
        padding=same_padding(w.shape[2:], dilation),
        dilation=dilation,
        groups=groups,
    )
    dq, dk = shift_product_backward(conv.x, q, k, **shifts)
    assert dk is not None  # noqa: S101 - k was given
    through_q, dw_q = (dq, None) if w_q is None else project_backward(dq, x, w_q)
    through_k, dw_k = (dk, None) if w_k is None else project_backward(dk, x, w_k)
    return PssaGrads(through_q + through_k, conv.w, conv.b, dw_q, dw_k)


def project(x: Array, w: Array | None) -> Array:
    """Mix channels by the matrix ``w`` (out, in), a 1×1 convolution; None is the identity."""
    return x if w is None else conv2d(x, w[:, :, None, None])


def project_backward(dy: Array, x: Array, w: Array) -> tuple[Array, Array]:
    """Pull ``dy`` back through ``project``: to ``x`` and to ``w``."""
    grads = conv2d_backward(dy, x, w[:, :, None, None])
    return grads.x, grads.w[:, :, 0, 0]
