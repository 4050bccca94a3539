"""Ways in which a file holds the right elements at other places: each as a map of places, as data.

A reading says which element of the golden tensor stands at each place of the device's file, and
whether its bytes are the other way round. In this order, the simplest first; the first that gives
every element names the fault:

    bytes      elements big-endian · lanes of a word in reverse · bytes of a word in reverse · the
               two halves of each byte exchanged (four bits) · words, or elements, of the file in
               reverse order
    layout     every family of layouts that takes as many elements
    axes       rows and columns exchanged · an axis in reverse, or both of an image, or all ·
               outputs or channels exchanged in pairs · all copies of the first image, output or
               channel
    slip       every element so many places early or late in logical order, or every word of the
               file, or every lane; some are lost at an end
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from math import prod
from operator import add
from typing import NamedTuple, TypeAlias

import numpy as np

from refimpl.arrays import Array
from refimpl.vectors.layouts import indices_at, layout_for
from refimpl.vectors.patterns import WORDS, counted
from refimpl.vectors.physical import Physical, logical_at

MOST_PLACES = 64  # ours: how far elements, or words, may have slipped
FAMILIES = ("nchw", "nhwc", "nchw4c", "nchw8c", "nchw16c", "nchw32c", "nc1hwc0")
Source: TypeAlias = Callable[[Array], tuple[Array, Array]]
"""Places of the device's file to logical places of the tensor, and which of them are any."""


class Reading(NamedTuple):
    """What a file then is; whose element stands where; whether bytes of elements are swapped.

    Elements that end within bytes are not ``swapped`` but read of words with the last byte first.
    ``lost`` elements are not in it.
    """

    says: str
    source: Source
    swapped: bool = False
    lost: int = 0


def readings(of: Physical) -> Iterator[Reading]:
    """Every reading of a file of a tensor, the simplest first."""
    yield from _bytes(of)
    yield from _layouts(of)
    yield from _axes(of)
    yield from _slips(of)


def turns_words(of: Physical) -> bool:
    """Whether words of elements that end within bytes can be read with the last byte first."""
    return of.form.bits > 8 and of.form.bits % 8 > 0 and of.width_bits % 8 == 0


def as_it_is(of: Physical) -> Source:
    """The right reading."""
    return _moved(of, lambda places: places)


def _bytes(of: Physical) -> Iterator[Reading]:
    own = as_it_is(of)
    whole = of.form.bits % 8 == 0
    if whole and of.form.bits > 8:
        yield Reading("its elements are big-endian; they must be little-endian", own, swapped=True)
    if of.lanes > 1:
        turned = _moved(of, lambda places: places + of.lanes - 1 - 2 * (places % of.lanes))
        says = "the lanes of each word are in reverse; the first must be in the lowest bits"
        yield Reading(says, turned)
        says = "its words are big-endian; they must be little-endian"
        if whole and of.form.bits > 8:
            yield Reading(says, turned, swapped=True)
        if turns_words(of):
            yield Reading(says, own, swapped=True)
        if of.form.bits == 4:
            paired = _moved(of, lambda p: p + of.lanes - 2 - 2 * (p % of.lanes) + 2 * (p % 2))
            yield Reading(says, paired)
            halves = _moved(of, lambda places: places ^ 1)
            yield Reading("the two halves of each byte are exchanged; the first is the low", halves)
    last = of.words - 1
    back = _moved(of, lambda places: (last - places // of.lanes) * of.lanes + places % of.lanes)
    yield Reading("its words are in reverse order, the last first", back)
    if of.lanes > 1:
        end = of.words * of.lanes - 1
        says = "its elements are in reverse order, the last first"
        yield Reading(says, _moved(of, lambda places: end - places))


def _layouts(of: Physical) -> Iterator[Reading]:
    if len(of.shape) != 4:
        return
    kernel, seen = of.layout.letters == "oihw", {of.layout}
    for family in FAMILIES:
        other = layout_for(family, rank=4, kernel=kernel, element_bits=of.form.bits)
        if other not in seen and prod(other.physical_shape(of.shape)) == of.elements:
            seen.add(other)
            says = f"it is in {other.name} order; it must be in {of.layout.name} order"
            yield Reading(says, _moved(replace(of, layout=other), lambda places: places))


def _slips(of: Physical) -> Iterator[Reading]:
    size = prod(of.shape)
    for places in range(1, min(MOST_PLACES, size // 2) + 1):
        for way, step in (("late", -places), ("early", places)):
            says = f"every element is {counted(places, 'place')} {way} in logical order"
            yield Reading(says, _logical(of, _stepped(step, size)), lost=places)
    for words in range(1, min(MOST_PLACES, of.words // 2) + 1):
        places = words * of.lanes
        for way, step in (("late", -places), ("early", places)):
            says = f"the whole file is {counted(words, 'word')} {way}"
            yield Reading(says, _moved(of, partial(add, step)), lost=places)
    if of.lanes > 1:
        for places in range(1, min(MOST_PLACES, of.elements // 2) + 1):
            for way, step in (("late", -places), ("early", places)):
                says = f"the whole file is {counted(places, 'lane')} {way}"
                yield Reading(says, _moved(of, partial(add, step)), lost=places)


def _axes(of: Physical) -> Iterator[Reading]:
    letters, shape = of.layout.letters, of.shape
    if "h" in letters and "w" in letters:
        says = "rows and columns are exchanged: w runs slower than h"
        yield from (Reading(says, source) for source in _transposed(of))
    turns = [letter for letter in letters[::-1] if shape[letters.index(letter)] > 1]
    turns += ["hw"] if {"h", "w"} <= set(turns) else []
    for turn in turns:
        axes = [letters.index(letter) for letter in turn]
        yield Reading(_turned(turn, of), _logical(of, _reversed(axes, shape)))
    every = _reversed(list(range(len(shape))), shape)
    yield Reading("its elements are in reverse logical order, the last first", _logical(of, every))
    for letter in "oci":
        if letter in letters and shape[letters.index(letter)] > 1:
            says = f"{WORDS[letter]}s are exchanged in pairs: 1, 0, 3, 2, …"
            yield Reading(says, _logical(of, _paired(letters.index(letter), shape)))
    for letter in "noci":
        if letter in letters and shape[letters.index(letter)] > 1:
            says = f"every {WORDS[letter]} is a copy of the first"
            yield Reading(says, _logical(of, _first(letters.index(letter), shape)))


def _turned(turn: str, of: Physical) -> str:
    what = "kernels are" if of.layout.letters == "oihw" else "images are"
    names = {
        "w": f"{what} mirrored, left and right exchanged",
        "h": f"{what} upside down",
        "hw": f"{what} turned by 180°",
    }
    other = f"{WORDS.get(turn, f'coordinate {turn}')}s are in reverse order, the last first"
    return names.get(turn, other)


def _moved(of: Physical, move: Callable[[Array], Array]) -> Source:
    """Whatever the file has at a place stands at the ``move``d one."""

    def source(places: Array) -> tuple[Array, Array]:
        moved = move(places)
        within = (moved >= 0) & (moved < of.elements)
        indices, valid = logical_at(np.where(within, moved, 0), of)
        valid &= within
        return _flat(np.where(valid, indices, 0), of.shape), valid

    return source


def _logical(of: Physical, move: Callable[[Array], tuple[Array, Array]]) -> Source:
    """The same of logical places."""

    def source(places: Array) -> tuple[Array, Array]:
        indices, valid = logical_at(places, of)
        moved, within = move(_flat(np.where(valid, indices, 0), of.shape))
        return np.where(within, moved, 0), valid & within

    return source


def _flat(indices: Array, shape: tuple[int, ...]) -> Array:
    if not shape:
        return np.zeros(indices.shape[1], np.int64)
    return np.asarray(np.ravel_multi_index(tuple(indices), shape))


def _stepped(step: int, size: int) -> Callable[[Array], tuple[Array, Array]]:
    def move(flat: Array) -> tuple[Array, Array]:
        moved = flat + step
        return moved, (moved >= 0) & (moved < size)

    return move


def _reversed(axes: list[int], shape: tuple[int, ...]) -> Callable[[Array], tuple[Array, Array]]:
    def move(flat: Array) -> tuple[Array, Array]:
        indices = np.array(np.unravel_index(flat, shape))
        for axis in axes:
            indices[axis] = shape[axis] - 1 - indices[axis]
        return _flat(indices, shape), np.ones(len(flat), bool)

    return move


def _paired(axis: int, shape: tuple[int, ...]) -> Callable[[Array], tuple[Array, Array]]:
    """Neighbours exchanged; a last odd one stays."""

    def move(flat: Array) -> tuple[Array, Array]:
        indices = np.array(np.unravel_index(flat, shape))
        other = indices[axis] ^ 1
        indices[axis] = np.where(other < shape[axis], other, indices[axis])
        return _flat(indices, shape), np.ones(len(flat), bool)

    return move


def _first(axis: int, shape: tuple[int, ...]) -> Callable[[Array], tuple[Array, Array]]:
    """The first along an axis, everywhere."""

    def move(flat: Array) -> tuple[Array, Array]:
        indices = np.array(np.unravel_index(flat, shape))
        indices[axis] = 0
        return _flat(indices, shape), np.ones(len(flat), bool)

    return move


def _transposed(of: Physical) -> Iterator[Source]:
    """Elements as of a tensor (…, w, h): in logical order, and in the order of the layout."""
    shape, letters = of.shape, of.layout.letters
    h, w = letters.index("h"), letters.index("w")
    turned = list(shape)
    turned[h], turned[w] = shape[w], shape[h]

    def back(indices: Array) -> Array:
        own = np.array(indices)
        own[[h, w]] = own[[w, h]]
        return _flat(own, shape)

    def logical(flat: Array) -> tuple[Array, Array]:
        return back(np.array(np.unravel_index(flat, tuple(turned)))), np.ones(len(flat), bool)

    yield _logical(of, logical)
    if prod(of.layout.physical_shape(tuple(turned))) != of.elements:
        return

    def laid(places: Array) -> tuple[Array, Array]:
        within = places < of.elements
        indices, valid = indices_at(np.where(within, places, 0), tuple(turned), of.layout)
        valid &= within
        return back(np.where(valid, indices, 0)), valid

    yield laid
