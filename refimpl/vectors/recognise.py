"""What a wrong file looks like when it is the right numbers told wrongly: recognised and named.

Big-endian words, lanes of a word in reverse, another layout, every element some places early or
late, another tensor's file, the right numbers in another order, all negated.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from refimpl.arrays import Array
from refimpl.vectors.files.words import from_words, to_words
from refimpl.vectors.formats import bits_of
from refimpl.vectors.layouts import layout_for, to_logical, to_physical
from refimpl.vectors.physical import Physical

MOST_ELEMENTS = 2**24  # ours: a larger file is not tried against other readings
MOST_PLACES = 64  # ours: how far elements may have slipped
FAMILIES = ("nchw", "nhwc", "nchw4c", "nchw8c", "nchw16c", "nchw32c", "nc1hwc0")


def recognise(
    golden: Array, device: Array, of: Physical, others: Mapping[str, Array] | None = None
) -> tuple[str, ...]:
    """Sentences about how the device's file would be right, were it read otherwise.

    ``others`` are tensors of the set by a name for them, which the file may be instead.
    """
    if golden.size < 2 or golden.size > MOST_ELEMENTS or golden.size == 0:
        return ()
    right = bits_of(golden, of.form)
    if (right == right.flat[0]).all():  # nothing can be told apart
        return ()
    return tuple(_readings(right, device, of, others or {}))


def _readings(
    right: Array, device: Array, of: Physical, others: Mapping[str, Array]
) -> Iterator[str]:
    bits = bits_of(device, of.form)
    elements = to_physical(device, of.layout)
    if of.form.carrier_bits > 8 and np.array_equal(bits.byteswap(), right):
        yield "its elements are big-endian; they must be little-endian"
    if of.lanes > 1:
        yield from _words(right, elements, of)
    yield from _layouts(right, elements, of)
    yield from _slipped(right, bits)
    for name, array in others.items():
        alike = (array.shape, array.dtype) == (device.shape, device.dtype)
        if alike and np.array_equal(bits_of(array, of.form), bits):
            yield f"it is {name}"
    if not np.array_equal(bits, right) and np.array_equal(
        np.sort(bits, axis=None), np.sort(right, axis=None)
    ):
        yield "it holds the right numbers in another order"
    if of.form.floating and np.array_equal(bits ^ _sign(of), right):
        yield "every element has the opposite sign"


def _words(right: Array, elements: Array, of: Physical) -> Iterator[str]:
    """Words whose lanes, or whose bytes, run the other way."""
    words = to_words(elements, of.form, of.lanes)
    count = len(words) * of.lanes
    each = bits_of(from_words(words, of.form, of.lanes, count), of.form)
    backwards = each.reshape(-1, of.lanes)[:, ::-1].reshape(-1)
    if _holds(right, backwards, of):
        yield "the lanes of each word are in reverse; the first must be in the lowest bits"
    flipped = np.ascontiguousarray(words[:, ::-1])
    try:
        swapped = bits_of(from_words(flipped, of.form, of.lanes, count), of.form)
    except ValueError:  # wider than a word may be
        return
    if not _holds(right, backwards, of) and _holds(right, swapped, of):
        yield "its words are big-endian; they must be little-endian"


def _holds(right: Array, bits: Array, of: Physical) -> bool:
    logical = to_logical(bits[: of.elements], of.shape, of.layout)
    return np.array_equal(logical, right)


def _layouts(right: Array, elements: Array, of: Physical) -> Iterator[str]:
    if len(of.shape) != 4:
        return
    kernel = of.layout.letters == "oihw"
    seen = {of.layout}
    for family in FAMILIES:
        other = layout_for(family, rank=4, kernel=kernel, element_bits=of.form.bits)
        if other in seen or int(np.prod(other.physical_shape(of.shape))) != len(elements):
            continue
        seen.add(other)
        if np.array_equal(bits_of(to_logical(elements, of.shape, other), of.form), right):
            yield f"it is in {other.name} order; it must be in {of.layout.name} order"
            return


def _slipped(right: Array, bits: Array) -> Iterator[str]:
    mine, theirs = right.reshape(-1), bits.reshape(-1)
    for places in range(1, min(MOST_PLACES, len(mine) // 2) + 1):
        if np.array_equal(theirs[places:], mine[:-places]):
            yield f"every element is {places} places late in logical order"
            return
        if np.array_equal(theirs[:-places], mine[places:]):
            yield f"every element is {places} places early in logical order"
            return


def _sign(of: Physical) -> Array:
    return np.array(1 << (of.form.bits - 1), of.form.word)
