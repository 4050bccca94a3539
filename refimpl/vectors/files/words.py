"""Elements to memory words and back: lanes of a word, the first in its lowest bits.

A word has lanes · bits, and takes ⌈lanes · bits / 8⌉ bytes in a ``.bin``, little-endian, its unused
high bits zero. Two int4 make a byte (lanes = 2), the first in the low half; one int4 a word of four
bits. Elements of 9, 17 or 33 bits lie side by side as tightly: two int17 are a word of 34 bits, in
five bytes. The last word's missing lanes are zero.
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
    must_be_lanes(lanes)
    if form.bits < 8 and lanes > 1 and lanes % 2:
        raise ValueError(f"a word of {form.name} must have one lane or an even number, not {lanes}")
    return form.bits * lanes


def must_be_lanes(lanes: int) -> None:
    """Refuse a number of lanes that no word has.

    Raises
    ------
    ValueError
        If there are none, or too many.
    """
    if not 1 <= lanes <= MOST_LANES:
        raise ValueError(f"a word must have 1 to {MOST_LANES} lanes, not {lanes}")


def word_count(elements: int, lanes: int) -> int:
    """Words that so many elements take."""
    return -(-elements // lanes)


def to_words(elements: Array, form: Format, lanes: int = 1) -> Array:
    """Elements (k,) as words: uint8 (words, bytes), the lowest byte first."""
    wide = word_bits(form, lanes)
    count = word_count(len(elements), lanes)
    bits = bits_of(elements, form)
    if _is_odd(form):
        return _packed(bits, form, lanes)
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
    if _is_odd(form):
        return from_bits(_unpacked(raw, form, lanes)[:elements], form)
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


def _is_odd(form: Format) -> bool:
    """Whether elements end within a byte, beyond its half."""
    return form.bits > 8 and form.bits % 8 > 0


def _packed(bits: Array, form: Format, lanes: int) -> Array:
    """Words of elements that end within bytes."""
    count = word_count(len(bits), lanes)
    ones = np.zeros((count * lanes, form.bits), np.uint8)
    rows = bits.view(np.uint8).reshape(len(bits), form.carrier_bits // 8)
    ones[: len(bits)] = np.unpackbits(rows, axis=1, count=form.bits, bitorder="little")
    words = ones.reshape(count, word_bits(form, lanes))
    return np.packbits(words, axis=1, bitorder="little")


def _unpacked(raw: Array, form: Format, lanes: int) -> Array:
    """Bits of elements that end within bytes, as the carrier's unsigned integers."""
    wide = word_bits(form, lanes)
    rows = raw.reshape(-1, -(-wide // 8))
    ones = np.unpackbits(rows, axis=1, bitorder="little")
    over = np.flatnonzero(ones[:, wide:].any(axis=1))
    if len(over):
        word = rows[over[0]][::-1].tobytes().hex()
        raise ValueError(f"word {over[0]} must be at most {wide} bits wide, not 0x{word}")
    elements = ones[:, :wide].reshape(-1, form.bits)
    filled = np.zeros((len(elements), form.carrier_bits), np.uint8)
    filled[:, : form.bits] = elements
    return np.packbits(filled, axis=1, bitorder="little").view(form.word).reshape(-1)
