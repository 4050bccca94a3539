"""Runs of two files of one tensor side by side, and what lies just before and after each. Pure."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.bounds import Bound
from refimpl.vectors.files.readmem import Undriven
from refimpl.vectors.formats import bits_of
from refimpl.vectors.physical import Physical


class Chunk(NamedTuple):
    """Elements (k,) of both files from place ``start`` on; and reference and bound of each.

    ``undriven`` has ones in the bits of the device's elements that it never drove.
    """

    start: int
    golden: Array
    device: Array
    bound: Bound | None = None
    undriven: Undriven | None = None


class Beside(NamedTuple):
    """A chunk, and the bits of the device's elements just before and after it."""

    chunk: Chunk
    before: Array
    after: Array


def beside(chunks: Iterable[Chunk], of: Physical, margin: int) -> Iterator[Beside]:
    """Each chunk with up to ``margin`` of its neighbours on either side, whatever their sizes."""
    waiting: deque[Chunk] = deque()
    before = np.empty(0, of.form.word)
    known = 0
    for chunk in chunks:
        waiting.append(chunk)
        known += len(chunk.device)
        while waiting and known - len(waiting[0].device) >= margin:
            known -= len(waiting[0].device)
            yield (given := _given(waiting, before, of, margin))
            before = _last(given, of, margin)
    while waiting:
        yield (given := _given(waiting, before, of, margin))
        before = _last(given, of, margin)


def _given(waiting: deque[Chunk], before: Array, of: Physical, margin: int) -> Beside:
    """The first of the chunks that wait, taken, with its neighbours."""
    chunk = waiting.popleft()
    after, room = [], margin
    for other in waiting:
        if room <= 0:
            break
        after.append(bits_of(other.device[:room], of.form))
        room -= len(after[-1])
    return Beside(chunk, before, np.concatenate([np.empty(0, of.form.word), *after]))


def _last(given: Beside, of: Physical, margin: int) -> Array:
    """The last ``margin`` bits up to the end of a chunk."""
    own = bits_of(given.chunk.device[max(0, len(given.chunk.device) - margin) :], of.form)
    whole = np.concatenate([given.before, own])
    return whole[max(0, len(whole) - margin) :]
