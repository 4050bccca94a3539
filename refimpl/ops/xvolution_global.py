"""X-volution with a global attention branch ("X-volution (SA)").

    y = BN_c(conv2d(x, w_c, b_c)) + BN_a(global_attention(x, w_q, w_k, w_v))

    ∂(branch output) = ∂y through each normalisation; then each branch's own backward; the ∂x add

Running statistics; the convolution pads "same", so that both branches have one grid.

Source: Chen, Wang and Ni, "X-volution", arXiv:2106.02253 (2021); their article calls this form
X-volution(SA).
"""

from typing import Any, NamedTuple

from refimpl.arrays import Array, Pair, Shaped, shaped
from refimpl.ops.batch_norm import BatchNorm
from refimpl.ops.conv2d import conv2d, conv2d_backward, same_padding
from refimpl.ops.global_attention import Normalise, global_attention, global_attention_backward
from refimpl.ops.xvolution import sum_normalised, sum_normalised_backward


class XVolutionGlobalGrads(NamedTuple):
    """Gradient with respect to each array argument of ``xvolution_global``."""

    x: Array
    w_c: Array
    w_q: Array
    w_k: Array
    w_v: Array
    bn_c: BatchNorm
    bn_a: BatchNorm
    b_c: Array


@shaped
def xvolution_global(
    x: Shaped[Array, "n c h w"],
    w_c: Shaped[Array, "o c k_h k_w"],
    w_q: Shaped[Array, "d c"],
    w_k: Shaped[Array, "d c"],
    w_v: Shaped[Array, "o c"],
    bn_c: BatchNorm,
    bn_a: BatchNorm,
    b_c: Shaped[Array, " o"] | None = None,
    *,
    scale: Any = None,
    normalise: Normalise = "softmax",
    stride: Pair = 1,
    dilation: Pair = 1,
    eps: Any = 1e-5,
) -> Shaped[Array, "n o i j"]:
    """Sum a convolution and a global attention branch, each normalised.

    Raises
    ------
    ValueError
        If a kernel side is even, or an option is not one there is.
    """
    padding = same_padding(w_c.shape[2:], dilation)
    steps: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
    options: dict[str, Any] = {"scale": scale, "normalise": normalise, "stride": stride}
    conv = conv2d(x, w_c, b_c, **steps)
    attention = global_attention(x, w_q, w_k, w_v, **options)
    return sum_normalised(conv, attention, bn_c, bn_a, eps=eps)


@shaped
def xvolution_global_backward(
    dy: Shaped[Array, "n o i j"],
    x: Shaped[Array, "n c h w"],
    w_c: Shaped[Array, "o c k_h k_w"],
    w_q: Shaped[Array, "d c"],
    w_k: Shaped[Array, "d c"],
    w_v: Shaped[Array, "o c"],
    bn_c: BatchNorm,
    bn_a: BatchNorm,
    b_c: Shaped[Array, " o"] | None = None,
    *,
    scale: Any = None,
    normalise: Normalise = "softmax",
    stride: Pair = 1,
    dilation: Pair = 1,
    eps: Any = 1e-5,
) -> XVolutionGlobalGrads:
    """Pull ``dy`` back through both branches, running statistics included."""
    padding = same_padding(w_c.shape[2:], dilation)
    steps: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
    options: dict[str, Any] = {"scale": scale, "normalise": normalise, "stride": stride}
    conv = conv2d(x, w_c, b_c, **steps)
    attention = global_attention(x, w_q, w_k, w_v, **options)
    norms = sum_normalised_backward(dy, conv, attention, bn_c, bn_a, eps=eps)
    convs = conv2d_backward(norms.conv, x, w_c, **steps)
    heads = global_attention_backward(norms.attention, x, w_q, w_k, w_v, **options)
    return XVolutionGlobalGrads(
        x=convs.x + heads.x,
        w_c=convs.w,
        w_q=heads.w_q,
        w_k=heads.w_k,
        w_v=heads.w_v,
        bn_c=norms.bn_c,
        bn_a=norms.bn_a,
        b_c=convs.b,
    )
