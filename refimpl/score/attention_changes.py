"""Changes of a softmax: its maximum, table, sums, probabilities; see ``changes.py``."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from refimpl.arrays import Array

LOG2_E = 1.4426950408889634


def without_last(_: Array, of: Any, *, name: str, by: str) -> Array:
    """A row's maximum or sum misses the last key."""
    seen = of[name][:, :, : max(of[name].shape[2] - 1, 1)]
    return np.asarray(
        seen.max(axis=2, keepdims=True) if by == "max" else seen.sum(axis=2, keepdims=True)
    )


def running_maximum(value: Array, _: Any) -> Array:
    """The maximum register is not cleared between rows."""
    return np.maximum.accumulate(value.reshape(-1)).reshape(value.shape)


def running_sum(value: Array, _: Any) -> Array:
    """The sum register is not cleared between rows."""
    return np.cumsum(value.reshape(-1)).reshape(value.shape)


def difference_wraps(_: Array, of: Any) -> Array:
    """Differences beyond the table's last entry wrap instead of saturating."""
    return np.asarray(of["whole"] & of["last"])


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


def truncated_share(_: Array, of: Any) -> Array:
    """Probabilities cut off instead of rounded."""
    return np.asarray(of["parts"] * of["certain"] >> of["places"])


def share_of_256(_: Array, of: Any) -> Array:
    """Probabilities over 256 in eight bits: certainty becomes 0."""
    return np.asarray((of["parts"] * 256 + (1 << (of["places"] - 1))) >> of["places"] & 255)


def short_inverse(_: Array, of: Any, *, bits: int) -> Array:
    """A truncated reciprocal of so many bits."""
    return np.asarray(((1 << bits) // of["total"]) << (of["places"] - bits))


def word_of(_: Array, of: Any, *, certain: int, by: str) -> Array:
    """A probability made a byte another way: over ``certain``, cut off or to nearest, low bits."""
    scaled = of["a"] * certain
    whole = np.floor(scaled) if by == "floor" else np.rint(scaled)
    return (whole.astype(np.int64) & 255).astype(np.uint8)


def signed_byte(value: Array, _: Any) -> Array:
    """Bytes read with a sign: above 127 they are negative."""
    return np.where(value > 127, value.astype(np.int64) - 256, value)


def whole_powers(_: Array, of: Any) -> Array:
    """Powers of two alone: the fraction of the exponent is dropped."""
    whole = np.floor(of["shifted"] * LOG2_E)
    return np.ldexp(1.0, np.maximum(whole, -1000).astype(np.int32))


def small_to_zero(value: Array, _: Any, *, power: int) -> Array:
    """What is below 2^power reads as 0."""
    return np.where(np.abs(value) < 2.0**power, 0.0, value)


def quotient(value: Array, of: Any) -> Array:
    """Divided by the sum, where it is multiplied by the rounded reciprocal."""
    if "powers" not in of:
        return value
    return (of["powers"] / of["total"]).astype(np.float32).astype(np.float64)


def resummed(value: Any, _: Any, **fields: Any) -> Any:
    """Another way of summing: some fields of the accumulation's description replaced."""
    return replace(value, **fields)


def roll(value: Array, _: Any, *, axis: int) -> Array:
    """Off by one along an axis."""
    return np.roll(value, 1, axis=axis)


def declared_as(value: Mapping[str, Any], _: Any, **fields: Any) -> dict[str, Any]:
    """Attributes of which some are wired to a constant."""
    return {**value, **fields}


ATTENTION_CHANGES = {
    each.__name__: each
    for each in (
        without_last, running_maximum, running_sum, difference_wraps, coarse_table, late_table,
        short_table, one_wrong_entry, truncated_share, share_of_256, short_inverse, word_of,
        signed_byte, whole_powers, small_to_zero, quotient, resummed, roll, declared_as,
    )
}  # fmt: skip
