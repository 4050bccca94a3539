"""Local self-attention: the sums of global attention over a K×K window.

    q = W_q x,  k = W_k x,  v = W_v x              1×1 projections
    z(p,δ) = scale · ⟨q_p, k_{p+δ}⟩                 δ in the window A, p + δ inside the image
    y_p    = Σ_δ a(p,δ) v_{p+δ}                     a = z ("none") or softmax over δ ("softmax")

    ∂v_t = Σ_{p+δ=t} a(p,δ) ∂y_p      ∂a(p,δ) = ⟨∂y_p, v_{p+δ}⟩
    ∂z   = a·(∂a − Σ_δ a ∂a) (softmax)  or  ∂a (none)
    ∂q_p = scale·Σ_δ ∂z(p,δ) k_{p+δ}   ∂k_t = scale·Σ_{p+δ=t} ∂z(p,δ) q_p

Positions outside the image contribute nothing (under softmax they are masked, not zero scores). It
is a spatially varying convolution: the kernel at (p, δ) is W_v·a(p,δ). Unnormalised it is of degree
3 and odd, f(−x) = −f(x): *not* the pixel-shift self-attention, which is of degree 2 and even.

Error. As in ``global_attention``, with sums and the largest score taken over the window: masked
places have no weight, and with it no error.

Sources: Chen, Wang and Ni, "X-volution", arXiv:2106.02253 (2021), Eq. 8 and 9 as public reports
have them; Ramachandran et al., "Stand-Alone Self-Attention", arXiv:1906.05909 (2019), Eq. 2, for
the softmax form.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from refimpl.arrays import Array, Pair, Shaped, check_upstream, pair, shaped, zeros_for
from refimpl.ops.conv2d import ConvGeometry, conv_geometry, same_padding
from refimpl.ops.global_attention import Normalise
from refimpl.ops.pssa import project, project_backward
from refimpl.ops.softmax import masked_softmax, pull_softmax


class LocalAttentionGrads(NamedTuple):
    """Gradient of a loss with respect to each array argument of ``local_attention``."""

    x: Array
    w_q: Array
    w_k: Array
    w_v: Array


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
    """Let every (strided) pixel attend to a window around it.

    ``scale`` is a number of the arrays' own type; by default 1/√d with softmax, and 1 without.

    Raises
    ------
    ValueError
        If a side of the window is even, or ``normalise`` is not "softmax" or "none".
    """
    window = _window(x, w_q, kernel, stride, dilation)
    queries = project(window.centres(x), w_q)
    weights = _weights(
        queries, project(x, w_k), window, window_scale(scale, w_q, normalise), normalise
    )
    values = window.geometry.pad(project(x, w_v))
    y = np.zeros((len(x), len(w_v), *window.geometry.output), np.result_type(x, w_v))
    for tap, seen in window.taps():
        y = y + weights[:, None, ..., tap] * values[seen]
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
    window = _window(x, w_q, kernel, stride, dilation)
    check_upstream("local_attention", dy, (len(x), len(w_v), *window.geometry.output))
    factor, geometry = window_scale(scale, w_q, normalise), window.geometry
    queries, image_k = project(window.centres(x), w_q), project(x, w_k)
    weights = _weights(queries, image_k, window, factor, normalise)
    keys, values = geometry.pad(image_k), geometry.pad(project(x, w_v))

    d_weights = np.stack([(dy * values[seen]).sum(axis=1) for _, seen in window.taps()], axis=-1)
    d_scores = np.where(window.inside, d_weights, 0)
    if normalise == "softmax":
        d_scores = pull_softmax(d_scores, weights)
    d_scores = d_scores * factor

    dq, dk = zeros_for(queries, keys, d_scores), zeros_for(keys, queries, d_scores)
    dv = zeros_for(values, weights, dy)
    for tap, seen in window.taps():
        upstream = d_scores[:, None, ..., tap]
        dq = dq + upstream * keys[seen]
        dk[seen] = dk[seen] + upstream * queries
        dv[seen] = dv[seen] + weights[:, None, ..., tap] * dy
    d_centres, dw_q = project_backward(dq, window.centres(x), w_q)
    d_x_k, dw_k = project_backward(geometry.crop(dk), x, w_k)
    d_x_v, dw_v = project_backward(geometry.crop(dv), x, w_v)
    dx = d_x_k + d_x_v
    down, right = geometry.stride
    dx[:, :, ::down, ::right] = dx[:, :, ::down, ::right] + d_centres
    return LocalAttentionGrads(dx, dw_q, dw_k, dw_v)


class _Window(NamedTuple):
    """Where each query looks, and which of those places are inside the image (i, j, taps)."""

    geometry: ConvGeometry
    inside: Array

    def centres(self, x: Array) -> Array:
        """The pixels at which queries stand."""
        down, right = self.geometry.stride
        return x[:, :, ::down, ::right]

    def taps(self) -> Iterator[tuple[int, tuple[slice, ...]]]:
        """Yield each place in the window by number, and the part of the padded image it sees."""
        for tap, (_, _, seen) in enumerate(self.geometry.taps()):
            yield tap, seen


def _window(x: Array, w_q: Array, kernel: Pair, stride: Pair, dilation: Pair) -> _Window:
    sides = pair("kernel", kernel, least=1)
    geometry = conv_geometry(
        x.shape,
        (len(w_q), x.shape[1], *sides),
        stride=stride,
        padding=same_padding(sides, dilation),
        dilation=dilation,
    )
    image = geometry.pad(np.ones((1, 1, *x.shape[2:]), bool))
    return _Window(geometry, np.stack([image[seen][0, 0] for *_, seen in geometry.taps()], axis=-1))


def _weights(
    queries: Array, image_k: Array, window: _Window, scale: Any, normalise: Normalise
) -> Array:
    """a(p, δ) as (n, i, j, taps); 0 where p + δ lies outside the image."""
    if normalise not in ("softmax", "none"):
        raise ValueError(f"normalise must be 'softmax' or 'none', not {normalise!r}")
    keys = window.geometry.pad(image_k)
    scores = np.stack([(queries * keys[seen]).sum(axis=1) for _, seen in window.taps()], axis=-1)
    scores = scores * scale
    if normalise == "none":
        return scores
    return masked_softmax(scores, window.inside)


def window_scale(scale: Any, w_q: Array, normalise: Normalise) -> Any:
    """The scale given, or its default: 1/√d with softmax, 1 without."""
    if scale is not None:
        return scale
    return len(w_q) ** -0.5 if normalise == "softmax" else 1
