"""Kernel form of local attention: a static kernel plus W_v times the score of the place.

    y[p] = b + Σ_δ (w_c[δ] + W_v·a(p,δ))·x[p+δ]          a scalar for each pixel and place
         = b + Σ_δ w_c[δ]·x[p+δ] + W_v·(Σ_δ a(p,δ)·x[p+δ])

a(p,δ) = scale·⟨W_q x_p, W_k x_{p+δ}⟩, with softmax over δ or without: the merge survives it, since
y is linear in the values whatever the weights. The window and the kernel share their centre and
dilation; the kernel of both is as large as the larger. BN_a folds into W_v by rows.

The second line stores K² scores a pixel instead of o·c·K² numbers, and mixes channels once.

Source: Chen, Wang and Ni, "X-volution", arXiv:2106.02253 (2021), Eq. 8 and 9 as public reports have
them.
"""

from typing import Any

import numpy as np

from refimpl.arrays import Array, Pair, Shaped, pair, shaped
from refimpl.forms.kernel import MOST_BYTES, check_size, same_geometry
from refimpl.fuse import embed
from refimpl.ops.conv2d import ConvGeometry, conv2d, same_padding
from refimpl.ops.global_attention import Normalise
from refimpl.ops.local_attention import window_scale
from refimpl.ops.pssa import project
from refimpl.ops.softmax import masked_softmax


@shaped
def local_kernel(
    x: Shaped[Array, "n c h w"],
    w_c: Shaped[Array, "o c k_h k_w"],
    w_q: Shaped[Array, "d c"],
    w_k: Shaped[Array, "d c"],
    w_v: Shaped[Array, "o c"],
    *,
    kernel: Pair = 3,
    scale: Any = None,
    normalise: Normalise = "none",
    stride: Pair = 1,
    dilation: Pair = 1,
    most_bytes: int = MOST_BYTES,
) -> Shaped[Array, "n o c s_h s_w i j"]:
    """The kernel at every output pixel; ``dynamic_conv2d`` runs it. Stored: small cases only.

    Raises
    ------
    ValueError
        If the kernels would take more than ``most_bytes``.
    """
    window = pair("kernel", kernel, least=1)
    support = max(w_c.shape[2], window[0]), max(w_c.shape[3], window[1])
    static = embed(w_c, support)
    geometry = same_geometry(x, static.shape[:2], support, stride, dilation)
    dtype = np.result_type(x, w_c, w_v)
    shape = (len(x), *static.shape, *geometry.output)
    check_size(shape, dtype, most_bytes, "local_kernel_form")
    scores = _scores(
        x, w_q, w_k, same_geometry(x, (1, x.shape[1]), window, stride, dilation), scale, normalise
    )
    dynamic = np.zeros(shape, dtype) + static[None, ..., None, None]
    top, left = ((large - small) // 2 for large, small in zip(support, window, strict=True))
    for tap, (u, v) in enumerate(np.ndindex(window)):
        weight = scores[:, None, None, ..., tap] * w_v[None, ..., None, None]
        dynamic[:, :, :, top + u, left + v] = dynamic[:, :, :, top + u, left + v] + weight
    return dynamic


@shaped
def local_kernel_form(
    x: Shaped[Array, "n c h w"],
    w_c: Shaped[Array, "o c k_h k_w"],
    w_q: Shaped[Array, "d c"],
    w_k: Shaped[Array, "d c"],
    w_v: Shaped[Array, "o c"],
    b: Shaped[Array, " o"] | None = None,
    *,
    kernel: Pair = 3,
    scale: Any = None,
    normalise: Normalise = "none",
    stride: Pair = 1,
    dilation: Pair = 1,
) -> Shaped[Array, "n o i j"]:
    """Evaluate the kernel form without storing a kernel: weigh pixels, then mix channels once."""
    sides = pair("kernel", kernel, least=1)
    window = same_geometry(x, (1, x.shape[1]), sides, stride, dilation)
    scores = _scores(x, w_q, w_k, window, scale, normalise)
    image = window.pad(x)
    gathered = np.zeros((*x.shape[:2], *window.output), np.result_type(x, scores))
    for tap, (_, _, seen) in enumerate(window.taps()):
        gathered = gathered + scores[:, None, ..., tap] * image[seen]
    padding = same_padding(w_c.shape[2:], dilation)
    static = conv2d(x, w_c, b, stride=stride, padding=padding, dilation=dilation)
    return static + project(gathered, w_v)


def _scores(
    x: Array, w_q: Array, w_k: Array, window: ConvGeometry, scale: Any, normalise: Normalise
) -> Array:
    """a(p, δ) as (n, i, j, taps), from the padded keys; 0 where p + δ lies outside the image."""
    if normalise not in ("softmax", "none"):
        raise ValueError(f"normalise must be 'softmax' or 'none', not {normalise!r}")
    down, right = window.stride
    queries, keys = project(x[:, :, ::down, ::right], w_q), window.pad(project(x, w_k))
    places = [seen for *_, seen in window.taps()]
    scores = np.stack([(queries * keys[seen]).sum(axis=1) for seen in places], axis=-1)
    scores = scores * window_scale(scale, w_q, normalise)
    if normalise == "none":
        return scores
    inside = window.pad(np.ones((1, 1, *x.shape[2:]), bool))
    return masked_softmax(scores, np.stack([inside[seen][0, 0] for seen in places], axis=-1))
