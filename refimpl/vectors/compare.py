"""Two files of one tensor, compared chunk by chunk: what differs, where first, and the map of it.

A chunk is a run of elements of both files, in logical or in physical order; memory is bounded by
the chunk and by the sizes of the axes. Pad lanes are not compared; a NaN equals any NaN (the
policy of the manifest); with a bound, elements within it are counted apart.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.bounds import Bound
from refimpl.vectors.chunks import Chunk, beside
from refimpl.vectors.files.readmem import Undriven
from refimpl.vectors.formats import bits_of, is_nan, values_of
from refimpl.vectors.physical import Physical, logical_at
from refimpl.vectors.prefill import margin_of, unwritten, ways_of

MOST_SAMPLED = 4096  # ours: differing elements kept to recognise a pattern by
MOST_MAPPED = 2**22  # ours: pixels of the map over (y, x)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstBad:
    """The first wrong element in logical order: flat index, and both as one-element arrays.

    ``undriven`` has ones in its bits that the device never drove, where there are any.
    """

    flat: int
    golden: Array
    device: Array
    bound: Bound | None
    undriven: Undriven | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What the comparison found: counts, the first wrong element, and how many per coordinate.

    ``wrong`` elements were driven and written. Those with ``unknown`` bits, the first at
    ``first_unknown``, and the ``unwritten`` ones, the first at ``first_unwritten``, are counted
    apart; but where there are no others, they are the wrong ones. ``axes`` has a count
    per coordinate of every axis, by its letter; ``pixels`` (h, w) is None without such axes;
    ``lanes`` counts by lane of the memory word; ``unbounded`` of the wrong ones have an infinite
    bound; ``first_other`` is the first place of those within theirs. ``raised`` has ones in the
    bits that are 1 in some wrong element and must be 0 there, ``lowered`` the other way round.
    """

    elements: int
    other_bits: int
    other_nans: int
    wrong: int
    unknown: int
    unwritten: int
    unbounded: int
    first: FirstBad | None
    first_unknown: int | None
    first_unwritten: int | None
    first_other: int | None
    axes: Mapping[str, Array]
    pixels: Array | None
    lanes: Array
    sampled: Array
    raised: int
    lowered: int


class _Tally:
    """Bad elements of one kind, counted chunk by chunk."""

    def __init__(self, of: Physical) -> None:
        self.of = of
        self.axes = {
            letter: np.zeros(size, np.int64)
            for letter, size in zip(of.layout.letters, of.shape, strict=True)
        }
        self.pixels = _blank_pixels(of)
        self.lanes = np.zeros(of.lanes, np.int64)
        self.count = self.unbounded = self.raised = self.lowered = 0
        self.first: FirstBad | None = None
        self.sampled: list[Array] = []
        self.room = MOST_SAMPLED

    def add(self, chunk: Chunk, at: Array, indices: Array) -> None:
        """Count elements ``at`` (k,) of a chunk, whose logical indices are (rank, k)."""
        if not len(at):
            return
        self.count += len(at)
        must, got = (bits_of(each[at], self.of.form) for each in (chunk.golden, chunk.device))
        self.raised |= int(np.bitwise_or.reduce(got & ~must))
        self.lowered |= int(np.bitwise_or.reduce(must & ~got))
        if chunk.bound is not None:
            self.unbounded += int((~np.isfinite(chunk.bound.bound[at])).sum())
        for letter, along in zip(self.axes, indices, strict=True):
            self.axes[letter] += np.bincount(along, minlength=len(self.axes[letter]))
        if self.pixels is not None:
            letters = self.of.layout.letters
            height, width = (indices[letters.index(letter)] for letter in "hw")
            np.add.at(self.pixels, (height, width), 1)
        lanes = (chunk.start + at) % self.of.lanes
        self.lanes += np.bincount(lanes, minlength=self.of.lanes)
        flat = _flat(indices, self.of)
        self.sampled.append(flat[: self.room])
        self.room -= len(self.sampled[-1])
        least = int(flat.argmin())
        if self.first is None or flat[least] < self.first.flat:
            self.first = _first(chunk, int(at[least]), int(flat[least]))


def compare(
    chunks: Iterable[Chunk], of: Physical, *, logical: bool, any_nan: bool = True
) -> Comparison:
    """Compare two files of a tensor; ``logical`` says whose order the chunks come in.

    Without ``any_nan`` a NaN must have the very bits: nobody may have written there.
    """
    written, unknown, never = _Tally(of), _Tally(of), _Tally(of)
    other_nans = other_bits = 0
    others: list[Array] = []
    ways = ways_of(of)
    for given in beside(chunks, of, margin_of(ways)):
        chunk = given.chunk
        differs = bits_of(chunk.golden, of.form) != bits_of(chunk.device, of.form)
        if chunk.undriven is not None:
            undriven = chunk.undriven.bits != 0
            at = np.flatnonzero(undriven)
            indices, at = _indices(at, chunk.start, of, logical=logical)
            unknown.add(chunk, at, indices)
            differs &= ~undriven
        at = np.flatnonzero(differs)
        indices, at = _indices(at, chunk.start, of, logical=logical)
        nans = is_nan(chunk.golden[at], of.form) & is_nan(chunk.device[at], of.form) & any_nan
        other_nans += int(nans.sum())
        at, indices = at[~nans], indices[:, ~nans]
        if chunk.bound is not None and len(at):
            near = within(chunk.device[at], Bound(*(each[at] for each in chunk.bound)), of)
            other_bits += int(near.sum())
            others.append(_flat(indices[:, near], of))
            at, indices = at[~near], indices[:, ~near]
        if not len(at):
            continue
        held = unwritten(given, at, of, ways)
        written.add(chunk, at[~held], indices[:, ~held])
        never.add(chunk, at[held], indices[:, held])
    told = next((each for each in (written, unknown) if each.count), never)
    return Comparison(
        elements=prod(of.shape),
        other_bits=other_bits,
        other_nans=other_nans,
        wrong=told.count,
        unknown=unknown.count,
        unwritten=never.count,
        unbounded=told.unbounded,
        first=told.first,
        first_unknown=None if unknown.first is None else unknown.first.flat,
        first_unwritten=None if never.first is None else never.first.flat,
        first_other=min((int(each.min()) for each in others if len(each)), default=None),
        axes=told.axes,
        pixels=told.pixels,
        lanes=told.lanes,
        sampled=np.concatenate(told.sampled) if told.sampled else np.zeros(0, np.int64),
        raised=told.raised,
        lowered=told.lowered,
    )


def within(device: Array, bound: Bound, of: Physical) -> Array:
    """Which elements are within the bound; a NaN, an infinity or a missing bound never is."""
    wide = values_of(device, of.form)
    with np.errstate(invalid="ignore"):
        near = np.abs(wide - bound.reference) <= bound.bound
    return np.isfinite(wide) & np.isfinite(bound.bound) & near


def _flat(indices: Array, of: Physical) -> Array:
    """Flat logical places of indices (rank, k)."""
    if not of.shape:
        return np.zeros(indices.shape[1], int)
    return np.asarray(np.ravel_multi_index(tuple(indices), of.shape))


def _indices(at: Array, start: int, of: Physical, *, logical: bool) -> tuple[Array, Array]:
    """Logical indices (rank, k) of differing elements; those in pads are dropped."""
    if logical:
        found = np.unravel_index(start + at, of.shape) if of.shape else ()
        return np.array(found, np.int64).reshape(len(of.shape), -1), at
    indices, valid = logical_at(start + at, of)
    return indices[:, valid], at[valid]


def _first(chunk: Chunk, at: int, flat: int) -> FirstBad:
    one = slice(at, at + 1)
    bound = None if chunk.bound is None else Bound(*(each[one] for each in chunk.bound))
    undriven = None
    if chunk.undriven is not None and chunk.undriven.bits[at]:
        undriven = Undriven(*(each[one].copy() for each in chunk.undriven))
    return FirstBad(
        flat=flat,
        golden=chunk.golden[one].copy(),
        device=chunk.device[one].copy(),
        bound=bound,
        undriven=undriven,
    )


def _blank_pixels(of: Physical) -> Array | None:
    letters = of.layout.letters
    if "h" not in letters or "w" not in letters:
        return None
    height, width = of.shape[letters.index("h")], of.shape[letters.index("w")]
    return np.zeros((height, width), np.int64) if height * width <= MOST_MAPPED else None
