"""How a logical array lies in memory: format, layout, lanes of a word. Words of it, and back."""

from dataclasses import dataclass
from math import prod

import numpy as np

from refimpl.arrays import Array
from refimpl.vectors.files.words import from_words, to_words, word_bits, word_count
from refimpl.vectors.formats import FORMATS, Format, carried
from refimpl.vectors.layouts import (
    Layout,
    has_pads,
    indices_at,
    place_of,
    real,
    to_logical,
    to_physical,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Physical:
    """One tensor's place in memory: its format, logical shape, layout, and elements per word."""

    form: Format
    shape: tuple[int, ...]
    layout: Layout
    lanes: int = 1

    @property
    def elements(self) -> int:
        """Elements of the file, pads of the layout included."""
        return prod(self.layout.physical_shape(self.shape))

    @property
    def words(self) -> int:
        """Memory words of the file."""
        return word_count(self.elements, self.lanes)

    @property
    def width_bits(self) -> int:
        """Bits of a memory word."""
        return word_bits(self.form, self.lanes)

    @property
    def word_bytes(self) -> int:
        """Bytes of a memory word in a ``.bin``."""
        return -(-self.width_bits // 8)

    @property
    def word_of(self) -> str:
        """Formula of the word of a logical element."""
        place = self.layout.formula()
        return place if self.lanes == 1 else f"({place})//{self.lanes}"

    @property
    def lane_of(self) -> str:
        """Formula of its lane within the word; lane 0 is the lowest bits."""
        return "0" if self.lanes == 1 else f"({self.layout.formula()})%{self.lanes}"

    @property
    def pads(self) -> int:
        """Elements of the file that nobody may compare: pad lanes, bubbles, missing lanes."""
        return self.words * self.lanes - prod(self.shape)


def words_of(array: Array, of: Physical) -> Array:
    """Memory words (words, bytes) of a logical array."""
    return to_words(to_physical(carried(array, of.form), of.layout), of.form, of.lanes)


def array_of(words: Array, of: Physical) -> Array:
    """Logical array of memory words; pads are not looked at.

    Raises
    ------
    ValueError
        If a word is wider than it may be.
    """
    return to_logical(from_words(words, of.form, of.lanes, of.elements), of.shape, of.layout)


def mask_of(of: Physical) -> Array:
    """Words with ones in every bit that nobody may compare."""
    pads = ~real(of.shape, of.layout)
    if of.form.bits < 8:
        bits = np.where(pads, np.int8(-1), np.int8(0))
        return _missing_lanes(to_words(bits, FORMATS["int4"], of.lanes), of)
    ones = np.where(pads, np.iinfo(of.form.word).max, 0).astype(of.form.word)
    return _missing_lanes(to_words(_as_carrier(ones, of.form), of.form, of.lanes), of)


def word_at(index: tuple[int, ...], of: Physical) -> tuple[int, int]:
    """Word and lane of the element at a logical index."""
    return divmod(place_of(index, of.shape, of.layout), of.lanes)


def logical_at(places: Array, of: Physical) -> tuple[Array, Array]:
    """Logical indices (rank, k) of element places (k,) of the file, and which are no pads."""
    inside = places < of.elements
    indices, valid = indices_at(np.where(inside, places, 0), of.shape, of.layout)
    return indices, valid & inside


def padded(of: Physical) -> bool:
    """Whether the file holds anything that nobody may compare."""
    return of.pads > 0 or has_pads(of.shape, of.layout)


def _as_carrier(bits: Array, form: Format) -> Array:
    return bits.view(form.dtype)


def _missing_lanes(words: Array, of: Physical) -> Array:
    """Fill the lanes after the last element of the last word with ones."""
    missing = of.words * of.lanes - of.elements
    if missing:
        first_bit = (of.lanes - missing) * of.form.bits
        last = int.from_bytes(words[-1].tobytes(), "little")
        last |= ((1 << of.width_bits) - 1) >> first_bit << first_bit
        words = words.copy()
        words[-1] = np.frombuffer(last.to_bytes(of.word_bytes, "little"), np.uint8)
    return words
