"""Global self-attention over all pixels of a feature map.

    q = W_q x,  k = W_k x,  v = W_v x            1×1 projections; p, t number the pixels
    z_pt = scale · ⟨q_p, k_t⟩
    y_p  = Σ_t a_pt v_t,   a_p = softmax_t(z_p)   ("softmax")   or   a_p = z_p   ("none")

    ∂v_t  = Σ_p a_pt ∂y_p            ∂a_pt = ⟨∂y_p, v_t⟩
    ∂z_pt = a_pt·(∂a_pt − Σ_τ a_pτ ∂a_pτ)   (softmax)   or   ∂a_pt   (none)
    ∂q_p  = scale·Σ_t ∂z_pt k_t       ∂k_t = scale·Σ_p ∂z_pt q_p

One head, no output projection. With a stride, queries stand at the strided positions, keys and
values at all. The exponential is the number type's own: ``np.exp`` on object arrays calls
``element.exp()``.

Sources: Wang et al., "Non-local Neural Networks", arXiv:1711.07971 (2018), Eq. 1-4; Vaswani et al.,
arXiv:1706.03762 (2017), Eq. 1 for the scale 1/√d.
"""

from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from refimpl.arrays import Array, Pair, Shaped, pair, shaped
from refimpl.ops.pssa import project, project_backward

Normalise: TypeAlias = Literal["softmax", "none"]


class GlobalAttentionGrads(NamedTuple):
    """Gradient of a loss with respect to each array argument of ``global_attention``."""

    x: Array
    w_q: Array
    w_k: Array
    w_v: Array


@shaped
def global_attention(
    x: Shaped[Array, "n c h w"],
    w_q: Shaped[Array, "d c"],
    w_k: Shaped[Array, "d c"],
    w_v: Shaped[Array, "o c"],
    *,
    scale: Any = None,
    normalise: Normalise = "softmax",
    stride: Pair = 1,
) -> Shaped[Array, "n o i j"]:
    """Let every (strided) pixel attend to all pixels.

    ``scale`` is a number of the arrays' own type; by default 1/√d with softmax, and 1 without.
    Builds the whole (n, pixels, pixels) score array: this is the definition.

    Raises
    ------
    ValueError
        If ``normalise`` is not "softmax" or "none".
    """
    queries, keys, values = _tokens(x, w_q, w_k, w_v, stride)
    weights = _weights(queries, keys, _scale(scale, w_q, normalise), normalise)
    return np.matmul(values, weights.swapaxes(1, 2)).reshape(_strided(x, w_v, stride))


@shaped
def global_attention_backward(
    dy: Shaped[Array, "n o i j"],
    x: Shaped[Array, "n c h w"],
    w_q: Shaped[Array, "d c"],
    w_k: Shaped[Array, "d c"],
    w_v: Shaped[Array, "o c"],
    *,
    scale: Any = None,
    normalise: Normalise = "softmax",
    stride: Pair = 1,
) -> GlobalAttentionGrads:
    """Pull ``dy``, the gradient of the output, back to the image and the three projections."""
    queries, keys, values = _tokens(x, w_q, w_k, w_v, stride)
    factor = _scale(scale, w_q, normalise)
    weights = _weights(queries, keys, factor, normalise)
    upstream = _pixels(dy)

    d_values = np.matmul(upstream, weights)
    d_scores = np.matmul(upstream.swapaxes(1, 2), values)
    if normalise == "softmax":
        along = (weights * d_scores).sum(axis=2)[:, :, None]
        d_scores = weights * (d_scores - along)
    d_queries = np.matmul(keys, d_scores.swapaxes(1, 2)) * factor
    d_keys = np.matmul(queries, d_scores) * factor
    return _gather(x, (w_q, w_k, w_v), (d_queries, d_keys, d_values), stride)


def _gather(
    x: Array, weights: tuple[Array, ...], upstream: tuple[Array, ...], stride: Pair
) -> GlobalAttentionGrads:
    """Pull the gradients of queries, keys and values back through their projections."""
    down, right = pair("stride", stride, least=1)
    w_q, w_k, w_v = weights
    seen = x[:, :, ::down, ::right]
    d_seen, dw_q = project_backward(upstream[0].reshape(_strided(x, w_q, stride)), seen, w_q)
    d_x_k, dw_k = project_backward(upstream[1].reshape(_strided(x, w_k, 1)), x, w_k)
    d_x_v, dw_v = project_backward(upstream[2].reshape(_strided(x, w_v, 1)), x, w_v)
    dx = d_x_k + d_x_v
    dx[:, :, ::down, ::right] = dx[:, :, ::down, ::right] + d_seen
    return GlobalAttentionGrads(dx, dw_q, dw_k, dw_v)


def _tokens(
    x: Array, w_q: Array, w_k: Array, w_v: Array, stride: Pair
) -> tuple[Array, Array, Array]:
    """Queries (n, d, strided pixels), keys (n, d, pixels) and values (n, o, pixels)."""
    down, right = pair("stride", stride, least=1)
    images = (project(x[:, :, ::down, ::right], w_q), project(x, w_k), project(x, w_v))
    queries, keys, values = (_pixels(each) for each in images)
    return queries, keys, values


def _pixels(image: Array) -> Array:
    """Number the pixels: (n, c, h, w) to (n, c, h·w)."""
    return image.reshape(*image.shape[:2], image.shape[2] * image.shape[3])


def _weights(queries: Array, keys: Array, scale: Any, normalise: Normalise) -> Array:
    """Attention of each query (axis 1) to each pixel (axis 2)."""
    scores = np.matmul(queries.swapaxes(1, 2), keys) * scale
    if normalise == "none":
        return scores
    if normalise != "softmax":
        raise ValueError(f"normalise must be 'softmax' or 'none', not {normalise!r}")
    raised = np.exp(scores - scores.max(axis=2)[:, :, None])
    return raised / raised.sum(axis=2)[:, :, None]


def _scale(scale: Any, w_q: Array, normalise: Normalise) -> Any:
    if scale is not None:
        return scale
    return len(w_q) ** -0.5 if normalise == "softmax" else 1


def _strided(x: Array, w: Array, stride: Pair) -> tuple[int, int, int, int]:
    """Shape of the output of a strided 1×1 projection of ``x`` by ``w``."""
    down, right = pair("stride", stride, least=1)
    height, width = x.shape[2:]
    return len(x), len(w), -(-height // down), -(-width // right)
