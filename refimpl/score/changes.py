"""The vocabulary of bugs: small changes of a value, by name.

A change is called with the value at a site, what the hardware knows there, and the arguments that
the catalogue gives. Everything is elementwise integer arithmetic or data movement.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from refimpl.arrays import Array
from refimpl.score.attention_changes import ATTENTION_CHANGES
from refimpl.score.rules import OTHER_RULES
from refimpl.score.shift_changes import SHIFT_CHANGES
from refimpl.score.summation import SUMMATIONS, flushed, narrowed

Known: TypeAlias = Mapping[str, Any]
Change: TypeAlias = Callable[..., Any]


def constant(value: Any, _: Known, *, to: Any) -> Any:
    """Whatever it was, it is ``to``; an array keeps its shape."""
    return np.full_like(value, to) if isinstance(value, np.ndarray) else to


def known(_: Any, of: Known, *, name: str) -> Any:
    """What the hardware knows under another name."""
    return of[name]


def add(value: Any, _: Known, *, by: int) -> Any:
    """Off by a constant."""
    return value + by


def scale(value: Any, _: Known, *, by: int) -> Any:
    """Times a constant; −1 is a sign error."""
    return value * by


def magnitude(value: Array, _: Known) -> Array:
    """Without its sign."""
    return np.abs(value)


def wrap(value: Array, _: Known, *, bits: int) -> Array:
    """Two's complement of too few bits."""
    half = np.int64(1) << (bits - 1)
    return ((value.astype(np.int64) + half) & (2 * half - 1)) - half


def saturate(value: Array, _: Known, *, bits: int) -> Array:
    """Clipped to too few bits."""
    return np.clip(value, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def at_least(value: Array, _: Known, *, low: int) -> Array:
    """Clipped from below."""
    return np.maximum(value, low)


def at_most(value: Array, _: Known, *, high: int) -> Array:
    """Clipped from above."""
    return np.minimum(value, high)


def unsigned(value: Array, _: Known, *, bits: int) -> Array:
    """The word read without its sign."""
    return value.astype(np.int64) & ((1 << bits) - 1)


def lose_low_bits(value: Array, _: Known, *, bits: int) -> Array:
    """The lowest bits are not connected."""
    return (value.astype(np.int64) >> bits) << bits


def rule(_: Any, __: Known, *, name: str) -> Callable[[Array, Array], Array]:
    """Another rounding rule."""
    return OTHER_RULES[name]


def summation(_: Any, __: Known, *, name: str) -> Any:
    """Another way to add up binary32 products."""
    return SUMMATIONS[name]


def to_format(value: Array, _: Known, *, name: str) -> Array:
    """Rounded to a narrower float and back."""
    return narrowed(value, name)


def flush(value: Array, _: Known) -> Array:
    """Subnormal numbers become 0."""
    return flushed(value)


def clip_one_side(value: Array, of: Known, *, wraps: str) -> Array:
    """Only one rail saturates; the other wraps at eight bits."""
    before = of["before"]
    over = before > 127 if wraps == "high" else before < -128
    return np.where(over, wrap(before, of, bits=8), value)


def limits(value: tuple[int, int], of: Known, *, low: Any = None, high: Any = None) -> Any:
    """Other rails; "zero" is the zero point."""
    ends = [of["zero"] if end == "zero" else end for end in (low, high)]
    return tuple(old if new is None else new for old, new in zip(value, ends, strict=True))


def first_for_all(value: Array, _: Known) -> Array:
    """Every channel uses the parameter of the first."""
    return np.full_like(value, value[0])


def first_of_tile(value: Array, _: Known, *, tile: int) -> Array:
    """Every channel of a tile uses the parameter of the tile's first."""
    return value[np.arange(len(value)) // tile * tile]


def neighbour(value: Array, _: Known) -> Array:
    """Every channel uses the parameter of the one before it."""
    return np.roll(value, 1, axis=0)


def subtract_twice(value: Array, of: Known) -> Array:
    """The zero point with the wrong sign: x + z where x − z is meant."""
    return value + 2 * of["zero"]


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


def wired_axis(value: Any, _: Known, *, field: str, to: int) -> Any:
    """The horizontal half of a field of a window wired to a constant."""
    return value._replace(**{field: (getattr(value, field)[0], to)})


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


def drop_ragged(value: Array, _: Known, *, axis: int, tile: int) -> Array:
    """What lies in a last, ragged tile counts for nothing."""
    size = value.shape[axis]
    kept = np.arange(size) < size - size % tile
    shape = [1] * value.ndim
    shape[axis] = size
    return np.where(kept.reshape(shape), value, 0)


def unwritten_ragged(value: Array, _: Known, *, axis: int, tile: int, to: int) -> Array:
    """A last, ragged tile is never written: memory keeps what it held."""
    size = value.shape[axis]
    kept = (np.arange(size) < size - size % tile).reshape(
        [-1 if at == axis else 1 for at in range(value.ndim)]
    )
    return np.where(kept, value, to)


def image_again(value: Array, _: Known) -> Array:
    """Every image of a batch is the first one: a bank that is never switched."""
    return np.broadcast_to(value[:1], value.shape)


def carried(value: Array, _: Known) -> Array:
    """Accumulators are not cleared between the images of a batch."""
    return np.cumsum(value, axis=0, dtype=value.dtype)


def fold_carries(value: Array, _: Known, *, channels: int, pixels: int) -> Array:
    """Every tile of outputs and pixels starts from the sums of the tile before it.

    Tiles run pixels outermost, then outputs, image after image; lanes beyond a ragged edge keep
    what they hold.
    """
    flat = value.astype(np.int64).reshape(*value.shape[:2], -1)
    lanes = np.zeros((channels, pixels), np.int64)
    for image in flat:
        for first in range(0, image.shape[1], pixels):
            for channel in range(0, image.shape[0], channels):
                tile = image[channel : channel + channels, first : first + pixels]
                tile += lanes[: tile.shape[0], : tile.shape[1]]
                lanes[: tile.shape[0], : tile.shape[1]] = tile
    return flat.reshape(value.shape)


def swap_groups(value: Array, of: Known) -> Array:
    """The two groups of channels the other way round."""
    return np.concatenate([value[:, of["channels"] :], value[:, : of["channels"]]], axis=1)


def one_zero_for_all(value: Array, _: Known, *, group: int) -> Array:
    """Both groups of channels use the zero point of the first (0) or the second (1)."""
    return np.full_like(value, value[0] if group == 0 else value[-1])


def zero_of_x(value: Array, of: Known) -> Array:
    """The zero point of x for every channel."""
    return np.full_like(value, of["x_zero"])


def branch_unclipped(value: Array, of: Known, *, which: str) -> Array:
    """A branch reaches the sum unsaturated."""
    return np.asarray(of["before"]) if of["which"] == which else value


def ragged_from_start(value: Array, _: Known, *, axis: int, tile: int) -> Array:
    """A last, ragged tile is taken from the beginning of the axis again."""
    size = value.shape[axis]
    index = np.arange(size)
    first = size - size % tile
    return value.take(np.where(index < first, index, (index - first)), axis=axis)


def drop_ragged_pixels(value: Array, _: Known, *, tile: int) -> Array:
    """Pixels of a last, ragged tile are written as 0."""
    flat = value.reshape(*value.shape[:2], -1)
    return drop_ragged(flat, _, axis=2, tile=tile).reshape(value.shape)


def skip_ragged_tile(value: Array, of: Known) -> Array:
    """The ragged last tile of input channels is not added."""
    return np.asarray(of["before"] if of["ragged"] and not of["first"] else value)


def restart_tile(value: Array, of: Known) -> Array:
    """A later tile overwrites the accumulator."""
    return value if of["first"] else np.asarray(of["part"])


def saturate_between_tiles(value: Array, of: Known, *, bits: int) -> Array:
    """Partial sums are spilled in too few bits, saturating."""
    return value if of["last"] else saturate(value, of, bits=bits)


def bias_every_tile(value: Array, of: Known) -> Array:
    """The bias is loaded again with every later tile."""
    return value if of["first"] else value + of["bias"]


def first_group_for_all(value: Array, of: Known) -> Array:
    """Every group of outputs sees the channels of the first group."""
    size = value.shape[1] // of["groups"]
    return np.tile(value[:, :size], (1, of["groups"], *[1] * (value.ndim - 2)))


CHANGES: dict[str, Change] = (
    SHIFT_CHANGES
    | ATTENTION_CHANGES
    | {
        each.__name__: each
        for each in (
            constant,
            known,
            add,
            scale,
            magnitude,
            wrap,
            saturate,
            at_least,
            at_most,
            unsigned,
            lose_low_bits,
            rule,
            summation,
            to_format,
            flush,
            clip_one_side,
            limits,
            first_for_all,
            first_of_tile,
            neighbour,
            subtract_twice,
            raw_zero,
            edge_pixel,
            flip,
            transpose_kernel,
            drop_tap,
            swap_axes_of,
            one_for_both,
            fixed_field,
            unseen_border,
            wired_axis,
            runs_over,
            last_read_early,
            drop_ragged,
            unwritten_ragged,
            image_again,
            carried,
            fold_carries,
            swap_groups,
            one_zero_for_all,
            zero_of_x,
            branch_unclipped,
            ragged_from_start,
            drop_ragged_pixels,
            skip_ragged_tile,
            restart_tile,
            saturate_between_tiles,
            bias_every_tile,
            first_group_for_all,
        )
    }
)
