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
from refimpl.vectors.dumps import elements_of
from refimpl.vectors.files.readmem import Dump, Undriven
from refimpl.vectors.files.words import from_words, to_words
from refimpl.vectors.formats import bits_of, canonical_nans, from_bits
from refimpl.vectors.layouts import parsed, real, to_physical
from refimpl.vectors.physical import Physical
from refimpl.vectors.rearranged import Reading, as_it_is, readings, turns_words

MOST_ELEMENTS = 2**24  # ours: a larger file is not tried against other readings
MOST_SAMPLED = 256  # ours: wrong ones, and any, that a reading must give before all are looked at
STEP = 2**18  # ours: elements at a time
LEAST_BITS = 32  # ours: that must differ between a slip and the right file, to be told from chance


class File(NamedTuple):
    """Elements of a file in its order: bits, and which are known; both with bytes swapped too."""

    of: Physical
    bits: Array
    known: Array
    swapped: tuple[Array, Array]


def recognise(
    golden: Array, device: Array | Dump, of: Physical, others: Mapping[str, Array] | None = None
) -> tuple[str, ...]:
    """Sentences about how the device's file would be right, were it read otherwise.

    ``device`` is the logical array of a .npy, or the words of another file as the device left them,
    with what is in its pads; what it never drove says nothing. ``others`` are tensors of the set by
    a name for them, which the file may be instead.
    """
    if golden.size < 2 or golden.size > MOST_ELEMENTS:
        return ()
    right = _plain(golden, of)
    if (right == right[0]).all():  # nothing can be told apart
        return ()
    alike = {
        name: array
        for name, array in (others or {}).items()
        if (array.shape, array.dtype) == (golden.shape, golden.dtype)
    }
    return tuple(_said(right, list(_files(device, of)), alike))


def _said(right: Array, files: list[File], others: Mapping[str, Array]) -> Iterator[str]:
    found = next(filter(None, (_rearranged(right, file) for file in files)), None)
    if found is not None:
        yield found.says
    file = files[0]
    if not _whole(file):
        return
    for name, array in others.items():
        if not any(map(len, _wrong(_plain(array, file.of), file))):
            yield f"it is {name}"
    if found is None and _is_shuffled(right, file):
        yield "it holds the right numbers in another order"
    if file.of.form.floating and not any(map(len, _wrong(_negated(right, file.of), file))):
        yield "every element has the opposite sign"


def _files(device: Array | Dump, of: Physical) -> Iterator[File]:
    """The file of the device; a .npy was written in logical order, or of words read by a layout."""
    if isinstance(device, Dump):
        yield _file(*elements_of(device, of, of.words * of.lanes), of)
        return
    pads = (~real(of.shape, of.layout)).astype(of.form.word)
    yield _file(to_physical(device, of.layout), Undriven(pads, pads), of)
    plain = parsed(of.layout.letters.upper(), of.layout.letters, " ".join(of.layout.letters))
    if plain.digits != of.layout.digits or of.layout.skewed:
        yield _file(device.reshape(-1), None, replace(of, layout=plain, lanes=1))


def _file(elements: Array, undriven: Undriven | None, of: Physical) -> File:
    known = np.ones(len(elements), bool) if undriven is None else undriven.bits == 0
    bits = _plain(elements, of)
    swapped = bits, known
    if of.form.bits % 8 == 0 and of.form.bits > 8:
        turned = bits_of(elements, of.form).byteswap()
        swapped = _plain(from_bits(turned, of.form), of), known
    elif turns_words(of) and len(elements) == of.words * of.lanes:
        ones = from_bits(np.where(known, 0, (1 << of.form.bits) - 1), of.form)
        swapped = _words_turned(elements, of), _words_turned(ones, of) == 0
    return File(of, bits, known, swapped)


def _words_turned(elements: Array, of: Physical) -> Array:
    words = to_words(elements, of.form, of.lanes)[:, ::-1]
    return _plain(from_words(np.ascontiguousarray(words), of.form, of.lanes, len(elements)), of)


def _plain(array: Array, of: Physical) -> Array:
    """Bits of the elements of an array, one after another, with one NaN for all."""
    return np.asarray(bits_of(canonical_nans(array, of.form), of.form)).reshape(-1)


def _negated(bits: Array, of: Physical) -> Array:
    sign = np.array(1 << (of.form.bits - 1), of.form.word)
    return _plain(from_bits(bits ^ sign, of.form), of)


def _rearranged(right: Array, file: File) -> Reading | None:
    """The simplest reading that gives every element."""
    wrong = np.concatenate(list(_wrong(right, file)))
    if not len(wrong) and _whole(file):
        return None
    some = np.linspace(0, len(wrong) - 1, min(len(wrong), MOST_SAMPLED)).astype(np.int64)
    any_else = np.random.default_rng(0).integers(len(file.bits), size=MOST_SAMPLED)
    sampled = np.concatenate([wrong[some], any_else])
    return next((each for each in readings(file.of) if _gives(each, right, file, sampled)), None)


def _whole(file: File) -> bool:
    """Whether every element is known where it must be."""
    own = real(file.of.shape, file.of.layout)
    return bool(file.known[: file.of.elements][own].all())


def _wrong(right: Array, file: File) -> Iterator[Array]:
    """Places of the file that are known and are not what they must be, a run at a time."""
    own = as_it_is(file.of)
    for places in _places(file):
        at, valid = own(places)
        valid &= file.known[places]
        yield places[valid][file.bits[places][valid] != right[at[valid]]]


def _gives(reading: Reading, right: Array, file: File, sampled: Array) -> bool:
    """Whether a reading gives every element of the tensor, but those it says are lost.

    Where those that came in place of the lost ones are all right, nothing has slipped.
    """
    bits, known = file.swapped if reading.swapped else (file.bits, file.known)
    at, valid = reading.source(sampled)
    valid &= known[sampled]
    if not np.array_equal(bits[sampled][valid], right[at[valid]]):
        return False
    own = as_it_is(file.of)
    given = telling = came = right_still = 0
    for places in _places(file):
        at, has = reading.source(places)
        valid = has & known[places]
        if not np.array_equal(bits[places][valid], right[at[valid]]):
            return False
        given += int(valid.sum())
        here, is_element = own(places)
        otherwise = np.where(is_element, right[here], 0)
        telling += int((valid & (right[at] != otherwise)).sum())
        instead = ~has & is_element
        came += int(instead.sum())
        right_still += int((instead & known[places] & (bits[places] == otherwise)).sum())
    if reading.lost and (telling * file.of.form.bits < LEAST_BITS or came == right_still > 0):
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
        return any(map(len, _wrong(right, file)))
    zeros = np.zeros(len(file.bits) - right.size, right.dtype)
    whole = np.sort(np.concatenate([right, zeros]))
    return bool(file.known.all()) and np.array_equal(np.sort(file.bits), whole)
