"""SA form: unnormalised global attention as one convolution per image.

    y_p = scale·Σ_t ⟨q_p, k_t⟩ v_t = scale·G q_p,    G = Σ_t v_t k_tᵀ      (per head)
    with q = W_q x:  y = M(x)·x,                     M = W_o·scale·stack_heads(G_h·W_q,h)
    X-volution:      conv2d(x, w_c + δ₀·M(x), b)     δ₀: only the middle tap

The kernel depends on the image, not on the pixel, and all of the image is needed before the first
output. Folding BN_a scales the rows of M: those of W_o, or of W_v where there is no W_o. Softmax is
not linear in q, and does not merge.

Source: derived from the order "context" of ``refimpl.ops.global_attention``; Chen, Wang and Ni,
"X-volution", arXiv:2106.02253 (2021), whose article names the form.
"""

from typing import Any

import numpy as np

from refimpl.arrays import Array, Pair, Shaped, pair, shaped
from refimpl.fuse import MergeError, embed
from refimpl.ops.conv2d import conv2d, same_padding
from refimpl.ops.global_attention import check_heads, split_heads
from refimpl.ops.pssa import project


@shaped
def per_image_weights(
    x: Shaped[Array, "n c h w"],
    w_c: Shaped[Array, "o c k_h k_w"],
    w_q: Shaped[Array, "d c"],
    w_k: Shaped[Array, "d c"],
    w_v: Shaped[Array, "v c"],
    w_o: Shaped[Array, "o v"] | None = None,
    *,
    heads: int = 1,
    scale: Any = 1,
) -> Shaped[Array, "n o c k_h k_w"]:
    """Kernels of the SA form, one set per image: w_c + δ₀·M(x).

    ``scale`` is a number, or one per output channel (o,): the folded normalisation of the branch.
    All of the image is needed before the first output.
    """
    if not all(side % 2 for side in w_c.shape[2:]):
        raise MergeError("common support", f"kernel sides must be odd, not {w_c.shape[2:]}")
    check_heads(w_q, w_v, heads)
    keys, values = (split_heads(project(x, w), heads) for w in (w_k, w_v))
    queries = w_q.reshape(heads, len(w_q) // heads, w_q.shape[1])
    context = np.matmul(np.matmul(values, keys.swapaxes(2, 3)), queries)
    mixing = context.reshape(len(x), len(w_v), x.shape[1])
    if w_o is not None:
        mixing = np.matmul(w_o, mixing)
    factor = scale[:, None] if isinstance(scale, np.ndarray) else scale
    per_image = embed((mixing * factor).reshape(-1, w_c.shape[1], 1, 1), w_c.shape[2:])
    return w_c[None] + per_image.reshape(len(x), *w_c.shape)


@shaped
def per_image_conv2d(
    x: Shaped[Array, "n c h w"],
    w: Shaped[Array, "n o c k_h k_w"],
    b: Shaped[Array, " o"] | None = None,
    *,
    stride: Pair = 1,
    dilation: Pair = 1,
) -> Shaped[Array, "n o i j"]:
    """Convolve every image with its own kernels, "same" zero padding."""
    steps: dict[str, Any] = {
        "stride": pair("stride", stride, least=1),
        "padding": same_padding((w.shape[3], w.shape[4]), dilation),
        "dilation": dilation,
    }
    rows = [conv2d(image[None], kernels, b, **steps) for image, kernels in zip(x, w, strict=True)]
    if rows:
        return np.concatenate(rows)
    return conv2d(x, np.zeros(w.shape[1:], w.dtype), b, **steps)


@shaped
def per_image_form(
    x: Shaped[Array, "n c h w"],
    w_c: Shaped[Array, "o c k_h k_w"],
    w_q: Shaped[Array, "d c"],
    w_k: Shaped[Array, "d c"],
    w_v: Shaped[Array, "v c"],
    w_o: Shaped[Array, "o v"] | None = None,
    b: Shaped[Array, " o"] | None = None,
    *,
    heads: int = 1,
    scale: Any = 1,
    stride: Pair = 1,
    dilation: Pair = 1,
) -> Shaped[Array, "n o i j"]:
    """Make each image's kernels, then convolve it with them."""
    kernels = per_image_weights(x, w_c, w_q, w_k, w_v, w_o, heads=heads, scale=scale)
    return per_image_conv2d(x, kernels, b, stride=stride, dilation=dilation)
