"""X-volution: a convolution and a pixel-shift self-attention, each normalised, summed.

    xvolution(x) = BN_c(conv2d(x, w_c, b_c)) + BN_a(pssa(x, w_a, b_a))

    ∂(branch output) = ∂y through each normalisation; then each branch's own backward; the ∂x add

This is the multi-branch form with running statistics (inference); ``xvolution_training`` normalises
with the batch's own, ``xvolution_fused`` is the one convolution that ``refimpl.fuse`` makes of it.
Both branches share stride and dilation and pad "same", so their grids agree.

Source: Chen, Wang and Ni, "X-volution", arXiv:2106.02253 (2021), as its authors' article describes
it (Fig. 1 and the paragraph on the multi-branch structure).
"""

from typing import Any, NamedTuple

from refimpl.arrays import Array, Pair, Shaped, shaped
from refimpl.ops.batch_norm import BatchNorm, batch_norm, batch_norm_backward
from refimpl.ops.conv2d import conv2d, conv2d_backward, same_padding
from refimpl.ops.pssa import pssa, pssa_backward
from refimpl.ops.shift import Boundary
from refimpl.ops.shift_product import FOUR_DIRECTIONS, Directions


class XVolutionGrads(NamedTuple):
    """Gradient with respect to each array argument of ``xvolution``."""

    x: Array
    w_c: Array
    w_a: Array
    bn_c: BatchNorm
    bn_a: BatchNorm
    b_c: Array
    b_a: Array


@shaped
def xvolution(
    x: Shaped[Array, "n c h w"],
    w_c: Shaped[Array, "o c k_h k_w"],
    w_a: Shaped[Array, "o dc a_h a_w"],
    bn_c: BatchNorm,
    bn_a: BatchNorm,
    b_c: Shaped[Array, " o"] | None = None,
    b_a: Shaped[Array, " o"] | None = None,
    *,
    directions: Directions = FOUR_DIRECTIONS,
    length: int = 1,
    boundary: Boundary = "circular",
    stride: Pair = 1,
    dilation: Pair = 1,
    eps: Any = 1e-5,
) -> Shaped[Array, "n o i j"]:
    """Sum a convolution and a PSSA branch, each normalised with running statistics.

    Raises
    ------
    ValueError
        If a kernel side is even, or channels, directions and kernels do not fit together.
    """
    shifts: dict[str, Any] = {"directions": directions, "length": length, "boundary": boundary}
    steps: dict[str, Any] = {"stride": stride, "dilation": dilation}
    conv = conv2d(x, w_c, b_c, padding=same_padding(w_c.shape[2:], dilation), **steps)
    attention = pssa(x, w_a, b_a, **shifts, **steps)
    return sum_normalised(conv, attention, bn_c, bn_a, eps=eps)


@shaped
def xvolution_backward(
    dy: Shaped[Array, "n o i j"],
    x: Shaped[Array, "n c h w"],
    w_c: Shaped[Array, "o c k_h k_w"],
    w_a: Shaped[Array, "o dc a_h a_w"],
    bn_c: BatchNorm,
    bn_a: BatchNorm,
    b_c: Shaped[Array, " o"] | None = None,
    b_a: Shaped[Array, " o"] | None = None,
    *,
    directions: Directions = FOUR_DIRECTIONS,
    length: int = 1,
    boundary: Boundary = "circular",
    stride: Pair = 1,
    dilation: Pair = 1,
    eps: Any = 1e-5,
) -> XVolutionGrads:
    """Pull ``dy`` back through both branches, running statistics included."""
    shifts: dict[str, Any] = {"directions": directions, "length": length, "boundary": boundary}
    steps: dict[str, Any] = {"stride": stride, "dilation": dilation}
    padding = same_padding(w_c.shape[2:], dilation)
    conv = conv2d(x, w_c, b_c, padding=padding, **steps)
    attention = pssa(x, w_a, b_a, **shifts, **steps)
    norms = sum_normalised_backward(dy, conv, attention, bn_c, bn_a, eps=eps)
    conv_grads = conv2d_backward(norms.conv, x, w_c, padding=padding, **steps)
    pssa_grads = pssa_backward(norms.attention, x, w_a, **shifts, **steps)
    return XVolutionGrads(
        x=conv_grads.x + pssa_grads.x,
        w_c=conv_grads.w,
        w_a=pssa_grads.w,
        bn_c=norms.bn_c,
        bn_a=norms.bn_a,
        b_c=conv_grads.b,
        b_a=pssa_grads.b,
    )


class NormalisedSumGrads(NamedTuple):
    """Gradient with respect to the outputs of two branches and their normalisations."""

    conv: Array
    attention: Array
    bn_c: BatchNorm
    bn_a: BatchNorm


def sum_normalised(
    conv: Array, attention: Array, bn_c: BatchNorm, bn_a: BatchNorm, *, eps: Any
) -> Array:
    """Normalise the outputs of both branches with running statistics, and add them."""
    return batch_norm(conv, *bn_c, eps=eps) + batch_norm(attention, *bn_a, eps=eps)


def sum_normalised_backward(
    dy: Array, conv: Array, attention: Array, bn_c: BatchNorm, bn_a: BatchNorm, *, eps: Any
) -> NormalisedSumGrads:
    """Pull ``dy`` back to the outputs of both branches and to their normalisations."""
    grads_c, grads_a = (
        batch_norm_backward(dy, branch, bn.gamma, bn.mean, bn.var, eps=eps)
        for branch, bn in ((conv, bn_c), (attention, bn_a))
    )
    bn = BatchNorm(*grads_c[1:]), BatchNorm(*grads_a[1:])
    return NormalisedSumGrads(grads_c.x, grads_a.x, *bn)
