"""Elements to memory words and back: lanes of a word, the first in its lowest bits.

A word has lanes · bits, and takes ⌈lanes · bits / 8⌉ bytes in a ``.bin``, little-endian, its unused
high bits zero. Two int4 make a byte (lanes = 2), the first in the low half; one int4 a word of four
bits. The last word's missing lanes are zero.
"""

import numpy as np

from refimpl.arrays import Array
from refimpl.vectors.formats import Format, bits_of, from_bits

MOST_LANES = 1024  # ours: a memory word of a kilobyte


def word_bits(form: Format, lanes: int) -> int:
    """Bits of a memory word.

    Raises
    ------
    ValueError
        If there are no lanes, more than there may be, or an odd number of int4 beyond one.
    """
    if not 1 <= lanes <= MOST_LANES:
        raise ValueError(f"a word must have 1 to {MOST_LANES} lanes, not {lanes}")
    if form.bits < 8 and lanes > 1 and lanes % 2:
        raise ValueError(f"a word of {form.name} must have one lane or an even number, not {lanes}")
    return form.bits * lanes


def word_count(elements: int, lanes: int) -> int:
    """Words that so many elements take."""
    return -(-elements // lanes)


def to_words(elements: Array, form: Format, lanes: int = 1) -> Array:
    """Elements (k,) as words: uint8 (words, bytes), the lowest byte first."""
    wide = word_bits(form, lanes)
    count = word_count(len(elements), lanes)
    bits = bits_of(elements, form)
    if len(bits) < count * lanes:
        bits = np.concatenate([bits, np.zeros(count * lanes - len(bits), bits.dtype)])
    if form.bits < 8 and lanes > 1:
        pairs = bits.reshape(-1, 2)
        bits = pairs[:, 0] | (pairs[:, 1] << 4)
    return np.ascontiguousarray(bits).view(np.uint8).reshape(count, -(-wide // 8))


def from_words(words: Array, form: Format, lanes: int, elements: int) -> Array:
    """Undo ``to_words``: the first ``elements`` elements, as the format's carrier.

    Raises
    ------
    ValueError
        If a word has bits beyond its width.
    """
    raw = np.ascontiguousarray(words).reshape(-1)
    if form.bits < 8 and lanes > 1:
        bits = np.stack([raw & 0xF, raw >> 4], axis=-1).reshape(-1)
    elif form.bits < 8:
        over = np.flatnonzero(raw >> form.bits)
        if len(over):
            raise ValueError(
                f"word {over[0]} must be at most {form.bits} bits wide, not 0x{raw[over[0]]:02x}"
            )
        bits = raw
    else:
        bits = raw.view(form.word)
    return from_bits(bits[:elements], form)
