"""Changes of softmax's table, maximum and sum; see ``changes.py``."""

from typing import Any

import numpy as np

from refimpl.arrays import Array


def without_last(_: Array, of: Any, *, name: str, by: str) -> Array:
    """A row's maximum or sum misses the last key."""
    seen = of[name][:, :, : max(of[name].shape[2] - 1, 1)]
    return np.asarray(
        seen.max(axis=2, keepdims=True) if by == "max" else seen.sum(axis=2, keepdims=True)
    )


def running_maximum(value: Array, _: Any) -> Array:
    """The maximum register is not cleared between rows."""
    return np.maximum.accumulate(value, axis=1)


def running_sum(value: Array, _: Any) -> Array:
    """The sum register is not cleared between rows."""
    return np.cumsum(value, axis=1)


def unsubtracted(_: Array, of: Any) -> Array:
    """The maximum is not subtracted: the table is read at −L, clipped."""
    return np.clip(-of["scaled"], 0, 255)


def difference_wraps(_: Array, of: Any) -> Array:
    """Differences above 255 wrap at eight bits instead of saturating."""
    return np.asarray((of["row_max"] - of["scaled"]) & 255)


def coarse_table(value: Array, _: Any) -> Array:
    """The lowest bit of the index is not connected: entries in pairs."""
    return value[np.arange(len(value)) // 2 * 2]


def late_table(value: Array, _: Any) -> Array:
    """Every entry is that of the index below: the table begins twice with its first."""
    return value[np.maximum(np.arange(len(value)) - 1, 0)]


def short_table(value: Array, _: Any, *, entries: int) -> Array:
    """Beyond so many entries the table holds 0."""
    return np.where(np.arange(len(value)) < entries, value, 0)


def one_wrong_entry(value: Array, _: Any, *, index: int, bit: int) -> Array:
    """A bit of one entry is wrong."""
    return np.where(np.arange(len(value)) == index, value ^ (1 << bit), value)


def truncated_quotient(_: Array, of: Any) -> Array:
    """Probabilities cut off instead of rounded."""
    return np.asarray(255 * of["exponential"] // of["row_sum"])


def over_256(_: Array, of: Any) -> Array:
    """Probabilities over 256 in eight bits: certainty becomes 0."""
    return np.asarray((256 * of["exponential"] + of["row_sum"] // 2) // of["row_sum"] & 255)


def by_reciprocal(_: Array, of: Any, *, bits: int) -> Array:
    """Multiplied by a truncated reciprocal of so many bits instead of divided."""
    reciprocal = (255 << bits) // of["row_sum"]
    return np.asarray((of["exponential"] * reciprocal + (1 << (bits - 1))) >> bits)


def signed_byte(value: Array, _: Any) -> Array:
    """Bytes read with a sign: above 127 they are negative."""
    return np.where(value > 127, value - 256, value)


def roll(value: Array, _: Any, *, axis: int) -> Array:
    """Off by one along an axis."""
    return np.roll(value, 1, axis=axis)


ATTENTION_CHANGES = {
    each.__name__: each
    for each in (
        without_last, running_maximum, running_sum, unsubtracted, difference_wraps, coarse_table,
        late_table, short_table, one_wrong_entry, truncated_quotient, over_256, by_reciprocal,
        signed_byte, roll,
    )
}  # fmt: skip
