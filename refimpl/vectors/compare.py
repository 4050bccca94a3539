"""Two files of one tensor, compared chunk by chunk: what differs, where first, and the map of it.

A chunk is a run of elements of both files, in logical or in physical order; memory is bounded by
the chunk and by the sizes of the axes. Pad lanes are not compared; a NaN equals any NaN (the
policy of the manifest); with a bound, elements within it are counted apart.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.bounds import Bound
from refimpl.vectors.formats import bits_of, is_nan, values_of
from refimpl.vectors.physical import Physical, logical_at

MOST_SAMPLED = 4096  # ours: differing elements kept to recognise a pattern by
MOST_MAPPED = 2**22  # ours: pixels of the map over (y, x)
PREFILL = bytes.fromhex("efbeadde")  # 0xdeadbeef, little-endian


class Chunk(NamedTuple):
    """Elements (k,) of both files from place ``start`` on; and reference and bound of each."""

    start: int
    golden: Array
    device: Array
    bound: Bound | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstBad:
    """The first wrong element in logical order: flat index, and both as one-element arrays."""

    flat: int
    golden: Array
    device: Array
    bound: Bound | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What the comparison found: counts, the first wrong element, and how many per coordinate.

    ``axes`` has a count per coordinate of every axis, by its letter; ``pixels`` (h, w) is None
    without such axes; ``lanes`` counts by lane of the memory word; ``unbounded`` of the wrong ones
    have an infinite bound; ``first_other`` is the first place of those within theirs.
    """

    elements: int
    other_bits: int
    other_nans: int
    wrong: int
    unwritten: int
    unbounded: int
    first: FirstBad | None
    first_other: int | None
    axes: Mapping[str, Array]
    pixels: Array | None
    lanes: Array
    sampled: Array


def compare(chunks: Iterable[Chunk], of: Physical, *, logical: bool) -> Comparison:
    """Compare two files of a tensor; ``logical`` says whose order the chunks come in."""
    letters = of.layout.letters
    axes = {
        letter: np.zeros(size, np.int64) for letter, size in zip(letters, of.shape, strict=True)
    }
    pixels = _blank_pixels(of)
    lanes = np.zeros(of.lanes, np.int64)
    counts = {"other_bits": 0, "other_nans": 0, "wrong": 0, "unwritten": 0, "unbounded": 0}
    first: FirstBad | None = None
    others: list[Array] = []
    sampled: list[Array] = []
    room = MOST_SAMPLED
    for chunk in chunks:
        differs = bits_of(chunk.golden, of.form) != bits_of(chunk.device, of.form)
        at = np.flatnonzero(differs)
        indices, at = _indices(at, chunk.start, of, logical=logical)
        nans = is_nan(chunk.golden[at], of.form) & is_nan(chunk.device[at], of.form)
        counts["other_nans"] += int(nans.sum())
        at, indices = at[~nans], indices[:, ~nans]
        if chunk.bound is not None and len(at):
            near = within(chunk.device[at], Bound(*(each[at] for each in chunk.bound)), of)
            counts["other_bits"] += int(near.sum())
            others.append(_flat(indices[:, near], of))
            at, indices = at[~near], indices[:, ~near]
            counts["unbounded"] += int((~np.isfinite(chunk.bound.bound[at])).sum())
        if not len(at):
            continue
        counts["wrong"] += len(at)
        counts["unwritten"] += int(_prefilled(chunk, at, of).sum())
        flat = _flat(indices, of)
        for letter, along in zip(letters, indices, strict=True):
            axes[letter] += np.bincount(along, minlength=len(axes[letter]))
        if pixels is not None:
            height, width = (indices[letters.index(letter)] for letter in "hw")
            np.add.at(pixels, (height, width), 1)
        lanes += np.bincount((chunk.start + at) % of.lanes, minlength=of.lanes)
        sampled.append(flat[:room])
        room -= len(sampled[-1])
        least = int(flat.argmin())
        if first is None or flat[least] < first.flat:
            first = _first(chunk, int(at[least]), int(flat[least]))
    return Comparison(
        elements=prod(of.shape),
        **counts,
        first=first,
        first_other=min((int(each.min()) for each in others if len(each)), default=None),
        axes=axes,
        pixels=pixels,
        lanes=lanes,
        sampled=np.concatenate(sampled) if sampled else np.zeros(0, np.int64),
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


def _prefilled(chunk: Chunk, at: Array, of: Physical) -> Array:
    """Which elements are part of a whole prefill word of four bytes that was never overwritten."""
    pattern = _prefill_elements(of)
    period = len(pattern)
    places = chunk.start + np.arange(len(chunk.device))
    same = bits_of(chunk.device, of.form) == pattern[places % period]
    lead = -chunk.start % period
    whole = np.zeros(len(same), bool)
    groups = max(0, len(same) - lead) // period
    body = same[lead : lead + period * groups].reshape(-1, period).all(axis=1)
    whole[lead : lead + period * groups] = np.repeat(body, period)
    return whole[at]


def _prefill_elements(of: Physical) -> Array:
    """The prefill word as elements of the format, the lowest bits first."""
    if of.form.bits < 8:
        nibbles = [half for byte in PREFILL for half in (byte & 0xF, byte >> 4)]
        return np.array(nibbles, of.form.word)
    whole = np.frombuffer(PREFILL * 2, of.form.word)
    if of.form.bits < of.form.carrier_bits:  # a wire's own: the word's lowest bits
        return whole[:1] & np.array((1 << of.form.bits) - 1, of.form.word)
    return whole[: max(1, 32 // of.form.bits)]


def _first(chunk: Chunk, at: int, flat: int) -> FirstBad:
    one = slice(at, at + 1)
    bound = None if chunk.bound is None else Bound(*(each[one] for each in chunk.bound))
    return FirstBad(
        flat=flat, golden=chunk.golden[one].copy(), device=chunk.device[one].copy(), bound=bound
    )


def _blank_pixels(of: Physical) -> Array | None:
    letters = of.layout.letters
    if "h" not in letters or "w" not in letters:
        return None
    height, width = of.shape[letters.index("h")], of.shape[letters.index("w")]
    return np.zeros((height, width), np.int64) if height * width <= MOST_MAPPED else None
