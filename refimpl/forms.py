"""Equal ways to compute a merged X-volution, and what each asks of the hardware.

From the folded branches w_c, w_a, b (``refimpl.fuse.fold_branch``), with T_d = x ⊙ shift(x, L·d):

    feature   conv2d([x; T(x)], [w_c; w_a], b)                 one pass, static weights
    two-pass  conv2d(x, w_c, b) + conv2d(T(x), w_a)            each kernel at its own size, the same
                                                               accumulators: K_a = 1 beside K_c = 3
                                                               takes (9 + D)/9 of the plain
                                                               convolution's products, not 1 + D
    tied      conv2d(x ⊙ (1 + Σ_d α_d ⊙ shift(x, L·d)), w_c, b)
                                                               where w_a of direction d is w_c·α_d:
                                                               no product more on the array
    square    conv2d([x; (x + Sx)²; (x − Sx)²], [w_c; w_a/4; −w_a/4], b)
                                                               x·Sx = ¼[(x + Sx)² − (x − Sx)²]:
                                                               sums and one pointwise square
    kernel    Σ_δ (w_c[δ] + Σ_d w_a[d,δ]·diag(x[p+δ+L·d])) x[p+δ] + b
                                                               a convolution whose kernel depends on
                                                               the pixel: o·c·K²·n numbers if stored
    SA        conv2d(x, w_c + δ₀·s·G(x)·W_q, b)                unnormalised global attention: one
                                                               kernel per image, G = Σ_t v_t k_tᵀ

They are equal in exact arithmetic and differ in rounding: each adds in its own order.

Source: Chen, Wang and Ni, "X-volution", arXiv:2106.02253 (2021), for the feature and kernel
readings; the tied, square and per-image forms are derived above.
"""

from typing import Any, NamedTuple

import numpy as np

from refimpl.arrays import Array, Pair, Shaped, pair, shaped
from refimpl.fuse import MergeError, embed
from refimpl.ops.conv2d import conv2d, conv_geometry, same_padding
from refimpl.ops.pssa import project
from refimpl.ops.shift import Boundary, shift
from refimpl.ops.shift_product import FOUR_DIRECTIONS, Directions, offsets, shift_product


class Tied(NamedTuple):
    """Kernels and bias of the tied form, and α (directions, c)."""

    w: Array
    b: Array
    alpha: Array


@shaped
def two_pass(
    x: Shaped[Array, "n c h w"],
    w_c: Shaped[Array, "o c k_h k_w"],
    w_a: Shaped[Array, "o dc a_h a_w"],
    b: Shaped[Array, " o"] | None = None,
    *,
    directions: Directions = FOUR_DIRECTIONS,
    length: int = 1,
    boundary: Boundary = "circular",
    stride: Pair = 1,
    dilation: Pair = 1,
) -> Shaped[Array, "n o i j"]:
    """Add two convolutions, each with a kernel of its own size."""
    products = shift_product(x, directions=directions, length=length, boundary=boundary)
    steps: dict[str, Any] = {"stride": stride, "dilation": dilation}
    static = conv2d(x, w_c, b, padding=same_padding(w_c.shape[2:], dilation), **steps)
    return static + conv2d(products, w_a, padding=same_padding(w_a.shape[2:], dilation), **steps)


def tie(w_c: Array, w_a: Array, b: Array) -> Tied:
    """Find α with w_a[o, (d, c), δ] = α[d, c]·w_c[o, c, δ] for all o and δ, exactly.

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
    alpha = np.zeros((many, channels), np.result_type(w_a, w_c))
    for c in range(channels):
        known = w_c[:, c].reshape(-1)
        if not known.any():
            continue
        first = int(np.flatnonzero(known)[0])
        for d in range(many):
            alpha[d, c] = w_a[:, d * channels + c].reshape(-1)[first] / known[first]
    expected = np.concatenate([w_c * each[:, None, None] for each in alpha], axis=1)
    if (expected != w_a).any():
        raise MergeError(
            "tied kernels",
            "the attention kernel of every direction must be the convolution's, up to a factor per "
            "input channel",
        )
    return Tied(w_c, b, alpha)


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


@shaped
def square(
    x: Shaped[Array, "n c h w"],
    w_c: Shaped[Array, "o c k_h k_w"],
    w_a: Shaped[Array, "o dc a_h a_w"],
    b: Shaped[Array, " o"] | None = None,
    *,
    directions: Directions = FOUR_DIRECTIONS,
    length: int = 1,
    boundary: Boundary = "circular",
    stride: Pair = 1,
    dilation: Pair = 1,
) -> Shaped[Array, "n o i j"]:
    """Replace every product by a difference of squares, its quarter in the weights."""
    copies = [shift(x, offset=d, boundary=boundary) for d in offsets(directions, length)]
    squares = [(x + sign * copy) * (x + sign * copy) for sign in (1, -1) for copy in copies]
    support = (
        max(w_c.shape[2], w_a.shape[2]),
        max(w_c.shape[3], w_a.shape[3]),
    )
    quarter = embed(w_a / 4, support)
    w = np.concatenate([embed(w_c, support), quarter, -quarter], axis=1)
    features = np.concatenate([x, *squares], axis=1)
    padding = same_padding(support, dilation)
    return conv2d(features, w, b, stride=stride, padding=padding, dilation=dilation)


@shaped
def dynamic_kernel(
    x: Shaped[Array, "n c h w"],
    w_c: Shaped[Array, "o c k_h k_w"],
    w_a: Shaped[Array, "o dc k_h k_w"],
    *,
    directions: Directions = FOUR_DIRECTIONS,
    length: int = 1,
    boundary: Boundary = "circular",
    stride: Pair = 1,
    dilation: Pair = 1,
) -> Shaped[Array, "n o c k_h k_w i j"]:
    """The kernel at every output pixel: static plus content-dependent. Stored: small cases only."""
    steps: dict[str, Any] = {"stride": stride, "dilation": dilation}
    geometry = conv_geometry(
        x.shape, w_c.shape, padding=same_padding(w_c.shape[2:], dilation), **steps
    )
    copies = [
        geometry.pad(shift(x, offset=d, boundary=boundary)) for d in offsets(directions, length)
    ]
    kernels = np.split(w_a, len(copies), axis=1)
    shape = (len(x), *w_c.shape, *geometry.output)
    dynamic = np.zeros(shape, np.result_type(x, w_c)) + w_c[None, ..., None, None]
    for u, v, window in geometry.taps():
        for kernel, copy in zip(kernels, copies, strict=True):
            seen = copy[window][:, None]
            dynamic[:, :, :, u, v] = (
                dynamic[:, :, :, u, v] + kernel[None, :, :, u, v, None, None] * seen
            )
    return dynamic


@shaped
def dynamic_conv2d(
    x: Shaped[Array, "n c h w"],
    kernels: Shaped[Array, "n o c k_h k_w i j"],
    b: Shaped[Array, " o"] | None = None,
    *,
    stride: Pair = 1,
    dilation: Pair = 1,
) -> Shaped[Array, "n o i j"]:
    """Convolve with a kernel of its own at every output pixel, "same" zero padding."""
    side = kernels.shape[3], kernels.shape[4]
    geometry = conv_geometry(
        x.shape,
        kernels.shape[1:5],
        stride=stride,
        padding=same_padding(side, dilation),
        dilation=dilation,
    )
    padded = geometry.pad(x)
    y = np.zeros((len(x), kernels.shape[1], *geometry.output), np.result_type(x, kernels))
    for u, v, window in geometry.taps():
        y = y + (kernels[:, :, :, u, v] * padded[window][:, None]).sum(axis=2)
    return y if b is None else y + b[:, None, None]


@shaped
def per_image_weights(
    x: Shaped[Array, "n c h w"],
    w_c: Shaped[Array, "o c k_h k_w"],
    w_q: Shaped[Array, "d c"],
    w_k: Shaped[Array, "d c"],
    w_v: Shaped[Array, "o c"],
    *,
    scale: Any = 1,
) -> Shaped[Array, "n o c k_h k_w"]:
    """Kernels of the SA form, one set per image: w_c + δ₀·scale·(Σ_t v_t k_tᵀ)·W_q.

    ``scale`` is a number, or one per output channel (o,): the folded normalisation of the branch.
    All of the image is needed before the first output.
    """
    if not all(side % 2 for side in w_c.shape[2:]):
        raise MergeError("common support", f"kernel sides must be odd, not {w_c.shape[2:]}")
    keys, values = (
        project(x, w).reshape(len(x), len(w), x.shape[2] * x.shape[3]) for w in (w_k, w_v)
    )
    mixing = np.matmul(np.matmul(values, keys.swapaxes(1, 2)), w_q)
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
) -> Shaped[Array, "n o i j"]:
    """Convolve every image with its own kernels, "same" zero padding."""
    steps = pair("stride", stride, least=1)
    padding = same_padding((w.shape[3], w.shape[4]))
    rows = [
        conv2d(image[None], kernels, b, stride=steps, padding=padding)
        for image, kernels in zip(x, w, strict=True)
    ]
    if rows:
        return np.concatenate(rows)
    return conv2d(x, np.zeros(w.shape[1:], w.dtype), b, stride=steps, padding=padding)
