"""Global self-attention over all pixels of a feature map.

    q = W_q x,  k = W_k x,  v = W_v x            1×1 projections; p, t number the pixels
    z_pt = scale · ⟨q_p, k_t⟩                     in each head on its own channels
    y_p  = Σ_t a_pt v_t,   a_p = softmax_t(z_p)   ("softmax")   or   a_p = z_p   ("none")
    out  = W_o y                                  only where W_o is given

    ∂v_t  = Σ_p a_pt ∂y_p            ∂a_pt = ⟨∂y_p, v_t⟩
    ∂z_pt = a_pt·(∂a_pt − Σ_τ a_pτ ∂a_pτ)   (softmax)   or   ∂a_pt   (none)
    ∂q_p  = scale·Σ_t ∂z_pt k_t       ∂k_t = scale·Σ_p ∂z_pt q_p

Without softmax the sum may be taken in another order ("context"), which never forms the n×n scores:

    G = Σ_t v_t k_tᵀ ,   y_p = scale·G q_p        an image-dependent 1×1 convolution, O(n·C²)
    ∂G = scale·Σ_p ∂y_p q_pᵀ ,  ∂q_p = scale·Gᵀ ∂y_p ,  ∂v_t = ∂G k_t ,  ∂k_t = ∂Gᵀ v_t

With a stride, queries stand at the strided positions, keys and values at all.

Error. Without softmax the operator is a polynomial: ω·M, M the same sums on absolute values. With
it, scores of two float evaluations differ by at most ω·Z_pt, Z = |scale|·Σ|q||k|, |q| = |W_q||x|,
|k| and |v| alike; the roundings of z − max z are ≤ 4u·max Z. So ``softmax`` has
r_p = 2ω·max_t Z_pt + ω, and with the sums and products that follow (4ω forward, 8ω backward)

    |Δy_p| ≤ Σ_t (e^{r_p+4ω} − 1)·a_pt |v_t|
    |Δ∂z_pt| ≤ (e^{2r_p+8ω} − 1)·a_pt·(Σ|∂y_p||v_t| + Σ_τ a_pτ Σ|∂y_p||v_τ|)

From there on gradients are sums of products: the same sums on these bounds and on absolute values.
Errors grow with the largest score of a query, not with the number of pixels.

Sources: Wang et al., "Non-local Neural Networks", arXiv:1711.07971 (2018), Eq. 1-4; Vaswani et al.,
arXiv:1706.03762 (2017), Eq. 1 for the scale 1/√d and section 3.2.2 for heads; Katharopoulos et al.,
arXiv:2006.16236 (2020), Eq. 4-5 for the other order.
"""

from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from refimpl.arrays import Array, Pair, Shaped, check_upstream, is_integer, pair, shaped
from refimpl.ops.pssa import project, project_backward
from refimpl.ops.softmax import pull_softmax, softmax

Normalise: TypeAlias = Literal["softmax", "none"]
Order: TypeAlias = Literal["scores", "context"]


class GlobalAttentionGrads(NamedTuple):
    """Gradient with respect to each array argument; None where ``w_o`` was left out."""

    x: Array
    w_q: Array
    w_k: Array
    w_v: Array
    w_o: Array | None


@shaped
def global_attention(
    x: Shaped[Array, "n c h w"],
    w_q: Shaped[Array, "d c"],
    w_k: Shaped[Array, "d c"],
    w_v: Shaped[Array, "v c"],
    w_o: Shaped[Array, "o v"] | None = None,
    *,
    heads: int = 1,
    scale: Any = None,
    normalise: Normalise = "softmax",
    order: Order = "scores",
    stride: Pair = 1,
) -> Shaped[Array, "n o i j"]:
    """Let every (strided) pixel attend to all pixels.

    ``scale`` is a number of the arrays' own type; by default 1/√(d/heads) with softmax, and 1
    without. The order "scores" builds the whole (n, heads, pixels, pixels) array.

    Raises
    ------
    ValueError
        If ``normalise``, ``order`` or ``heads`` is not one there is.
    """
    steps = _checked(w_q, w_v, heads, normalise, order, stride)
    queries, keys, values = tokens_of(x, (w_q, w_k, w_v), heads, steps)
    factor = attention_scale(scale, w_q, heads, normalise)
    if order == "context":
        attended = np.matmul(np.matmul(values, keys.swapaxes(2, 3)), queries) * factor
    else:
        attended = attend_by_scores((queries, keys, values), factor, normalise)
    return project(attended.reshape(_strided(x, w_v, steps)), w_o)


@shaped
def global_attention_backward(
    dy: Shaped[Array, "n o i j"],
    x: Shaped[Array, "n c h w"],
    w_q: Shaped[Array, "d c"],
    w_k: Shaped[Array, "d c"],
    w_v: Shaped[Array, "v c"],
    w_o: Shaped[Array, "o v"] | None = None,
    *,
    heads: int = 1,
    scale: Any = None,
    normalise: Normalise = "softmax",
    order: Order = "scores",
    stride: Pair = 1,
) -> GlobalAttentionGrads:
    """Pull ``dy``, the gradient of the output, back to the image and the projections."""
    steps = _checked(w_q, w_v, heads, normalise, order, stride)
    check_upstream("global_attention", dy, _strided(x, w_v if w_o is None else w_o, steps))
    tokens = tokens_of(x, (w_q, w_k, w_v), heads, steps)
    factor = attention_scale(scale, w_q, heads, normalise)
    inner, dw_o = dy, None
    if w_o is not None:
        options: dict[str, Any] = {
            "heads": heads,
            "scale": scale,
            "normalise": normalise,
            "order": order,
        }
        attended = global_attention(x, w_q, w_k, w_v, stride=stride, **options)
        inner, dw_o = project_backward(dy, attended, w_o)
    upstream = split_heads(inner, heads)
    pull = _pull_context if order == "context" else pull_by_scores
    grads = pull(upstream, tokens, factor, normalise)
    return GlobalAttentionGrads(*gather_tokens(x, (w_q, w_k, w_v), grads, steps), dw_o)


Tokens: TypeAlias = tuple[Array, Array, Array]


def attend_by_scores(tokens: Tokens, factor: Any, normalise: Normalise) -> Array:
    """What each query gathers (n, heads, v, queries), by way of all the scores."""
    queries, keys, values = tokens
    weights = _weights(queries, keys, factor, normalise)
    return np.matmul(values, weights.swapaxes(2, 3))


def pull_by_scores(upstream: Array, tokens: Tokens, factor: Any, normalise: Normalise) -> Tokens:
    """Gradients of queries, keys and values through the scores."""
    queries, keys, values = tokens
    weights = _weights(queries, keys, factor, normalise)
    d_scores = np.matmul(upstream.swapaxes(2, 3), values)
    if normalise == "softmax":
        d_scores = pull_softmax(d_scores, weights)
    return (
        np.matmul(keys, d_scores.swapaxes(2, 3)) * factor,
        np.matmul(queries, d_scores) * factor,
        np.matmul(upstream, weights),
    )


def _pull_context(upstream: Array, tokens: Tokens, factor: Any, _: Normalise) -> Tokens:
    """The same without the scores."""
    queries, keys, values = tokens
    context = np.matmul(values, keys.swapaxes(2, 3))
    d_context = np.matmul(upstream, queries.swapaxes(2, 3)) * factor
    return (
        np.matmul(context.swapaxes(2, 3), upstream) * factor,
        np.matmul(d_context.swapaxes(2, 3), values),
        np.matmul(d_context, keys),
    )


def gather_tokens(
    x: Array, weights: Tokens, upstream: Tokens, steps: tuple[int, int]
) -> tuple[Array, Array, Array, Array]:
    """Pull the gradients of queries, keys and values back: to x, w_q, w_k and w_v."""
    down, right = steps
    w_q, w_k, w_v = weights
    seen = x[:, :, ::down, ::right]
    d_seen, dw_q = project_backward(upstream[0].reshape(_strided(x, w_q, steps)), seen, w_q)
    d_x_k, dw_k = project_backward(upstream[1].reshape(_strided(x, w_k, (1, 1))), x, w_k)
    d_x_v, dw_v = project_backward(upstream[2].reshape(_strided(x, w_v, (1, 1))), x, w_v)
    dx = d_x_k + d_x_v
    dx[:, :, ::down, ::right] = dx[:, :, ::down, ::right] + d_seen
    return dx, dw_q, dw_k, dw_v


def tokens_of(x: Array, weights: Tokens, heads: int, steps: tuple[int, int]) -> Tokens:
    """Queries (n, heads, d, strided pixels), keys (n, heads, d, pixels), values likewise."""
    w_q, w_k, w_v = weights
    strided = x[:, :, :: steps[0], :: steps[1]]
    images = (project(strided, w_q), project(x, w_k), project(x, w_v))
    queries, keys, values = (split_heads(each, heads) for each in images)
    return queries, keys, values


def split_heads(image: Array, heads: int) -> Array:
    """Split the channels among the heads, number the pixels: (n, heads, c/heads, h·w)."""
    n, c, h, w = image.shape
    return image.reshape(n, heads, c // heads, h * w)


def _weights(queries: Array, keys: Array, scale: Any, normalise: Normalise) -> Array:
    """Attention of each query (axis 2) to each pixel (axis 3)."""
    scores = np.matmul(queries.swapaxes(2, 3), keys) * scale
    return scores if normalise == "none" else softmax(scores)


def _checked(
    w_q: Array, w_v: Array, heads: int, normalise: Normalise, order: Order, stride: Pair
) -> tuple[int, int]:
    """Check the options; return the stride as a pair."""
    if normalise not in ("softmax", "none"):
        raise ValueError(f"normalise must be 'softmax' or 'none', not {normalise!r}")
    if order not in ("scores", "context"):
        raise ValueError(f"order must be 'scores' or 'context', not {order!r}")
    if order == "context" and normalise != "none":
        raise ValueError("order 'context' must go with normalise 'none': softmax needs the scores")
    check_heads(w_q, w_v, heads)
    return pair("stride", stride, least=1)


def check_heads(w_q: Array, w_v: Array, heads: int) -> None:
    """Raise ``ValueError`` unless the heads divide the channels of queries and values."""
    if not is_integer(heads) or heads < 1 or len(w_q) % heads or len(w_v) % heads:
        raise ValueError(
            f"heads must divide the {len(w_q)} channels of queries and the {len(w_v)} of values, "
            f"not be {heads!r}"
        )


def attention_scale(scale: Any, w_q: Array, heads: int, normalise: Normalise) -> Any:
    """The scale given, or its default: 1/√(d/heads) with softmax, 1 without."""
    if scale is not None:
        return scale
    return (len(w_q) // heads) ** -0.5 if normalise == "softmax" else 1


def _strided(x: Array, w: Array, steps: tuple[int, int]) -> tuple[int, int, int, int]:
    """Shape of the output of a strided 1×1 projection of ``x`` by ``w``."""
    height, width = x.shape[2:]
    return len(x), len(w), -(-height // steps[0]), -(-width // steps[1])
