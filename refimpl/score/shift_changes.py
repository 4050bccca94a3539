"""Changes of where a shift reads, and of its products' order; see ``changes.py``."""

from typing import Any

import numpy as np

from refimpl.arrays import Array

Offsets = list[tuple[int, int]]


def mirrored(value: Offsets, _: Any, *, axis: int) -> Offsets:
    """One component of every offset negated."""
    return [(-down, right) if axis == 0 else (down, -right) for down, right in value]


def transposed(value: Offsets, _: Any) -> Offsets:
    """Both components of every offset exchanged."""
    return [(right, down) for down, right in value]


def unit_steps(value: Offsets, _: Any) -> Offsets:
    """Every offset one pixel long."""
    return [(int(np.sign(down)), int(np.sign(right))) for down, right in value]


def further(value: Offsets, _: Any) -> Offsets:
    """Every offset one pixel longer."""
    return [(down + int(np.sign(down)), right + int(np.sign(right))) for down, right in value]


def reversed_all(value: Offsets, _: Any) -> Offsets:
    """Every offset negated."""
    return [(-down, -right) for down, right in value]


def first_direction(value: Offsets, _: Any) -> Offsets:
    """The first offset for all."""
    return [value[0]] * len(value)


def reverse_directions(value: Array, of: Any) -> Array:
    """Blocks of channels, one per direction, in the reverse order."""
    return np.concatenate(np.split(value, of["directions"], axis=1)[::-1], axis=1)


def channel_first(value: Array, of: Any) -> Array:
    """Channel by channel, then direction."""
    n, dc, *size = value.shape
    blocks = value.reshape(n, of["directions"], dc // of["directions"], *size)
    return blocks.swapaxes(1, 2).reshape(value.shape)


def unshifted(_: Array, of: Any) -> Array:
    """The pixel itself instead of its neighbour."""
    return np.asarray(of["own"])


def uncentred(value: Array, of: Any) -> Array:
    """The word, zero point included."""
    return value + of["zero"]


def exchanged(_: Array, of: Any) -> Array:
    """The factors the other way round."""
    return np.asarray(of["other"].astype(np.int64) * of["own"])


def not_wrapped(value: Any, of: Any, *, axis: str) -> Any:
    """Beyond one pair of edges there is real 0."""
    index, size = of[axis], of["size"][("row", "col").index(axis)]
    return value._replace(outside=value.outside | (index < 0) | (index >= size))


def clamped(value: Any, of: Any) -> Any:
    """Beyond an edge there is the nearest pixel."""
    height, width = of["size"]
    return value._replace(
        row=np.clip(of["row"], 0, height - 1),
        col=np.clip(of["col"], 0, width - 1),
        outside=np.zeros_like(value.outside),
    )


def linear(value: Any, of: Any) -> Any:
    """Addresses run on: beyond the last column the next row begins; rows wrap as they should."""
    height, width = of["size"]
    address = (of["row"] * width + of["col"]) % (height * width)
    return value._replace(row=address // width, col=address % width)


def wraps_early(value: Any, of: Any, *, axis: str) -> Any:
    """Beyond an edge the count starts again modulo the size minus 1."""
    index, size = of[axis], of["size"][("row", "col").index(axis)]
    beyond = (index < 0) | (index >= size)
    return value._replace(**{axis: np.where(beyond, index % max(size - 1, 1), index)})


def reflected(value: Any, of: Any) -> Any:
    """Beyond an edge the image is mirrored, the edge itself not repeated."""
    row, col = (
        np.abs(size - 1 - np.abs(size - 1 - index))
        for index, size in zip((of["row"], of["col"]), of["size"], strict=True)
    )
    return value._replace(row=row, col=col)


SHIFT_CHANGES = {
    each.__name__: each
    for each in (
        mirrored,
        transposed,
        unit_steps,
        further,
        reversed_all,
        first_direction,
        reverse_directions,
        channel_first,
        unshifted,
        uncentred,
        exchanged,
        not_wrapped,
        clamped,
        linear,
        wraps_early,
        reflected,
    )
}
