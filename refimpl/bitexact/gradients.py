"""What each gradient of a convolution sums, as rows and columns: data movement only.

    ∂x[n,c,y,x]   = Σ_{o,u,v} w[o,c,u,v]·∂y[n,o,i,j]     where i·s + u·δ − p = y, j likewise
    ∂w[o,c,u,v]   = Σ_{n,i,j} ∂y[n,o,i,j]·x[n, c, i·s + u·δ − p, j·s + v·δ − p]
    ∂b[o]         = Σ_{n,i,j} ∂y[n,o,i,j]

In groups (g), o runs over the outputs of c's group, and c over the channels of o's.

Terms without a pixel are products with 0. The canonical order of terms is (o, u, v) and (n, i, j);
``order`` and ``tiles`` of an accumulation put them in another.

Source: the adjoints of conv2d, as in ``refimpl.ops.conv2d``.
"""

from collections.abc import Callable

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulation import Order, term_order
from refimpl.bitexact.call import Attributes, Stages, geometry_of, groups_of, without_groups
from refimpl.ops.conv2d import ConvGeometry


def input_columns(dy: Array, geometry: ConvGeometry, size: tuple[int, int]) -> Array:
    """What each input pixel of an image of ``size`` gathers: (n, (o, u, v), pixels)."""
    (k_h, k_w), (s_h, s_w) = geometry.kernel, geometry.stride
    (d_h, d_w), (p_h, p_w) = geometry.dilation, geometry.padding
    height, width = size
    reach = (d_h * (k_h - 1), d_w * (k_w - 1))
    rows, cols = geometry.output
    spread = np.zeros(
        (
            *dy.shape[:2],
            reach[0] + max((rows - 1) * s_h + 1, height + p_h),
            reach[1] + max((cols - 1) * s_w + 1, width + p_w),
        ),
        dy.dtype,
    )
    spread[
        :,
        :,
        reach[0] : reach[0] + (rows - 1) * s_h + 1 : s_h,
        reach[1] : reach[1] + (cols - 1) * s_w + 1 : s_w,
    ] = dy
    seen = []
    for u, v in np.ndindex(k_h, k_w):
        top, left = reach[0] + p_h - u * d_h, reach[1] + p_w - v * d_w
        seen.append(spread[:, :, top : top + height, left : left + width])
    stacked = np.stack(seen, axis=2)
    return stacked.reshape(len(dy), -1, height * width)


def input_rows(w: Array) -> Array:
    """Kernels (o, c, k_h, k_w) as rows (c, (o, u, v))."""
    return w.swapaxes(0, 1).reshape(w.shape[1], -1)


def weight_rows(dy: Array) -> Array:
    """Upstream gradient as rows (o, (n, i, j))."""
    return dy.swapaxes(0, 1).reshape(dy.shape[1], -1)


def weight_columns(x: Array, geometry: ConvGeometry) -> Array:
    """What each tap meets: (1, (n, i, j), (c, u, v))."""
    padded = geometry.pad(x)
    seen = np.stack([padded[window] for _, _, window in geometry.taps()], axis=2)
    return seen.transpose(0, 3, 4, 1, 2).reshape(1, -1, seen.shape[1] * seen.shape[2])


def weights_by_group(
    run: Callable[[Array, Array, Array, Attributes], Stages],
    dy: Array,
    x: Array,
    w: Array,
    attributes: Attributes,
) -> Stages:
    """Gradients of kernels and bias of a convolution in groups, one group after another."""
    geometry_of(x, w, attributes)  # says what does not fit
    groups, alone = groups_of(attributes), without_groups(attributes)
    split = (np.split(dy, groups, axis=1), np.split(x, groups, axis=1), np.split(w, groups))
    parts = [run(*each, alone) for each in zip(*split, strict=True)]
    return {name: np.concatenate([each[name] for each in parts]) for name in parts[0]}


def image_by_group(
    run: Callable[[Array, Array, Attributes], Array], dy: Array, w: Array, attributes: Attributes
) -> Array:
    """Gradient of what was convolved in groups: of each group's channels by its own outputs."""
    groups, alone = groups_of(attributes), without_groups(attributes)
    split = zip(np.split(dy, groups, axis=1), np.split(w, groups), strict=True)
    return np.concatenate([run(*each, alone) for each in split], axis=1)


def in_order(
    flat: Array, axis: int, sizes: dict[str, int], order: Order, tiles: dict[str, int]
) -> Array:
    """Put the terms along an axis into a declared order."""
    return np.ascontiguousarray(np.take(flat, term_order(sizes, order, tiles), axis=axis))
