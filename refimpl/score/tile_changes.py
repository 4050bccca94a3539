"""Changes at the edges of tiles, and of what lives from one tile or image to the next."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from refimpl.arrays import Array

Known: TypeAlias = Mapping[str, Any]


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
    return value if of["last"] else np.clip(value, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def bias_every_tile(value: Array, of: Known) -> Array:
    """The bias is loaded again with every later tile."""
    return value if of["first"] else value + of["bias"]


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


TILE_CHANGES = {
    each.__name__: each
    for each in (
        drop_ragged,
        unwritten_ragged,
        ragged_from_start,
        drop_ragged_pixels,
        skip_ragged_tile,
        restart_tile,
        saturate_between_tiles,
        bias_every_tile,
        image_again,
        carried,
        fold_carries,
    )
}
