"""Tied form: where every direction's kernel is the convolution's, up to a factor per input channel.

    w_a[o, (d, c), δ] = α[d, c]·w_c[o, c, δ]   for all o and δ
    y = conv2d(x ⊙ (1 + Σ_d α_d ⊙ shift(x, L·d)), w_c, b)

No product more on the array than the plain convolution; a gate before it. After folding, both
normalisations must scale every output alike, or the kernels are not tied.

α is the least-squares factor Σ w_a·w_c / Σ w_c², which is the factor itself where there is one.

Source: derived from the feature form: conv2d(x ⊙ g, w_c) with g constant along outputs and taps.
"""

from typing import Any, NamedTuple

import numpy as np

from refimpl.arrays import Array, Pair, Shaped, shaped
from refimpl.fuse import MergeError
from refimpl.ops.conv2d import conv2d, same_padding
from refimpl.ops.shift import Boundary, shift
from refimpl.ops.shift_product import FOUR_DIRECTIONS, Directions, offsets


class Tied(NamedTuple):
    """Kernels and bias of the tied form, and α (directions, c)."""

    w: Array
    b: Array
    alpha: Array


def tie(w_c: Array, w_a: Array, b: Array, *, tolerance: Any = 0) -> Tied:
    """Find α with w_a[o, (d, c), δ] = α[d, c]·w_c[o, c, δ] for all o and δ.

    With ``tolerance`` 0, exactly; else up to that part of the largest |w_a|, as trained weights
    rounded to floats are.

    Raises
    ------
    MergeError
        If there is none: the kernels are not tied.
    """
    channels = w_c.shape[1]
    many = w_a.shape[1] // channels
    if w_a.shape != (len(w_c), many * channels, *w_c.shape[2:]):
        raise MergeError(
            "tied kernels", f"both kernels must have one size, not {w_c.shape} and {w_a.shape}"
        )
    by_direction = np.stack(np.split(w_a, many, axis=1))
    norms = (w_c * w_c).sum(axis=(0, 2, 3))
    projections = (by_direction * w_c).sum(axis=(1, 3, 4))
    alpha = np.zeros_like(projections)
    used = np.flatnonzero(norms != 0)
    alpha[:, used] = projections[:, used] / norms[used]
    residual = by_direction - w_c * alpha[:, None, :, None, None]
    if _differs(residual, w_a, tolerance):
        raise MergeError(
            "tied kernels",
            "the attention kernel of every direction must be the convolution's, up to a factor per "
            "input channel",
        )
    return Tied(w_c, b, alpha)


def _differs(residual: Array, w_a: Array, tolerance: Any) -> bool:
    if not tolerance:
        return bool((residual != 0).any())
    return bool((np.abs(residual) > tolerance * np.abs(w_a).max(initial=0)).any())


@shaped
def tied(
    x: Shaped[Array, "n c h w"],
    w: Shaped[Array, "o c k_h k_w"],
    b: Shaped[Array, " o"],
    alpha: Shaped[Array, "d c"],
    *,
    directions: Directions = FOUR_DIRECTIONS,
    length: int = 1,
    boundary: Boundary = "circular",
    stride: Pair = 1,
    dilation: Pair = 1,
) -> Shaped[Array, "n o i j"]:
    """Gate the image by its shifted copies, then convolve it once."""
    reached = offsets(directions, length)
    gate = sum(
        each[:, None, None] * shift(x, offset=d, boundary=boundary)
        for each, d in zip(alpha, reached, strict=True)
    )
    padding = same_padding(w.shape[2:], dilation)
    return conv2d(x + x * gate, w, b, stride=stride, padding=padding, dilation=dilation)
