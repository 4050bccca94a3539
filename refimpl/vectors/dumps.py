"""What a hex dump says of a tensor: its elements, and the bits of them that were never driven.

Pads are not looked at: a device may leave lanes undriven that nobody may compare. Pure.
"""

from typing import NamedTuple

import numpy as np

from refimpl.arrays import Array
from refimpl.vectors.files.readmem import Dump, Undriven, UnknownBitsError
from refimpl.vectors.files.words import from_words
from refimpl.vectors.formats import bits_of, from_bits
from refimpl.vectors.physical import Physical, array_of


class Elements(NamedTuple):
    """Elements (k,), and ones in the bits of each that were never driven (None: nowhere)."""

    values: Array
    undriven: Undriven | None = None


def elements_of(dump: Dump, of: Physical, count: int) -> Elements:
    """The first ``count`` elements of words of a dump, as they lie in memory.

    Raises
    ------
    ValueError
        If a word has bits beyond its width.
    """
    values = from_words(dump.words, of.form, of.lanes, count)
    if dump.undriven is None:
        return Elements(values)
    bits = (bits_of(from_words(each, of.form, of.lanes, count), of.form) for each in dump.undriven)
    return Elements(values, Undriven(*bits))


def driven_array(dump: Dump, of: Physical) -> Array:
    """The logical array of a dump whose elements are all driven, whatever its pads are.

    Raises
    ------
    ValueError
        If a word has bits beyond its width.
    UnknownBitsError
        If an element has bits that were never driven.
    """
    if dump.undriven is not None:
        unknown = np.argwhere(bits_of(array_of(dump.undriven.bits, of), of.form) != 0)
        if len(unknown):
            raise UnknownBitsError(
                f"must hold no x or z and skip no address where an element is: "
                f"{len(unknown)} of them have bits that were never driven, the first "
                f"at {unknown[0].tolist()}"
            )
    return array_of(dump.words, of)


def opposed(dump: Dump, golden: Array, of: Physical) -> Array:
    """The logical array of a dump, its undriven bits the opposite of the golden ones.

    A file that has no x, as a .npy, can so still show which elements were never driven.

    Raises
    ------
    ValueError
        If a word has bits beyond its width.
    """
    driven = array_of(dump.words, of)
    if dump.undriven is None:
        return driven
    unknown = bits_of(array_of(dump.undriven.bits, of), of.form)
    return from_bits(bits_of(driven, of.form) | (~bits_of(golden, of.form) & unknown), of.form)
