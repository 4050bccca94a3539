"""Which elements of a file still hold the prefill 0xdeadbeef: nothing was ever written there.

A memory is filled with it as bytes (either end first, or halves exchanged), as whole words of a
memory that is wider (zeros above) or narrower (the lowest bits), or repeated until a word is full.
Single elements may hold a part of it by right or by chance: only so many in a row are unwritten as
have 32 bits of it, which a file without the prefill has by chance once in 2^32 places.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from refimpl.arrays import Array
from refimpl.vectors.chunks import Beside
from refimpl.vectors.formats import bits_of
from refimpl.vectors.physical import Physical

PREFILL = 0xDEADBEEF
BITS = 32
ORDERS = ("efbeadde", "deadbeef", "addeefbe", "beefdead")  # bytes at rising addresses


class Way(NamedTuple):
    """The bits of elements, period by period from place 0 on, and how many in a row tell it."""

    period: Array
    least: int


def ways_of(of: Physical) -> tuple[Way, ...]:
    """Every way in which the prefill appears in a dump of words as wide as these."""
    found: dict[tuple[int, ...], Way] = {}
    for period in _periods(of):
        word = _shortest([int(bits) for bits in period])
        least = max(len(word), -(-BITS // of.form.bits))
        found.setdefault(word, Way(np.array(word, of.form.word), min(least, of.elements)))
    return tuple(found.values())


def margin_of(ways: Iterable[Way]) -> int:
    """How many neighbours of an element decide whether it was written."""
    return max(way.least for way in ways) - 1


def unwritten(given: Beside, at: Array, of: Physical, ways: Iterable[Way]) -> Array:
    """Which of the chunk's elements ``at`` (k,) hold the prefill: bool (k,)."""
    middle = bits_of(given.chunk.device, of.form)
    bits, start = None, given.chunk.start - len(given.before)
    found = np.zeros(len(at), bool)
    for way in ways:
        alike = middle[at] == way.period[(given.chunk.start + at) % len(way.period)]
        if not alike.any():
            continue
        if bits is None:
            bits = np.concatenate([given.before, middle, given.after])
        places = np.arange(start, start + len(bits))
        same = bits == way.period[places % len(way.period)]
        found |= _in_runs(same, way.least)[len(given.before) + at]
    return found


def _periods(of: Physical) -> Iterator[Array]:
    """Bits of a period of elements, by way; the same one may come again."""
    if of.form.bits % 8 == 0:
        for order in ORDERS:
            raw = np.frombuffer(bytes.fromhex(order) * 2, of.form.word)
            yield raw[: max(1, BITS // of.form.bits)]
    elif of.form.bits < 8:
        for order in ORDERS:
            raw = np.frombuffer(bytes.fromhex(order), np.uint8)
            yield np.stack([raw & 0xF, raw >> 4], axis=-1).reshape(-1)
    wide = of.width_bits
    if of.form.bits < 8 and of.lanes == 1:
        return  # a word of four bits would hold f, which is −1: no sign of anything
    whole = sum(PREFILL << at for at in range(0, wide, BITS))
    for word in (PREFILL, whole):
        yield _lanes(word & ((1 << wide) - 1), of)


def _lanes(word: int, of: Physical) -> Array:
    each = (1 << of.form.bits) - 1
    return np.array([word >> (lane * of.form.bits) & each for lane in range(of.lanes)], np.uint64)


def _shortest(period: list[int]) -> tuple[int, ...]:
    """The shortest period that repeats to the same."""
    for size in range(1, len(period)):
        if len(period) % size == 0 and period == period[:size] * (len(period) // size):
            return tuple(period[:size])
    return tuple(period)


def _in_runs(same: Array, least: int) -> Array:
    """Which elements are in a run of at least so many."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
    sizes = edges[1::2] - edges[::2]
    found = np.zeros(len(same), bool)
    found[same] = np.repeat(sizes >= least, sizes)
    return found
