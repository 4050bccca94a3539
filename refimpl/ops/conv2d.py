"""Two-dimensional convolution, as neural networks define it (no kernel flip).

    y[n,o,i,j]  = b[o] + Σ_{c,u,v} w[o,c,u,v] · x[n, c, i·s + u·δ − p, j·s + v·δ − p]

    ∂x[n,c,·]   = Σ_{o,u,v} w[o,c,u,v] · ∂y[n,o,i,j], scattered to where x was read
    ∂w[o,c,u,v] = Σ_{n,i,j} ∂y[n,o,i,j] · x[n, c, i·s + u·δ − p, j·s + v·δ − p]
    ∂b[o]       = Σ_{n,i,j} ∂y[n,o,i,j]

with stride s, dilation δ, padding p; x is 0 outside the image. With g groups, outputs of group k
see only the channels of group k. One tap (u, v) is one matrix product over channels, so the
definition is a sum over taps.

Source: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285
(2016), relationship 15 for the output size.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from refimpl.arrays import (
    Array,
    Pair,
    Shaped,
    check_upstream,
    is_integer,
    pair,
    shaped,
    zero_pad,
    zeros_for,
)


class Conv2dGrads(NamedTuple):
    """Gradient of a loss with respect to each array argument of ``conv2d``."""

    x: Array
    w: Array
    b: Array


@shaped
def conv2d(
    x: Shaped[Array, "n c h w"],
    w: Shaped[Array, "o c_g k_h k_w"],
    b: Shaped[Array, " o"] | None = None,
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Shaped[Array, "n o i j"]:
    """Convolve a batch of images ``x`` with a bank of kernels ``w``.

    Raises
    ------
    ValueError
        If channels, groups, kernel and image do not fit together.

    Examples
    --------
    >>> x = np.arange(9.0).reshape(1, 1, 3, 3)
    >>> conv2d(x, np.ones((1, 1, 2, 2)))[0, 0]
    array([[ 8., 12.],
           [20., 24.]])
    """
    geometry = conv_geometry(
        x.shape, w.shape, stride=stride, padding=padding, dilation=dilation, groups=groups
    )
    padded = geometry.pad(x)
    kernels = _split(w, 0, groups)
    y = np.zeros((len(x), groups, len(w) // groups, *geometry.output), np.result_type(x, w))
    for u, v, window in geometry.taps():
        y = y + _mix(kernels[..., u, v], _split(padded[window], 1, groups))
    y = y.reshape(len(x), len(w), *geometry.output)
    return y if b is None else y + b[:, None, None]


@shaped
def conv2d_backward(
    dy: Shaped[Array, "n o i j"],
    x: Shaped[Array, "n c h w"],
    w: Shaped[Array, "o c_g k_h k_w"],
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Conv2dGrads:
    """Pull ``dy``, the gradient of the output, back to the images, the kernels and the bias."""
    geometry = conv_geometry(
        x.shape, w.shape, stride=stride, padding=padding, dilation=dilation, groups=groups
    )
    check_upstream("conv2d", dy, (len(x), len(w), *geometry.output))
    padded, kernels, upstream = geometry.pad(x), _split(w, 0, groups), _split(dy, 1, groups)
    dx, dw = zeros_for(padded, kernels, dy), zeros_for(kernels, padded, dy)
    for u, v, window in geometry.taps():
        seen = _split(padded[window], 1, groups)
        back = _mix(kernels[..., u, v].swapaxes(1, 2), upstream)
        dx[window] = dx[window] + back.reshape(padded[window].shape)
        dw[..., u, v] = np.matmul(_flat(upstream), _flat(seen).swapaxes(2, 3)).sum(axis=0)
    return Conv2dGrads(geometry.crop(dx), dw.reshape(w.shape), dy.sum(axis=(0, 2, 3)))


class ConvGeometry(NamedTuple):
    """Where a convolution reads: everything about it that is not a number in an array."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    output: tuple[int, int]

    def pad(self, x: Array) -> Array:
        """Surround the image with zeros."""
        return zero_pad(x, *self.padding)

    def crop(self, padded: Array) -> Array:
        """Undo ``pad``."""
        (top, left), (height, width) = self.padding, padded.shape[2:]
        return padded[:, :, top : height - top, left : width - left]

    def taps(self) -> Iterator[tuple[int, int, tuple[slice, ...]]]:
        """Yield each tap (u, v) of the kernel, and the part of the padded image it sees."""
        for u, v in np.ndindex(self.kernel):
            rows, cols = (
                slice(at * apart, at * apart + step * (size - 1) + 1, step)
                for at, apart, step, size in zip(
                    (u, v), self.dilation, self.stride, self.output, strict=True
                )
            )
            yield u, v, (slice(None), slice(None), rows, cols)


def conv_geometry(
    x_shape: tuple[int, ...],
    w_shape: tuple[int, ...],
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> ConvGeometry:
    """Check that image (n, c, h, w) and kernels (o, c/groups, k_h, k_w) fit; return the geometry.

    Raises
    ------
    ValueError
        One sentence saying what must be what.
    """
    steps, pads = pair("stride", stride, least=1), pair("padding", padding, least=0)
    apart = pair("dilation", dilation, least=1)
    if not is_integer(groups) or groups < 1:
        raise ValueError(f"groups must be a positive integer, not {groups!r}")
    if w_shape[0] % groups:
        raise ValueError(f"groups must divide the {w_shape[0]} output channels, not be {groups}")
    if x_shape[1] != w_shape[1] * groups:
        raise ValueError(
            f"x must have {w_shape[1] * groups} channels, which w {w_shape} with groups={groups} "
            f"takes, not {x_shape[1]}"
        )
    kernel, image = w_shape[2:], x_shape[2:]
    spans = [d * (k - 1) + 1 for d, k in zip(apart, kernel, strict=True)]
    room = [size + 2 * p for size, p in zip(image, pads, strict=True)]
    if min(kernel) < 1:
        raise ValueError(f"kernel sides must be at least 1, not {tuple(kernel)}")
    if spans[0] > room[0] or spans[1] > room[1]:
        raise ValueError(
            f"kernel must fit in the padded image: it spans {tuple(spans)}, and the image "
            f"with padding is {tuple(room)}"
        )
    height, width = (
        (r - span) // step + 1 for r, span, step in zip(room, spans, steps, strict=True)
    )
    return ConvGeometry((kernel[0], kernel[1]), steps, pads, apart, (height, width))


def same_padding(kernel: tuple[int, int], dilation: Pair = 1) -> tuple[int, int]:
    """Zeros on each side that keep the image's size at stride 1: δ·(K − 1)/2.

    Raises
    ------
    ValueError
        If a side of the kernel is even: then no symmetric padding does that.
    """
    if not all(side % 2 for side in kernel):
        raise ValueError(f"kernel sides must be odd for 'same' padding, not {tuple(kernel)}")
    apart = pair("dilation", dilation, least=1)
    return apart[0] * (kernel[0] - 1) // 2, apart[1] * (kernel[1] - 1) // 2


def _split(array: Array, axis: int, groups: int) -> Array:
    """Turn one axis into (groups, members)."""
    shape = array.shape
    return array.reshape(*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :])


def _mix(kernel: Array, seen: Array) -> Array:
    """Matrix product over channels, group by group: (g o c) by (n g c i j) gives (n g o i j)."""
    n, g, _, i, j = seen.shape
    return np.matmul(kernel, _flat(seen)).reshape(n, g, kernel.shape[1], i, j)


def _flat(image: Array) -> Array:
    """Join the two spatial axes at the end."""
    return image.reshape(*image.shape[:-2], image.shape[-2] * image.shape[-1])
