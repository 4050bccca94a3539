"""Raw words: ``.bin``, little-endian, nothing else in the file."""

import numpy as np

from refimpl.arrays import Array


def to_binary(words: Array) -> bytes:
    """Bytes of words (count, bytes)."""
    return np.ascontiguousarray(words).tobytes()


def from_binary(raw: bytes, count: int, width_bits: int) -> Array:
    """Words (count, bytes) of a ``.bin``.

    Raises
    ------
    ValueError
        If there are not exactly so many.
    """
    each = -(-width_bits // 8)
    if len(raw) != count * each:
        raise ValueError(
            f"must hold {count} words of {width_bits} bits, {count * each} bytes, not {len(raw)}"
        )
    return np.frombuffer(raw, np.uint8).reshape(count, each)
