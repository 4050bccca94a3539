"""What a wrong file looks like when it is the right numbers told wrongly: recognised and named.

The right elements at other places, or with their bytes the other way round (``rearranged.py``);
another tensor's file; the right numbers in another order; all negated. A reading is named where it
gives every element of the file; one that loses some at an end must tell more than chance does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from refimpl.arrays import Array
from refimpl.vectors.files.words import from_words
from refimpl.vectors.formats import bits_of, canonical_nans, from_bits
from refimpl.vectors.layouts import parsed, real, to_physical
from refimpl.vectors.physical import Physical
from refimpl.vectors.rearranged import Reading, as_it_is, readings

MOST_ELEMENTS = 2**24  # ours: a larger file is not tried against other readings
MOST_SAMPLED = 256  # ours: wrong elements that a reading must explain before all are looked at
STEP = 2**18  # ours: elements at a time
LEAST_BITS = 32  # ours: that must differ between a slip and the right file, to be told from chance


def recognise(
    golden: Array,
    device: Array,
    of: Physical,
    others: Mapping[str, Array] | None = None,
    words: Array | None = None,
) -> tuple[str, ...]:
    """Sentences about how the device's file would be right, were it read otherwise.

    ``device`` is in logical order; ``words`` (words, bytes) are those of its file as it left them,
    with what is in its pads (None: of a .npy, which has none). ``others`` are tensors of the set by
    a name for them, which the file may be instead.
    """
    if golden.size < 2 or golden.size > MOST_ELEMENTS:
        return ()
    right = bits_of(canonical_nans(golden, of.form), of.form)
    if (right == right.flat[0]).all():  # nothing can be told apart
        return ()
    return tuple(_said(right, device, of, others or {}, words))


def _said(
    right: Array, device: Array, of: Physical, others: Mapping[str, Array], words: Array | None
) -> Iterator[str]:
    files, flat = list(_files(device, of, words)), right.reshape(-1)
    found = next(filter(None, (_rearranged(flat, file) for file in files)), None)
    if found is not None:
        yield found.says
    bits = bits_of(canonical_nans(device, of.form), of.form)
    for name, array in others.items():
        alike = (array.shape, array.dtype) == (device.shape, device.dtype)
        if alike and np.array_equal(bits_of(array, of.form), bits_of(device, of.form)):
            yield f"it is {name}"
    if found is None and _is_shuffled(flat, files[0]):
        yield "it holds the right numbers in another order"
    if of.form.floating and np.array_equal(bits ^ _sign(of), right):
        yield "every element has the opposite sign"


class File(NamedTuple):
    """A file's elements in its order: bits, those with bytes swapped, and which are known."""

    of: Physical
    bits: Array
    swapped: Array
    known: Array


def _files(device: Array, of: Physical, words: Array | None) -> Iterator[File]:
    """The file of the device; a .npy was written in logical order, or of words read by a layout."""
    if words is not None:
        elements = from_words(words, of.form, of.lanes, of.words * of.lanes)
        yield _file(elements, of, np.ones(len(elements), bool))
        return
    yield _file(to_physical(device, of.layout), of, real(of.shape, of.layout))
    plain = parsed(of.layout.letters.upper(), of.layout.letters, " ".join(of.layout.letters))
    if plain.digits != of.layout.digits or of.layout.skewed:
        flat = device.reshape(-1)
        yield _file(flat, replace(of, layout=plain, lanes=1), np.ones(len(flat), bool))


def _file(elements: Array, of: Physical, known: Array) -> File:
    bits = swapped = bits_of(canonical_nans(elements, of.form), of.form)
    if of.form.bits % 8 == 0 and of.form.bits > 8:
        turned = from_bits(bits_of(elements, of.form).byteswap(), of.form)
        swapped = bits_of(canonical_nans(turned, of.form), of.form)
    return File(of, bits, swapped, known)


def _rearranged(right: Array, file: File) -> Reading | None:
    """The simplest reading that gives every element."""
    wrong = _wrong(right, file)
    if not len(wrong):
        return None
    sampled = wrong[np.linspace(0, len(wrong) - 1, min(len(wrong), MOST_SAMPLED)).astype(np.int64)]
    return next((each for each in readings(file.of) if _gives(each, right, file, sampled)), None)


def _wrong(right: Array, file: File) -> Array:
    """Places of the file that are not what they must be."""
    found, own = [], as_it_is(file.of)
    for places in _places(file):
        at, valid = own(places)
        valid &= file.known[places]
        found.append(places[valid][file.bits[places][valid] != right[at[valid]]])
    return np.concatenate(found)


def _gives(reading: Reading, right: Array, file: File, sampled: Array) -> bool:
    """Whether a reading gives every element of the tensor, but those it says are lost."""
    bits = file.swapped if reading.swapped else file.bits
    at, valid = reading.source(sampled)
    if not np.array_equal(bits[sampled][valid], right[at[valid]]):
        return False
    own = as_it_is(file.of)
    given = telling = 0
    for places in _places(file):
        at, valid = reading.source(places)
        valid &= file.known[places]
        if not np.array_equal(bits[places][valid], right[at[valid]]):
            return False
        given += int(valid.sum())
        here, is_element = own(places)
        otherwise = np.where(is_element, right[here], 0)
        telling += int((valid & (right[at] != otherwise)).sum())
    if reading.lost and telling * file.of.form.bits < LEAST_BITS:
        return False
    return given >= right.size - reading.lost


def _places(file: File) -> Iterator[Array]:
    for start in range(0, len(file.bits), STEP):
        yield np.arange(start, min(start + STEP, len(file.bits)))


def _is_shuffled(right: Array, file: File) -> bool:
    """Whether the file has the right numbers in any order: where they are, or in pads too."""
    own = real(file.of.shape, file.of.layout)
    here = file.bits[: file.of.elements]
    if np.array_equal(np.sort(here[own]), np.sort(right)):
        return len(_wrong(right, file)) > 0
    zeros = np.zeros(len(file.bits) - right.size, right.dtype)
    whole = np.sort(np.concatenate([right, zeros]))
    return bool(file.known.all()) and np.array_equal(np.sort(file.bits), whole)


def _sign(of: Physical) -> Array:
    return np.array(1 << (of.form.bits - 1), of.form.word)
