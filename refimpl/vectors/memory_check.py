"""The verdict on a memory after a step of a sequence: tensor by tensor, and all that lies outside.

Elements of a step's own tensors are compared as those of a file are (``compare.py``), so each is
located, with its pattern and map. All other bits must be what they were: guards, tensors of other
steps, what is left of a tensor's last word. What a step before had spoiled, and what still is as it
left it, is that step's fault and told once. Pure.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.bounds import Bound
from refimpl.vectors.check import Verdict, undriven_digits, verdict_of
from refimpl.vectors.chunks import Chunk
from refimpl.vectors.compare import compare
from refimpl.vectors.dumps import elements_of
from refimpl.vectors.files.readmem import Dump, Undriven
from refimpl.vectors.layouts import to_physical
from refimpl.vectors.manifest import CaseEntry, SequenceEntry
from refimpl.vectors.memory import Region, Step
from refimpl.vectors.patterns import blocks_of, counted, tiles_of
from refimpl.vectors.physical import Physical


class Limit(NamedTuple):
    """The bound of an output, in logical order; or why the device has none."""

    bound: Bound | None = None
    outside: str = ""


class Judged(NamedTuple):
    """What a step is held against, and what it is called."""

    sequence: SequenceEntry
    number: int
    step: Step
    case: CaseEntry
    limits: Mapping[str, Limit] = {}
    device: Mapping[str, object] | None = None

    @property
    def name(self) -> str:
        """The step's name, as in its files."""
        return self.sequence.steps[self.number].id


class Seen(NamedTuple):
    """One tensor of a step in a memory: words as files have them, golden and the device's."""

    of: Physical
    golden: Array
    device: Dump


def judge_memory(
    judged: Judged, memory: Dump, before: Dump | None, file: str = "after"
) -> list[Verdict]:
    """A verdict on every tensor of the step that is not exact, and on what lies outside of them.

    ``memory`` is what the device left after the step, ``before`` what it left after the one before
    (None: not known, or the first). All is exact where there is no verdict.

    Raises
    ------
    ValueError
        If the memory has another size.
    """
    size = judged.sequence.word_bytes
    if len(memory.words) * size != len(judged.step.after):
        need = len(judged.step.after) // size
        raise ValueError(f"a memory must have {need} words, not {len(memory.words)}")
    found = [_tensor(judged, region, memory, before, file) for region in judged.step.regions]
    outside = _outside(judged, memory, before, file)
    told = [verdict for verdict in found if verdict.outcome != "exact"]
    return told if outside is None else [*told, outside]


def seen_in(judged: Judged, region: Region, memory: Dump) -> Seen:
    """A tensor's words; bits that no word of its width has are left out."""
    of = _physical(judged, region)
    size = judged.sequence.word_bytes
    start = region.start * size
    place = slice(start, start + of.words * of.word_bytes)

    def words(raw: Array) -> Array:
        own = raw.reshape(-1)[place].reshape(of.words, of.word_bytes)
        return np.asarray(own & width_of(of))

    undriven = None
    if memory.undriven is not None:
        undriven = Undriven(*(words(each) for each in memory.undriven))
    return Seen(of, words(_bytes(judged.step.after)), Dump(words(memory.words), undriven))


def width_of(of: Physical) -> Array:
    """Ones in the bits of the bytes of a word that belong to it."""
    return _bytes(((1 << of.width_bits) - 1).to_bytes(of.word_bytes, "little"))


def is_chained(judged: Judged, region: Region) -> bool:
    """Whether a tensor is an input that an earlier step of the sequence left there."""
    link = judged.case.inputs_from.get(region.tensor)
    before = judged.sequence.steps[: judged.number]
    return link is not None and any(step.case == link.case for step in before)


def _tensor(
    judged: Judged, region: Region, memory: Dump, before: Dump | None, file: str
) -> Verdict:
    seen = seen_in(judged, region, memory)
    of, device = seen.of, seen.device
    if before is not None and is_chained(judged, region):
        device = _but_told(device, seen_in(judged, region, before).device, seen.golden)
    golden = elements_of(Dump(seen.golden, None), of, of.elements).values
    elements = elements_of(device, of, of.elements)
    limit = judged.limits.get(region.tensor, Limit())
    bound = None
    if limit.bound is not None:
        bound = Bound(*(to_physical(each, of.layout) for each in limit.bound))
    chunk = Chunk(0, golden, elements.values, bound, elements.undriven)
    found = compare([chunk], of, logical=False, any_nan=region.role == "output")
    names = (judged.sequence.id, f"{judged.name}.{region.tensor}", file)
    tensor = next(each for each in judged.case.tensors if each.name == region.tensor)
    tiles = tiles_of(judged.device, blocks_of(tensor.layout.digits), region.tensor)
    verdict = verdict_of(found, of, names, tiles=tiles, outside=limit.outside)
    return replace(verdict, note=f"{_where(judged, region, verdict)}{verdict.note}")


def _but_told(device: Dump, before: Dump, golden: Array) -> Dump:
    """What is as the step before left it is taken for right: it was told of that step."""
    undriven, same = device.undriven, device.words == before.words
    if undriven is not None:
        told = before.undriven or Undriven(*[np.zeros_like(device.words)] * 2)
        same &= undriven.bits == told.bits
        undriven = Undriven(*(np.where(same, 0, each).astype(np.uint8) for each in undriven))
    return Dump(np.where(same, golden, device.words), undriven)


def _where(judged: Judged, region: Region, verdict: Verdict) -> str:
    """The address of the first wrong element, and that nothing may write an input."""
    of, size = _physical(judged, region), judged.sequence.word_bytes
    if verdict.first is None:
        return ""
    bit = 8 * of.word_bytes * verdict.first.word + of.form.bits * verdict.first.lane
    address = judged.sequence.base + region.start + bit // (8 * size)
    what = ", of an input" if region.role == "input" else ""
    if what and verdict.outcome == "wrong":
        what += ", which was overwritten"
    return f"; at address {address:#x}{what}"


def _physical(judged: Judged, region: Region) -> Physical:
    tensors = {tensor.name: tensor for tensor in judged.case.tensors}
    return tensors[region.tensor].physical


def _outside(judged: Judged, memory: Dump, before: Dump | None, file: str) -> Verdict | None:
    """The verdict on every bit that is none of an element of the step; None where all are right."""
    golden = _bytes(judged.step.after).reshape(memory.words.shape)
    undriven = np.zeros_like(golden) if memory.undriven is None else memory.undriven.bits
    care = _care(judged).reshape(golden.shape)
    care[_as_before(judged, memory, before)] = 0
    unknown = (undriven & care).any(axis=1)
    driven = np.asarray(((memory.words ^ golden) & ~undriven & care).any(axis=1))
    wrong = np.flatnonzero(unknown | driven)
    if not len(wrong):
        return None
    groups: dict[str, list[int]] = {}
    for word in wrong.tolist():
        what = "was written over" if driven[word] else "was never driven, or dumped"
        groups.setdefault(f"{_owner(judged, word)} {what}", []).append(word)
    said = "; ".join(
        f"{what} ({counted(len(words), 'word')}, first at address {_address(judged, words[0])}: "
        f"must be {_text(golden[words[0]])}, not "
        f"{_text(memory.words[words[0]], memory.undriven, words[0])})"
        for what, words in groups.items()
    )
    return Verdict(
        case=judged.sequence.id,
        tensor=f"{judged.name}.outside",
        file=file,
        outcome="wrong" if driven.any() else "unknown bits",
        elements=len(golden),
        wrong=len(wrong),
        unknown=int(unknown.sum()),
        note=f": {said}",
    )


def _care(judged: Judged) -> Array:
    """Ones in every bit but those of the step's own words, pads and missing lanes among them."""
    size = judged.sequence.word_bytes
    care = np.full(len(judged.step.after), 255, np.uint8)
    for region in judged.step.regions:
        of = _physical(judged, region)
        start = region.start * size
        care[start : start + of.words * of.word_bytes] &= ~np.tile(width_of(of), of.words)
    return care


def _as_before(judged: Judged, memory: Dump, before: Dump | None) -> Array:
    """Bytes outside of the step's own tensors that are as the step before left them."""
    if before is None:
        return np.zeros(memory.words.shape, bool)
    same = np.asarray(memory.words == before.words)
    for mine, theirs in zip(*(_undriven(each) for each in (memory, before)), strict=True):
        same &= mine == theirs
    for region in judged.step.regions:
        if not is_chained(judged, region):
            same[region.start : region.start + region.words] = False
    return same


def _undriven(memory: Dump) -> Undriven:
    return memory.undriven or Undriven(*[np.zeros_like(memory.words)] * 2)


def _owner(judged: Judged, word: int) -> str:
    """What a word outside of the elements is."""
    at = judged.sequence.base + word
    for number in (judged.number, *range(len(judged.sequence.steps))):
        step = judged.sequence.steps[number]
        for region in step.regions:
            if region.address <= at < region.address + region.words:
                if number == judged.number:
                    return f"what lies beside the elements of {region.tensor}"
                return f"{region.tensor} of step {step.id}"
    return "a guard"


def _address(judged: Judged, word: int) -> str:
    """The address of a word; of a guard, how far it is from the nearest tensor too."""
    at = judged.sequence.base + word
    near = []
    for step in judged.sequence.steps:
        for region in step.regions:
            end = region.address + region.words
            if region.address <= at < end:
                return f"{at:#x}"
            behind = at - end + 1
            side = "behind the end of" if behind > 0 else "before"
            far = behind if behind > 0 else region.address - at
            where = f", {counted(far, 'word')} {side} {region.tensor} of step {step.id}"
            near.append((far, where))
    return f"{at:#x}{min(near)[1] if near else ''}"


def _text(word: Array, undriven: Undriven | None = None, at: int = 0) -> str:
    """A word as hex, the highest digit first."""
    digits = word[::-1].tobytes().hex()
    if undriven is None:
        return digits
    return undriven_digits(digits, *(each[at][::-1].tobytes().hex() for each in undriven))


def _bytes(raw: bytes) -> Array:
    return np.frombuffer(raw, np.uint8)
