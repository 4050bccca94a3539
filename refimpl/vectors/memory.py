"""Cases run one after another in one memory, without reset: where tensors lie, what must survive.

Every tensor of every step has a base address, aligned, between guard words (0xdeadc0de) that no
write may touch; outputs and stages are prefilled with 0xdeadbeef. ``before`` is the memory that a
step starts from: the one that the step before must have left, with the inputs of this step, the
valid/ready patterns of its streams beside it. Stale buffers, missed clears, writes out of bounds
and backpressure show only here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact import random
from refimpl.vectors.files.readmem import to_hex
from refimpl.vectors.files.words import MOST_LANES
from refimpl.vectors.manifest import (
    CaseEntry,
    RegionEntry,
    SequenceEntry,
    StepEntry,
    Tensor,
    file_entry,
)
from refimpl.vectors.physical import Physical, words_of

GUARD, PREFILL = 0xDEADC0DE, 0xDEADBEEF
PATTERN_CYCLES = 256  # ours: the pattern repeats


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a memory is laid out: bytes of a word, first address and alignment in words, guards."""

    word_bytes: int = 4
    base: int = 0
    alignment_words: int = 16
    guard_words: int = 4

    def __post_init__(self) -> None:
        if not 1 <= self.word_bytes <= MOST_LANES:
            raise ValueError(f"a word must have 1 to {MOST_LANES} bytes, not {self.word_bytes}")
        for name in ("alignment_words", "guard_words"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.base < 0:
            raise ValueError(f"base must not be negative, as {self.base} is")


class Region(NamedTuple):
    """A tensor's place in memory, in words, and what its bytes are."""

    tensor: str
    role: str
    start: int
    words: int
    payload: bytes


class Step(NamedTuple):
    """One case of a sequence: its regions, its stalls, and the memory before and after it."""

    case: str
    valid: str
    ready: str
    regions: tuple[Region, ...]
    before: bytes
    after: bytes


def lay_out(
    steps: Sequence[tuple[CaseEntry, Mapping[str, Array]]], plan: Plan, *, name: str = "sequence"
) -> list[Step]:
    """Steps of a sequence, every one with its regions in the one memory.

    A case that comes again must write its output again: outputs are prefilled before each step. A
    chained case reads its input where the case before it left its output.
    """
    places: dict[tuple[str, str], int] = {}
    at = plan.guard_words
    for entry, arrays in steps:
        for tensor in entry.tensors:
            if tensor.name not in arrays or not _lives(tensor):
                continue
            link = entry.inputs_from.get(tensor.name)
            if link is not None and (link.case, link.tensor) in places:
                places[entry.id, tensor.name] = places[link.case, link.tensor]
            if (entry.id, tensor.name) not in places:
                at += -at % plan.alignment_words
                places[entry.id, tensor.name] = at
                at += _words(tensor.physical, plan) + plan.guard_words
    blank = _repeat(GUARD, at * plan.word_bytes)
    memory, laid = bytearray(blank), []
    for number, (entry, arrays) in enumerate(steps):
        regions = tuple(_regions(entry, arrays, places, plan))
        for region in regions:
            content = region.payload if region.role == "input" else _prefill(region, plan)
            _store(memory, region, content, plan)
        before = bytes(memory)
        for region in regions:
            _store(memory, region, region.payload, plan)
        laid.append(
            Step(
                case=entry.id,
                valid=stalls(f"{name}/{number}", "valid", number),
                ready=stalls(f"{name}/{number}", "ready", number),
                regions=regions,
                before=before,
                after=bytes(memory),
            )
        )
    return laid


def stalls(key: str, signal: str, number: int) -> str:
    """A pattern of a stream's valid or ready, one character a cycle: 1 asserted, 0 stalled.

    Back to back first, then every other cycle, long stalls, and seeded random ones in turn.
    """
    kinds = ("1", "10", "1" * 7 + "0" * 9)
    which = number % (len(kinds) + 1)
    if which < len(kinds):
        unit = kinds[which]
        return (unit * (PATTERN_CYCLES // len(unit) + 1))[:PATTERN_CYCLES]
    drawn = random.integers(key, signal, (PATTERN_CYCLES,), 0, 3)
    return "".join("1" if each else "0" for each in drawn.tolist())


def sequence_files(
    name: str,
    entries: Sequence[tuple[CaseEntry, Mapping[str, Array]]],
    plan: Plan,
) -> tuple[SequenceEntry, list[tuple[str, bytes]]]:
    """A sequence's entry in the manifest, and its files: memory before and after every step."""
    laid = lay_out(entries, plan, name=name)
    lines, files = [], []
    for number, (step, (entry, _)) in enumerate(zip(laid, entries, strict=True)):
        own = f"{number:03d}-{step.case}"[:120]
        contents = []
        for when, memory in (("before", step.before), ("after", step.after)):
            words = np.frombuffer(memory, np.uint8).reshape(-1, plan.word_bytes)
            contents.append(("bin", f"{name}/{own}/{when}.bin", memory))
            hexed = to_hex(words, 8 * plan.word_bytes)
            contents.append(("hex", f"{name}/{own}/{when}.hex", hexed))
        files += [(path, raw) for _, path, raw in contents]
        lines.append(
            StepEntry(
                id=own,
                case=step.case,
                valid=step.valid,
                ready=step.ready,
                regions=tuple(_region_entries(step, entry, plan)),
                files=tuple(file_entry(*content) for content in contents),
            )
        )
    sequence = SequenceEntry(
        id=name,
        word_bytes=plan.word_bytes,
        base=plan.base,
        memory_words=len(laid[0].before) // plan.word_bytes,
        guard=f"{GUARD:08x}",
        prefill=f"{PREFILL:08x}",
        steps=tuple(lines),
    )
    return sequence, files


def steps_of_entry(
    sequence: SequenceEntry, step: StepEntry, case: CaseEntry, images: tuple[bytes, bytes]
) -> Step:
    """A step as it was laid out, from its entry and its memory images before and after."""
    tensors = {tensor.name: tensor for tensor in case.tensors}
    size, (before, after) = sequence.word_bytes, images
    regions = []
    for each in step.regions:
        start = each.address - sequence.base
        payload = after[start * size : (start + each.words) * size]
        role = tensors[each.tensor].role
        regions.append(Region(each.tensor, role, start, each.words, payload))
    return Step(step.case, step.valid, step.ready, tuple(regions), before, after)


def _region_entries(step: Step, entry: CaseEntry, plan: Plan) -> Iterator[RegionEntry]:
    tensors = {tensor.name: tensor for tensor in entry.tensors}
    for region in step.regions:
        layout = tensors[region.tensor].layout
        sizes, strides, stride = layout.physical_shape, {}, 1
        for digit, size in zip(reversed(layout.digits.split()), reversed(sizes), strict=False):
            strides[digit] = stride
            stride *= size
        yield RegionEntry(
            tensor=region.tensor,
            address=plan.base + region.start,
            words=region.words,
            strides={} if layout.skewed else strides,
        )


def _regions(
    entry: CaseEntry,
    arrays: Mapping[str, Array],
    places: Mapping[tuple[str, str], int],
    plan: Plan,
) -> Iterator[Region]:
    for tensor in entry.tensors:
        start = places.get((entry.id, tensor.name))
        if start is not None:
            of = tensor.physical
            payload = words_of(arrays[tensor.name], of).tobytes()
            yield Region(tensor.name, tensor.role, start, _words(of, plan), payload)


def _lives(tensor: Tensor) -> bool:
    """Whether a tensor lies in the device's memory: inputs and outputs do, stages do not."""
    return tensor.role in {"input", "output"}


def _words(of: Physical, plan: Plan) -> int:
    return -(-of.words * of.word_bytes // plan.word_bytes)


def _store(memory: bytearray, region: Region, content: bytes, plan: Plan) -> None:
    start = region.start * plan.word_bytes
    memory[start : start + len(content)] = content


def _prefill(region: Region, plan: Plan) -> bytes:
    return _repeat(PREFILL, region.words * plan.word_bytes)


def _repeat(word: int, size: int) -> bytes:
    return (word.to_bytes(4, "little") * (size // 4 + 1))[:size]


def _word(word: int, size: int) -> Array:
    return np.frombuffer(_repeat(word, size), np.uint8)


def run_in_one_memory(
    entries: Sequence[CaseEntry],
    arrays: Mapping[str, Mapping[str, Array]],
    *,
    plan: Plan,
    name: str = "sequence",
) -> tuple[list[SequenceEntry], list[tuple[str, bytes]]]:
    """One sequence of a set: every case, then every case again in reverse.

    So each follows another of another shape, format or operator, and at the turn the last runs
    twice in a row: what the one before left behind shows.
    """
    order = [(entry, arrays[entry.id]) for entry in (*entries, *reversed(entries))]
    sequence, files = sequence_files(name, order, plan)
    return [sequence], files
