"""X-volution: a convolution and a pixel-shift self-attention, summed; and the two fused.

Training form (two branches, each with its own batch normalisation):

    xvolution(x) = BN_c(conv2d(x, w_c, b_c)) + BN_a(pssa(x, w_a, b_a))

    ∂(branch output) = ∂y for both branches; then each branch's own backward; the two ∂x add

``xvolution`` normalises with running statistics (inference), ``xvolution_training`` with the
batch's own. Both branches share stride and dilation and pad "same", so their grids agree.

Fused feature form (one standard convolution on the augmented input):

    xvolution_fused(x) = conv2d([x; T(x)], w, b)            T = shift_product, channels (1 + D)·c

``refimpl.fuse`` makes its ``w`` and ``b`` from the training form and says when that is exact.

Source: Chen, Wang and Ni, "X-volution", arXiv:2106.02253 (2021), as its authors' article describes
it (Fig. 1 and the paragraphs on PSSA and on structural re-parameterisation).
"""

from typing import Any, NamedTuple

import numpy as np

from refimpl.arrays import Array, Pair, Shaped, shaped
from refimpl.ops.batch_norm import (
    BatchNorm,
    Normalised,
    batch_norm,
    batch_norm_backward,
    batch_norm_training,
    batch_norm_training_backward,
)
from refimpl.ops.conv2d import conv2d, conv2d_backward, same_padding
from refimpl.ops.pssa import pssa, pssa_backward
from refimpl.ops.shift import Boundary
from refimpl.ops.shift_product import (
    FOUR_DIRECTIONS,
    Directions,
    shift_product,
    shift_product_backward,
)


class XVolutionGrads(NamedTuple):
    """Gradient with respect to each array argument of ``xvolution``."""

    x: Array
    w_c: Array
    w_a: Array
    bn_c: BatchNorm
    bn_a: BatchNorm
    b_c: Array
    b_a: Array


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


class XVolutionFusedGrads(NamedTuple):
    """Gradient with respect to each array argument of ``xvolution_fused``."""

    x: Array
    w: Array
    b: Array


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
