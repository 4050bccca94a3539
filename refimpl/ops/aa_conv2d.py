"""Attention-augmented convolution (AA-Net): convolution channels beside attention channels.

    y = concat( conv2d(x, w_c, b_c),  W_o · attention(x) )           along the channels

    q = W_q x,  k = W_k x,  v = W_v x       split among the heads; d channels of a query per head
    z_pt = scale · ⟨q_p, k_t + r^H_{Δy} + r^W_{Δx}⟩      Δ = t − p in pixels of x
    attention_p = Σ_t softmax_t(z_p) v_t

    ∂z as in global attention;   ∂r^H_{Δy} = scale · Σ_{p,t: t−p has Δy} ∂z_pt q_p , r^W alike
    ∂q_p = scale · Σ_t ∂z_pt (k_t + r^H + r^W) ,   ∂k_t = scale · Σ_p ∂z_pt q_p

Without ``rel_h`` and ``rel_w`` there are no position logits. Row Δ + size − 1 of ``rel_h`` (2H − 1
rows) and ``rel_w`` (2W − 1 rows) belongs to displacement Δ; the heads share them. With a stride,
queries stand at the strided positions, and keys and values at all of them.

Source: Bello et al., "Attention Augmented Convolutional Networks", arXiv:1904.09925 (ICCV 2019),
Eq. 1-5; the article's contrast to X-volution.
"""

from typing import Any, NamedTuple

import numpy as np

from refimpl.arrays import Array, Pair, Shaped, check_upstream, pair, shaped, zeros_for
from refimpl.ops.conv2d import conv2d, conv2d_backward, same_padding
from refimpl.ops.global_attention import (
    attention_scale,
    check_heads,
    gather_tokens,
    split_heads,
    tokens_of,
)
from refimpl.ops.pssa import project, project_backward
from refimpl.ops.softmax import pull_softmax, softmax


class AaConv2dGrads(NamedTuple):
    """Gradient with respect to each array argument; None for tables that were left out."""

    x: Array
    w_c: Array
    w_q: Array
    w_k: Array
    w_v: Array
    w_o: Array
    b_c: Array
    rel_h: Array | None
    rel_w: Array | None


@shaped
def aa_conv2d(
    x: Shaped[Array, "n c h w"],
    w_c: Shaped[Array, "o c k_h k_w"],
    w_q: Shaped[Array, "d c"],
    w_k: Shaped[Array, "d c"],
    w_v: Shaped[Array, "v c"],
    w_o: Shaped[Array, "v v"],
    b_c: Shaped[Array, " o"] | None = None,
    *,
    rel_h: Shaped[Array, "span_h d_h"] | None = None,
    rel_w: Shaped[Array, "span_w d_h"] | None = None,
    heads: int = 1,
    scale: Any = None,
    stride: Pair = 1,
) -> Shaped[Array, "n ov i j"]:
    """Convolve to o channels, attend to v channels, and put them side by side.

    ``scale`` is 1/√(d/heads) by default.

    Raises
    ------
    ValueError
        If the heads do not divide the channels, only one position table is given, or a table does
        not have one row per displacement.
    """
    steps = pair("stride", stride, least=1)
    conv = conv2d(x, w_c, b_c, stride=stride, padding=same_padding(w_c.shape[2:]))
    _, _, attended = _attend(x, (w_q, w_k, w_v), (rel_h, rel_w), heads, scale, steps)
    images = attended.reshape(len(x), len(w_v), *conv.shape[2:])
    return np.concatenate([conv, project(images, w_o)], axis=1)


@shaped
def aa_conv2d_backward(
    dy: Shaped[Array, "n ov i j"],
    x: Shaped[Array, "n c h w"],
    w_c: Shaped[Array, "o c k_h k_w"],
    w_q: Shaped[Array, "d c"],
    w_k: Shaped[Array, "d c"],
    w_v: Shaped[Array, "v c"],
    w_o: Shaped[Array, "v v"],
    *,
    rel_h: Shaped[Array, "span_h d_h"] | None = None,
    rel_w: Shaped[Array, "span_w d_h"] | None = None,
    heads: int = 1,
    scale: Any = None,
    stride: Pair = 1,
) -> AaConv2dGrads:
    """Pull ``dy``, the gradient of the output, back to every array argument."""
    steps, factor = pair("stride", stride, least=1), attention_scale(scale, w_q, heads, "softmax")
    d_conv, d_out = np.split(dy, [len(w_c)], axis=1)
    convs = conv2d_backward(d_conv, x, w_c, stride=stride, padding=same_padding(w_c.shape[2:]))
    check_upstream("aa_conv2d", d_out, (len(x), len(w_v), *d_conv.shape[2:]))
    tables = (rel_h, rel_w)
    tokens, weights, attended = _attend(x, (w_q, w_k, w_v), tables, heads, scale, steps)
    images = attended.reshape(len(x), len(w_v), *dy.shape[2:])
    d_images, dw_o = project_backward(d_out, images, w_o)

    queries, keys, values = tokens
    upstream = split_heads(d_images, heads)
    d_weights = np.matmul(upstream.swapaxes(2, 3), values)
    d_scores = pull_softmax(d_weights, weights) * factor
    d_queries = np.matmul(keys, d_scores.swapaxes(2, 3))
    d_rel_h = d_rel_w = None
    if rel_h is not None and rel_w is not None:
        position = _positions(x, steps)
        table = rel_h[position.rows] + rel_w[position.cols]
        d_queries = d_queries + _by_query(d_scores, table).swapaxes(2, 3)
        d_table = _table_gradient(d_scores, queries)
        d_rel_h, d_rel_w = zeros_for(rel_h, d_table), zeros_for(rel_w, d_table)
        np.add.at(d_rel_h, position.rows, d_table)
        np.add.at(d_rel_w, position.cols, d_table)
    grads = d_queries, np.matmul(queries, d_scores), np.matmul(upstream, weights)
    dx, dw_q, dw_k, dw_v = gather_tokens(x, (w_q, w_k, w_v), grads, steps)
    return AaConv2dGrads(convs.x + dx, convs.w, dw_q, dw_k, dw_v, dw_o, convs.b, d_rel_h, d_rel_w)


class _Positions(NamedTuple):
    """Row of each position table for every (query, pixel)."""

    rows: Array
    cols: Array


def _attend(
    x: Array,
    weights: tuple[Array, Array, Array],
    tables: tuple[Array | None, Array | None],
    heads: int,
    scale: Any,
    steps: tuple[int, int],
) -> tuple[tuple[Array, Array, Array], Array, Array]:
    """Tokens, attention (n, heads, queries, pixels) and attended values (n, heads, v, queries)."""
    check_heads(weights[0], weights[2], heads)
    tokens = tokens_of(x, weights, heads, steps)
    queries, keys, values = tokens
    scores = np.matmul(queries.swapaxes(2, 3), keys) + _position_logits(x, queries, tables, steps)
    attention = softmax(scores * attention_scale(scale, weights[0], heads, "softmax"))
    return tokens, attention, np.matmul(values, attention.swapaxes(2, 3))


def _position_logits(
    x: Array, queries: Array, tables: tuple[Array | None, Array | None], steps: tuple[int, int]
) -> Any:
    """⟨q_p, r^H + r^W⟩ as (n, heads, queries, pixels); 0 without tables."""
    rel_h, rel_w = tables
    if rel_h is None and rel_w is None:
        return 0
    if rel_h is None or rel_w is None:
        raise ValueError("rel_h and rel_w must be given both or neither")
    wanted = [(2 * side - 1, queries.shape[2]) for side in x.shape[2:]]
    if [rel_h.shape, rel_w.shape] != wanted:
        raise ValueError(
            f"rel_h and rel_w must have shapes {wanted[0]} and {wanted[1]}: a row per displacement "
            f"and the channels of one head, not {rel_h.shape} and {rel_w.shape}"
        )
    position = _positions(x, steps)
    table = rel_h[position.rows] + rel_w[position.cols]
    return _by_query(queries.swapaxes(2, 3), table.swapaxes(1, 2))


def _by_query(rows: Array, matrices: Array) -> Array:
    """Each query's row (n, heads, queries, a) times that query's matrix (queries, a, b)."""
    return np.matmul(rows[..., None, :], matrices)[..., 0, :]


def _table_gradient(d_scores: Array, queries: Array) -> Array:
    """Σ over images and heads of ∂z_pt q_p: (queries, pixels, d)."""
    return (d_scores[..., None] * queries.swapaxes(2, 3)[..., None, :]).sum(axis=(0, 1))


def _positions(x: Array, steps: tuple[int, int]) -> _Positions:
    height, width = x.shape[2:]
    row, col = (each.reshape(-1) for each in np.indices((height, width)))
    at_row, at_col = (
        each[:: steps[0], :: steps[1]].reshape(-1) for each in np.indices((height, width))
    )
    return _Positions(
        row[None] - at_row[:, None] + height - 1, col[None] - at_col[:, None] + width - 1
    )
