"""Changes of what a convolution reads: windows, borders, kernels, groups; see ``changes.py``."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from refimpl.arrays import Array

Known: TypeAlias = Mapping[str, Any]


def raw_zero(_: Array, of: Known) -> Array:
    """The word 0 where real 0 is meant: −z after centring."""
    return -np.asarray(of["zero"]).reshape(-1, 1, 1, 1, 1)


def edge_pixel(_: Array, of: Known) -> Array:
    """The nearest pixel of the image where real 0 is meant."""
    return of["seen"]


def flip(value: Array, _: Known, *, axes: tuple[int, ...]) -> Array:
    """Read backwards along some axes."""
    return np.flip(value, axes)


def transpose_kernel(value: Array, _: Known) -> Array:
    """Rows and columns of a kernel exchanged; an oblong one is read as it lies in memory."""
    o, c, k_h, k_w = value.shape
    return value.reshape(o, c, k_w, k_h).swapaxes(2, 3)


def drop_tap(value: Array, _: Known, *, tap: int) -> Array:
    """One tap of every kernel counts for nothing."""
    dropped = value.reshape(*value.shape[:2], -1).copy()
    dropped[..., tap] = 0
    return dropped.reshape(value.shape)


def swap_axes_of(value: Any, _: Known, *, field: str) -> Any:
    """Vertical and horizontal exchanged in one field of a window."""
    down, right = getattr(value, field)
    return value._replace(**{field: (right, down)})


def one_for_both(value: Any, _: Known, *, field: str) -> Any:
    """The vertical value of a field used horizontally too."""
    return value._replace(**{field: (getattr(value, field)[0],) * 2})


def fixed_field(value: Any, _: Known, *, field: str, to: int) -> Any:
    """One field of a window wired to a constant."""
    return value._replace(**{field: (to, to)})


def wired_axis(value: Any, _: Known, *, field: str, to: int) -> Any:
    """The horizontal half of a field of a window wired to a constant."""
    return value._replace(**{field: (getattr(value, field)[0], to)})


def unseen_border(value: Any, of: Known, *, side: str) -> Any:
    """A side of the padding is not recognised: the nearest pixel is read there."""
    height, width = of["size"]
    row, col = value.row[:, :, None, None], value.col[None, None]
    rows, cols = (row < 0) | (row >= height), (col < 0) | (col >= width)
    hidden = {
        "top": row < 0,
        "bottom": row >= height,
        "left": col < 0,
        "right": col >= width,
        "corner": rows & cols,
    }[side]
    return value._replace(outside=value.outside & ~hidden)


def runs_over(value: Any, of: Known) -> Any:
    """A column just beyond the end of a row is read from the beginning of the next row."""
    height, width = of["size"]
    row = value.row[:, :, None, None] + np.zeros_like(value.col)[None, None]
    col = value.col[None, None] + np.zeros_like(value.row)[:, :, None, None]
    over = (row >= 0) & (row + 1 < height) & (col >= width)
    return value._replace(
        row=np.where(over, row + 1, row),
        col=np.where(over, (col - width) % width, col),
        outside=value.outside & ~over,
    )


def last_read_early(value: Any, _: Known, *, axis: str) -> Any:
    """The last output along an axis reads one step too early."""
    reads = getattr(value, axis).copy()
    reads[:, -1] -= 1
    return value._replace(**{axis: reads})


def first_group_for_all(value: Array, of: Known) -> Array:
    """Every group of outputs sees the channels of the first group."""
    size = value.shape[1] // of["groups"]
    return np.tile(value[:, :size], (1, of["groups"], *[1] * (value.ndim - 2)))


def group_before(value: Array, of: Known) -> Array:
    """Every group of outputs sees the channels of the group before it."""
    return np.roll(value, value.shape[1] // of["groups"], axis=1)


def groups_interleaved(value: Array, of: Known) -> Array:
    """Channel c belongs to group c mod g, not to group c div (c/g)."""
    index = np.arange(value.shape[1]).reshape(-1, of["groups"]).T.reshape(-1)
    return value[:, index]


def first_kernels_for_all(value: Array, of: Known) -> Array:
    """Every group uses the kernels of the first."""
    size = len(value) // of["groups"]
    return np.tile(value[:size], (of["groups"], *[1] * (value.ndim - 1)))


WINDOW_CHANGES = {
    each.__name__: each
    for each in (
        raw_zero,
        edge_pixel,
        flip,
        transpose_kernel,
        drop_tap,
        swap_axes_of,
        one_for_both,
        fixed_field,
        wired_axis,
        unseen_border,
        runs_over,
        last_read_early,
        first_group_for_all,
        group_before,
        groups_interleaved,
        first_kernels_for_all,
    )
}
