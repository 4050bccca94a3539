"""Local attention, fast: the signature and equation of ``refimpl.local_attention``.

No unfolded keys or values: the scores (n, K², i, j) are stored, and q, k, v; backward stores the
gradients of all four. Rows are the inner loops.
"""

from typing import Any

import numpy as np

from refimpl.arrays import Array, Pair, Shaped, check_upstream, pair, shaped
from refimpl.fast.arguments import floating
from refimpl.fast.pssa import project, project_backward
from refimpl.fast.windows import spread_windows, weigh_windows, window_scores
from refimpl.ops.conv2d import ConvGeometry, conv_geometry, same_padding
from refimpl.ops.global_attention import Normalise
from refimpl.ops.local_attention import LocalAttentionGrads, window_scale
from refimpl.panels.reach import tap_offsets


@shaped
def local_attention(
    x: Shaped[Array, "n c h w"],
    w_q: Shaped[Array, "d c"],
    w_k: Shaped[Array, "d c"],
    w_v: Shaped[Array, "o c"],
    *,
    kernel: Pair = 3,
    scale: Any = None,
    normalise: Normalise = "none",
    stride: Pair = 1,
    dilation: Pair = 1,
) -> Shaped[Array, "n o i j"]:
    """Let every (strided) pixel attend to a window around it."""
    geometry = _geometry(x, w_q, kernel, stride, dilation)
    x, w_q, w_k, w_v = floating("local_attention", x=x, w_q=w_q, w_k=w_k, w_v=w_v)
    taps, steps = tap_offsets(geometry), geometry.stride
    queries, keys, values = _projected(x, _centres(x, geometry), w_q, w_k, w_v)
    factor = window_scale(scale, w_q, normalise)
    weights = _weights(queries, keys, geometry, taps, factor, normalise)
    y = np.empty((len(x), len(w_v), *geometry.output), x.dtype)
    weigh_windows(weights, values, taps, *steps, y)
    return y


@shaped
def local_attention_backward(
    dy: Shaped[Array, "n o i j"],
    x: Shaped[Array, "n c h w"],
    w_q: Shaped[Array, "d c"],
    w_k: Shaped[Array, "d c"],
    w_v: Shaped[Array, "o c"],
    *,
    kernel: Pair = 3,
    scale: Any = None,
    normalise: Normalise = "none",
    stride: Pair = 1,
    dilation: Pair = 1,
) -> LocalAttentionGrads:
    """Pull ``dy``, the gradient of the output, back to the image and the projections."""
    geometry = _geometry(x, w_q, kernel, stride, dilation)
    check_upstream("local_attention", dy, (len(x), len(w_v), *geometry.output))
    dy, x, w_q, w_k, w_v = floating(
        "local_attention_backward", dy=dy, x=x, w_q=w_q, w_k=w_k, w_v=w_v
    )
    taps, steps = tap_offsets(geometry), geometry.stride
    centres = _centres(x, geometry)
    queries, keys, values = _projected(x, centres, w_q, w_k, w_v)
    factor = window_scale(scale, w_q, normalise)
    weights = _weights(queries, keys, geometry, taps, factor, normalise)
    d_scores = np.empty_like(weights)
    window_scores(dy, values, taps, *steps, d_scores)
    if normalise == "softmax":
        d_scores = weights * (d_scores - (weights * d_scores).sum(axis=1, keepdims=True))
    d_scores *= factor
    dq, dk, dv = np.empty_like(queries), np.zeros_like(keys), np.zeros_like(values)
    weigh_windows(d_scores, keys, taps, *steps, dq)
    spread_windows(d_scores, queries, taps, *steps, dk)
    spread_windows(weights, dy, taps, *steps, dv)
    d_centres, dw_q = project_backward(dq, centres, w_q)
    d_x_k, dw_k = project_backward(dk, x, w_k)
    dx, dw_v = project_backward(dv, x, w_v)
    dx += d_x_k
    dx[:, :, :: steps[0], :: steps[1]] += d_centres
    return LocalAttentionGrads(dx, dw_q, dw_k, dw_v)


def _geometry(x: Array, w_q: Array, kernel: Pair, stride: Pair, dilation: Pair) -> ConvGeometry:
    sides = pair("kernel", kernel, least=1)
    shape = len(w_q), x.shape[1], *sides
    padding = same_padding(sides, dilation)
    return conv_geometry(x.shape, shape, stride=stride, padding=padding, dilation=dilation)


def _projected(
    x: Array, centres: Array, w_q: Array, w_k: Array, w_v: Array
) -> tuple[Array, Array, Array]:
    """Queries, keys and values, of one image in one product of all three matrices."""
    if len(x) == 1 and centres.shape == x.shape:
        every = project(x, np.concatenate([w_q, w_k, w_v]))
        d = len(w_q)
        return every[:, :d], every[:, d : 2 * d], every[:, 2 * d :]
    return project(centres, w_q), project(x, w_k), project(x, w_v)


def _centres(x: Array, geometry: ConvGeometry) -> Array:
    down, right = geometry.stride
    return np.ascontiguousarray(x[:, :, ::down, ::right])


def _weights(
    queries: Array, keys: Array, geometry: ConvGeometry, taps: Array, factor: Any,
    normalise: Normalise,
) -> Array:  # fmt: skip
    """A (n, taps, i, j); 0 where the window leaves the image."""
    if normalise not in ("softmax", "none"):
        raise ValueError(f"normalise must be 'softmax' or 'none', not {normalise!r}")
    scores = np.empty((len(queries), len(taps), *geometry.output), queries.dtype)
    window_scores(queries, keys, taps, *geometry.stride, scores)
    scores *= factor
    if normalise == "none":
        return scores
    ones = np.ones((1, 1, *keys.shape[2:]), queries.dtype)
    inside = np.empty((1, *scores.shape[1:]), queries.dtype)
    window_scores(np.ones_like(scores[:1, :1]), ones, taps, *geometry.stride, inside)
    scores[np.broadcast_to(inside == 0, scores.shape)] = -np.inf
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    return scores
