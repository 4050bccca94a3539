"""X-volution in training: both branches normalised with the batch's own statistics.

    y = BN_c(conv2d(x, w_c, b_c)) + BN_a(pssa(x, w_a, b_a))        μ, σ² of the batch, per branch

    ∂(branch output) through each normalisation, its statistics included; then as in ``xvolution``

The statistics are returned, for running averages; with them, ``xvolution`` is the same network at
inference. Not an affine map of its branches: this form does not merge.

Source: Chen, Wang and Ni, "X-volution", arXiv:2106.02253 (2021), as its authors' article describes
it (Fig. 1: the structure in training).
"""

from typing import Any, NamedTuple

from refimpl.arrays import Array, Pair, Shaped, shaped
from refimpl.ops.batch_norm import (
    Normalised,
    batch_norm_training,
    batch_norm_training_backward,
)
from refimpl.ops.conv2d import conv2d, conv2d_backward, same_padding
from refimpl.ops.pssa import pssa, pssa_backward
from refimpl.ops.shift import Boundary
from refimpl.ops.shift_product import FOUR_DIRECTIONS, Directions


class XVolutionTrainingGrads(NamedTuple):
    """Gradient with respect to each array argument of ``xvolution_training``."""

    x: Array
    w_c: Array
    w_a: Array
    gamma_c: Array
    beta_c: Array
    gamma_a: Array
    beta_a: Array
    b_c: Array
    b_a: Array


class XVolutionTraining(NamedTuple):
    """Output in training mode, and the statistics of each branch for the running averages."""

    y: Array
    conv: Normalised
    attention: Normalised


@shaped
def xvolution_training(
    x: Shaped[Array, "n c h w"],
    w_c: Shaped[Array, "o c k_h k_w"],
    w_a: Shaped[Array, "o dc a_h a_w"],
    gamma_c: Shaped[Array, " o"],
    beta_c: Shaped[Array, " o"],
    gamma_a: Shaped[Array, " o"],
    beta_a: Shaped[Array, " o"],
    b_c: Shaped[Array, " o"] | None = None,
    b_a: Shaped[Array, " o"] | None = None,
    *,
    directions: Directions = FOUR_DIRECTIONS,
    length: int = 1,
    boundary: Boundary = "circular",
    stride: Pair = 1,
    dilation: Pair = 1,
    eps: Any = 1e-5,
) -> XVolutionTraining:
    """Sum a convolution and a PSSA branch, each normalised with its own batch statistics."""
    shifts: dict[str, Any] = {"directions": directions, "length": length, "boundary": boundary}
    steps: dict[str, Any] = {"stride": stride, "dilation": dilation}
    conv = conv2d(x, w_c, b_c, padding=same_padding(w_c.shape[2:], dilation), **steps)
    attention = pssa(x, w_a, b_a, **shifts, **steps)
    normal_c = batch_norm_training(conv, gamma_c, beta_c, eps=eps)
    normal_a = batch_norm_training(attention, gamma_a, beta_a, eps=eps)
    return XVolutionTraining(normal_c.y + normal_a.y, normal_c, normal_a)


@shaped
def xvolution_training_backward(
    dy: Shaped[Array, "n o i j"],
    x: Shaped[Array, "n c h w"],
    w_c: Shaped[Array, "o c k_h k_w"],
    w_a: Shaped[Array, "o dc a_h a_w"],
    gamma_c: Shaped[Array, " o"],
    gamma_a: Shaped[Array, " o"],
    b_c: Shaped[Array, " o"] | None = None,
    b_a: Shaped[Array, " o"] | None = None,
    *,
    directions: Directions = FOUR_DIRECTIONS,
    length: int = 1,
    boundary: Boundary = "circular",
    stride: Pair = 1,
    dilation: Pair = 1,
    eps: Any = 1e-5,
) -> XVolutionTrainingGrads:
    """Pull ``dy`` back through both branches and their batch statistics."""
    shifts: dict[str, Any] = {"directions": directions, "length": length, "boundary": boundary}
    steps: dict[str, Any] = {"stride": stride, "dilation": dilation}
    padding = same_padding(w_c.shape[2:], dilation)
    conv = conv2d(x, w_c, b_c, padding=padding, **steps)
    attention = pssa(x, w_a, b_a, **shifts, **steps)
    bn_c = batch_norm_training_backward(dy, conv, gamma_c, eps=eps)
    bn_a = batch_norm_training_backward(dy, attention, gamma_a, eps=eps)
    conv_grads = conv2d_backward(bn_c.x, x, w_c, padding=padding, **steps)
    pssa_grads = pssa_backward(bn_a.x, x, w_a, **shifts, **steps)
    return XVolutionTrainingGrads(
        x=conv_grads.x + pssa_grads.x,
        w_c=conv_grads.w,
        w_a=pssa_grads.w,
        gamma_c=bn_c.gamma,
        beta_c=bn_c.beta,
        gamma_a=bn_a.gamma,
        beta_a=bn_a.beta,
        b_c=conv_grads.b,
        b_a=pssa_grads.b,
    )
