"""Shared product maps: the map of −d is the map of d, shifted.

    T_d = x ⊙ shift(x, L·d)          T_{−d}[p] = x[p]·x[p − L·d] = T_d[p − L·d]
    so T_{−d} = shift(T_d, −L·d)     with the same boundary, circular or zero

so four directions need two products a pixel instead of four, and the others are read from elsewhere
(``shared``, ``product_maps``: always exact). It needs q = k: with projections W_q ≠ W_k, x and its
shifted copy are no longer the same map.

The second shift may go into the kernel (``fold_shift``):

    w_d ∗ T_d + w_{−d} ∗ shift(T_d, −L·d) = w ∗ T_d,    w[δ] = w_d[δ] + w_{−d}[δ + L·d]

K×(K + L) taps on one map instead of K×K on each of two. There the two boundaries meet: a pixel p
outside the image is 0 to the convolution (zero padding); the shifted map has T_d[p − L·d] there.

    shift   convolution   p outside, p − L·d inside            p inside, p − L·d outside
    zero    zero          T_d[p − L·d] = x[p − L·d]·0 = 0 ✓    x[p]·0 = 0 ✓
    any     circular      the same pixel, read around ✓        the same ✓
    circular  zero        T_d[p − L·d] ≠ 0: wrong              0 for x[p]·x[p − L·d]: wrong

So it is refused for a circular shift before a zero-padded convolution, which is the default.

Source: derived above.
"""

from typing import Any, NamedTuple

import numpy as np

from refimpl.arrays import Array, Pair, Shaped, pair, shaped
from refimpl.fuse import MergeError, PaddingMode
from refimpl.ops.conv2d import conv2d, same_padding
from refimpl.ops.pssa import project
from refimpl.ops.shift import Boundary, Offset, shift
from refimpl.ops.shift_product import FOUR_DIRECTIONS, Directions, offsets


class SharedMap(NamedTuple):
    """A product map at ``offset`` and its kernels; tap (0, 0) reads ``origin`` away from p."""

    offset: Offset
    w: Array
    origin: Offset


def product_maps(
    x: Array,
    *,
    directions: Directions = FOUR_DIRECTIONS,
    length: int = 1,
    boundary: Boundary = "circular",
    w_q: Array | None = None,
    w_k: Array | None = None,
) -> Array:
    """``shift_product`` of x, direction by direction, from one product for d and −d.

    Raises
    ------
    MergeError
        One projection: if queries and keys are not projected alike.
    """
    _check_projection(w_q, w_k)
    image = project(x, w_q)
    products: dict[Offset, Array] = {}
    for offset in offsets(directions, length):
        back = (-offset[0], -offset[1])
        if back in products:
            products[offset] = shift(products[back], offset=offset, boundary=boundary)
        elif offset not in products:
            products[offset] = image * shift(image, offset=offset, boundary=boundary)
    return np.concatenate([products[each] for each in offsets(directions, length)], axis=1)


@shaped
def shared(
    x: Shaped[Array, "n c h w"],
    w: Shaped[Array, "o zc k_h k_w"],
    b: Shaped[Array, " o"] | None = None,
    *,
    directions: Directions = FOUR_DIRECTIONS,
    length: int = 1,
    boundary: Boundary = "circular",
    stride: Pair = 1,
    dilation: Pair = 1,
) -> Shaped[Array, "n o i j"]:
    """Run the feature form with one product for each pair of opposite directions."""
    maps = product_maps(x, directions=directions, length=length, boundary=boundary)
    augmented = np.concatenate([x, maps], axis=1)
    padding = same_padding(w.shape[2:], dilation)
    return conv2d(augmented, w, b, stride=stride, padding=padding, dilation=dilation)


def fold_shift(
    w_a: Array,
    *,
    directions: Directions = FOUR_DIRECTIONS,
    length: int = 1,
    boundary: Boundary = "circular",
    padding_mode: PaddingMode = "zero",
    dilation: Pair = 1,
) -> tuple[SharedMap, ...]:
    """Kernels on one map for each pair of opposite directions, K×(K + L) where there are two.

    Raises
    ------
    MergeError
        Equal boundaries, if the shift is circular and the convolution pads with zeros; shift on the
        taps' grid, if the dilation does not divide the shift.
    """
    if boundary == "circular" and padding_mode == "zero":
        raise MergeError(
            "equal boundaries",
            "a circular shift must not be folded into the kernel of a convolution padded with "
            "zeros: what wraps around would be read as 0; keep shifted copies (form 'shared')",
        )
    reached = offsets(directions, length)
    kernels = np.split(w_a, len(reached), axis=1)
    apart = pair("dilation", dilation, least=1)
    maps: dict[Offset, SharedMap] = {}
    for offset, kernel in zip(reached, kernels, strict=True):
        back = (-offset[0], -offset[1])
        reach = same_padding(kernel.shape[2:], dilation)
        alone = SharedMap(offset, kernel, (-reach[0], -reach[1]))
        moved = SharedMap(back, kernel, (alone.origin[0] + offset[0], alone.origin[1] + offset[1]))
        if back in maps:
            maps[back] = _add(maps[back], moved, apart)
        elif offset in maps:
            maps[offset] = _add(maps[offset], alone, apart)
        else:
            maps[offset] = alone
    return tuple(maps.values())


def folded_maps(
    x: Array,
    maps: tuple[SharedMap, ...],
    *,
    boundary: Boundary = "zero",
    padding_mode: PaddingMode = "zero",
    stride: Pair = 1,
    dilation: Pair = 1,
) -> Array:
    """Sum of the convolutions of every product map with its own, longer kernel."""
    apart = pair("dilation", dilation, least=1)
    parts = []
    for offset, w, origin in maps:
        product = x * shift(x, offset=offset, boundary=boundary)
        margins = [
            (-start, d * (side - 1) + start)
            for start, side, d in zip(origin, w.shape[2:], apart, strict=True)
        ]
        padded = _surround(product, margins, padding_mode)
        parts.append(conv2d(padded, w, stride=stride, dilation=dilation))
    return np.asarray(sum(parts[1:], parts[0]))


def _add(one: SharedMap, other: SharedMap, apart: tuple[int, int]) -> SharedMap:
    """Two kernels on the same map as one on the smallest support that holds both."""
    distance = [b - a for a, b in zip(one.origin, other.origin, strict=True)]
    if any(each % d for each, d in zip(distance, apart, strict=True)):
        raise MergeError(
            "shift on the taps' grid",
            f"the dilation {apart} must divide the shift {tuple(distance)} between both kernels; "
            f"keep shifted copies (form 'shared')",
        )
    steps = [each // d for each, d in zip(distance, apart, strict=True)]
    before = [max(0, -each) for each in steps]
    sides = [
        max(a, b + step) + first
        for a, b, step, first in zip(one.w.shape[2:], other.w.shape[2:], steps, before, strict=True)
    ]
    w = np.zeros((*one.w.shape[:2], *sides), np.result_type(one.w, other.w))
    places = (before, [step + first for step, first in zip(steps, before, strict=True)])
    for kernel, (top, left) in zip((one.w, other.w), places, strict=True):
        here = np.s_[:, :, top : top + kernel.shape[2], left : left + kernel.shape[3]]
        w[here] = w[here] + kernel
    origin = [a - d * first for a, d, first in zip(one.origin, apart, before, strict=True)]
    return SharedMap(one.offset, w, (origin[0], origin[1]))


def _surround(x: Array, margins: list[tuple[int, int]], mode: PaddingMode) -> Array:
    """Margins before and after, of zeros or read around; a negative one cuts."""
    rows, cols = (
        np.arange(-before, size + after)
        for size, (before, after) in zip(x.shape[2:], margins, strict=True)
    )
    height, width = x.shape[2:]
    around = x[:, :, rows % height][:, :, :, cols % width]
    if mode == "circular":
        return around
    inside = ((rows >= 0) & (rows < height))[:, None] & ((cols >= 0) & (cols < width))
    return np.where(inside, around, np.zeros(1, x.dtype))


def _check_projection(w_q: Any, w_k: Any) -> None:
    same = (w_q is None and w_k is None) or (
        w_q is not None and w_k is not None and w_q.shape == w_k.shape and (w_q == w_k).all()
    )
    if not same:
        raise MergeError(
            "one projection",
            "queries and keys must be projected alike (W_q = W_k) for opposite directions to share "
            "a product",
        )
