"""Pixel-shift attention and dynamic kernels written from the equations, pixel by pixel.

Plain Python, in no code shared with ``refimpl``: what the shipped operators are compared with.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from typing import Any, TypeAlias

import numpy as np

from proofs.rings import Array
from refimpl import FOUR_DIRECTIONS

Offset: TypeAlias = tuple[int, int]
IMAGES = ((1, 1, 1, 1), (1, 2, 1, 3), (1, 1, 4, 3), (2, 2, 2, 3))


def read(image: Array, n: int, c: int, i: int, j: int, *, boundary: str) -> Any:
    """Return one pixel: wrapped around the image's sides, or 0 outside them."""
    height, width = image.shape[2:]
    if boundary == "circular":
        return image[n, c, i % height, j % width]
    return image[n, c, i, j] if 0 <= i < height and 0 <= j < width else Fraction(0)


def output_sides(image: Sequence[int], stride: int) -> tuple[int, int]:
    """Sides of the output of a "same" convolution: one pixel for every stride begun."""
    return -(-image[2] // stride), -(-image[3] // stride)


def literal_pssa(
    x: Array,
    w: Array,
    *,
    directions: Sequence[Offset],
    length: int,
    boundary: str,
    stride: int,
    dilation: int,
) -> Array:
    """The article's steps, literally: Σ over direction, channel and tap, one output at a time."""
    outputs, _, k_h, k_w = w.shape
    channels = x.shape[1]
    y = np.empty((len(x), outputs, *output_sides(x.shape, stride)), object)
    for n, o, i, j in np.ndindex(y.shape):
        total = Fraction(0)
        for (d, (down, right)), c, u, v in product(
            enumerate(directions), range(channels), range(k_h), range(k_w)
        ):
            row = i * stride + dilation * (u - (k_h - 1) // 2)
            col = j * stride + dilation * (v - (k_w - 1) // 2)
            here = read(x, n, c, row, col, boundary="zero")
            if here == 0:  # outside the image, where the convolution reads 0
                continue
            there = (row + length * down, col + length * right)
            total += w[o, d * channels + c, u, v] * here * read(x, n, c, *there, boundary=boundary)
        y[n, o, i, j] = total
    return y


def literal_dynamic_convolution(x: Array, dynamic_of: Array, w: Array, boundary: str) -> Array:
    """Convolve ``x`` with a kernel of its own at every pixel: static plus content-dependent.

    At output p and tap δ the weight from channel c is
    w_c[o,c,δ] + Σ_d w_a[o,d,c,δ] · x'[c, p + δ + d], x' = ``dynamic_of``.
    """
    channels, side = x.shape[1], w.shape[2]
    y = np.empty((len(x), len(w), *x.shape[2:]), object)
    for n, o, i, j in np.ndindex(y.shape):
        total = Fraction(0)
        for c, u, v in product(range(channels), range(side), range(side)):
            row, col = i + u - (side - 1) // 2, j + v - (side - 1) // 2
            weight = w[o, c, u, v]
            for d, (down, right) in enumerate(FOUR_DIRECTIONS, start=1):
                there = read(dynamic_of, n, c, row + down, col + right, boundary=boundary)
                weight = weight + w[o, d * channels + c, u, v] * there
            total += weight * read(x, n, c, row, col, boundary="zero")
        y[n, o, i, j] = total
    return y
