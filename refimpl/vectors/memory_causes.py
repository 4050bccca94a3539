"""Why a memory is wrong after a step of a sequence: what only shows without reset.

A cause is named where it gives every element that is wrong, in 32 bits or more, which chance gives
once in 2^32 times:

    left over        the elements of an output of a step before, or of an input, at the same places
    as before        the elements that the same case had wrong before
    lost, repeated   from some place on, every element as many places early, or late
    not cleared      the output that follows if accumulators begin with those of steps before
                     (``uncleared.py``)
    elsewhere        what was written over holds a part of an output, which went to another place
    otherwise        what a file with these words is recognised as (``recognise.py``)

A step is also computed again from the inputs as they are in the memory. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from refimpl.arrays import Array
from refimpl.vectors.case import Case
from refimpl.vectors.check import Verdict
from refimpl.vectors.diagnose import MOST_PRODUCTS, products
from refimpl.vectors.dumps import elements_of
from refimpl.vectors.explain import case_of
from refimpl.vectors.files.readmem import Dump
from refimpl.vectors.formats import FORMATS, bits_of, canonical_nans, is_nan, labelled
from refimpl.vectors.layouts import real
from refimpl.vectors.local import recompute, steps_of
from refimpl.vectors.memory import Region
from refimpl.vectors.memory_check import Judged, is_chained, seen_in, width_of
from refimpl.vectors.patterns import counted
from refimpl.vectors.physical import Physical, array_of
from refimpl.vectors.recognise import recognise
from refimpl.vectors.stages import stages
from refimpl.vectors.uncleared import uncleared

LEAST_BITS = 32  # ours: of what is wrong, to be told from chance
MOST_WORDS = 64  # ours: how many words of a stream may have been lost or repeated


class Left(NamedTuple):
    """Bytes of a tensor as a step left them, or as they were given to it; and the step's case."""

    step: str
    tensor: str
    content: bytes
    case: str = ""


class Before(NamedTuple):
    """What went before, oldest first: outputs that the device left, and the cases of the steps."""

    left: Sequence[Left] = ()
    cases: Sequence[Case] = ()


class Elements(NamedTuple):
    """Bits of a tensor's elements in the order of the memory, and which are and may be wrong."""

    golden: Array
    device: Array
    real: Array
    wrong: Array


def explained(
    judged: Judged, verdicts: Sequence[Verdict], memory: Dump, before: Before
) -> list[Verdict]:
    """The verdicts on a step with what explains them: causes, and outputs given the own inputs."""
    case = golden_case(judged)
    regions = {f"{judged.name}.{each.tensor}": each for each in judged.step.regions}
    own = _given(judged, case, memory)
    found = []
    for verdict in verdicts:
        region = regions.get(verdict.tensor)
        if verdict.unknown:
            found.append(verdict)
        elif region is None:
            hints = _elsewhere(judged, memory, before, _outside_run(judged, memory))
            found.append(replace(verdict, hints=tuple(hints)))
        elif region.role == "input":
            hints = _elsewhere(judged, memory, before, _run(judged, region, memory))
            found.append(replace(verdict, hints=tuple(hints)))
        else:
            hints = _of_output(judged, region, memory, before, case)
            local = _local(judged, region, memory, own)
            found.append(replace(verdict, hints=tuple(hints), local=local))
    return found


def outputs_left(judged: Judged, memory: Dump) -> Iterator[Left]:
    """Outputs of a step, as the device left them."""
    size = judged.sequence.word_bytes
    raw = memory.words.tobytes()
    for region in judged.step.regions:
        if region.role == "output":
            start = region.start * size
            content = raw[start : start + len(region.payload)]
            yield Left(judged.name, region.tensor, content, judged.case.id)


def own_inputs(judged: Judged, memory: Dump) -> dict[str, Array]:
    """Inputs that an earlier step left in the memory, where they are not the golden ones."""
    return {
        region.tensor: _array(judged, region, memory)
        for region in judged.step.regions
        if is_chained(judged, region) and _elements(judged, region, memory)[0].wrong.any()
    }


def golden_case(judged: Judged) -> Case:
    """The step's case."""
    return _case_in(judged, Dump(_words(judged), None))


def _case_in(judged: Judged, memory: Dump) -> Case:
    """The step's case with the inputs that are in a memory."""
    arrays = {
        region.tensor: _array(judged, region, memory)
        for region in judged.step.regions
        if region.role == "input"
    }
    return case_of(judged.case, arrays)


def _array(judged: Judged, region: Region, memory: Dump) -> Array:
    seen = seen_in(judged, region, memory)
    return labelled(array_of(seen.device.words, seen.of), FORMATS[seen.of.form.name])


def _words(judged: Judged) -> Array:
    raw = np.frombuffer(judged.step.after, np.uint8)
    return raw.reshape(-1, judged.sequence.word_bytes)


def _elements(judged: Judged, region: Region, memory: Dump) -> tuple[Elements, Physical]:
    of, golden, device = seen_in(judged, region, memory)
    ours, theirs = (
        elements_of(Dump(words, None), of, of.elements).values for words in (golden, device.words)
    )
    known = np.asarray(real(of.shape, of.layout)).reshape(-1)
    nans = is_nan(ours, of.form) & is_nan(theirs, of.form) & (region.role == "output")
    right, left = (bits_of(each, of.form) for each in (ours, theirs))
    return Elements(right, left, known, (right != left) & known & ~nans), of


def _of_output(
    judged: Judged, region: Region, memory: Dump, before: Before, case: Case
) -> Iterator[str]:
    elements, of = _elements(judged, region, memory)
    if int(elements.wrong.sum()) * of.form.bits >= LEAST_BITS:
        found = [
            *_left_over(judged, region.tensor, elements, of, before),
            *_slipped(elements, of),
            *_not_cleared(judged, region, memory, before, case),
        ]
        yield from found or _rearranged(judged, region, memory)


def _rearranged(judged: Judged, region: Region, memory: Dump) -> tuple[str, ...]:
    """What is said of a file with the same words."""
    of, golden, device = seen_in(judged, region, memory)
    turned = memory.words[:, ::-1]
    other = seen_in(judged, region, Dump(turned, None)).device.words
    if memory.undriven is None and _same(array_of(golden, of), array_of(other, of), of):
        return ("bytes of each word of the memory are in reverse; the first must be the lowest",)
    return recognise(array_of(golden, of), device, of)


def _same(one: Array, other: Array, of: Physical) -> bool:
    left, right = (bits_of(canonical_nans(each, of.form), of.form) for each in (one, other))
    return np.array_equal(left, right)


def _left_over(
    judged: Judged, tensor: str, elements: Elements, of: Physical, before: Before
) -> Iterator[str]:
    """Whether all that is wrong is what another tensor has at the same places.

    The same case run before is no such tensor: a device that always errs leaves the same again.
    """
    inputs = [
        Left(judged.name, each.tensor, each.payload)
        for each in judged.step.regions
        if each.role == "input"
    ]
    for each in (*reversed(before.left), *inputs):
        count = min(len(each.content) // of.word_bytes * of.lanes, of.elements)
        words = np.zeros((of.words, of.word_bytes), np.uint8)
        raw = np.frombuffer(each.content[: words.size], np.uint8)
        words.reshape(-1)[: len(raw)] = raw
        words &= width_of(of)
        other = bits_of(elements_of(Dump(words, None), of, of.elements).values, of.form)
        at = np.flatnonzero(elements.wrong)
        if at[-1] < count and np.array_equal(elements.device[at], other[at]):
            if (each.case, each.tensor) == (judged.case.id, tensor):
                yield (
                    f"it is wrong as after step {each.step}, of the same case: the same elements, "
                    f"the same values, whatever went before"
                )
                return
            what = "an earlier result, left over" if each.step != judged.name else "an input"
            yield (
                f"all that is wrong is what {each.tensor} of step {each.step} has at the same "
                f"places: {what}"
            )
            return


def _slipped(elements: Elements, of: Physical) -> Iterator[str]:
    """Whether from the first wrong element on all are some words early, or late."""
    size = len(elements.golden)
    start = int(np.flatnonzero(elements.wrong)[0]) // of.lanes * of.lanes
    for words in range(1, min(MOST_WORDS, (size - start) // of.lanes) + 1):
        places = words * of.lanes
        for first, source, why in (
            (start, start + places, "early: as many were lost"),
            (start, start - places, "late: as many came twice"),
            (start + places, start, "late: as many others came before them"),
        ):
            if source >= 0 and _is_moved(elements, first, source, of):
                many = f"{counted(words, 'word')} of {of.width_bits} bits"
                yield f"from its word {first // of.lanes} on it is {many} {why}"
                return


def _is_moved(elements: Elements, first: int, source: int, of: Physical) -> bool:
    """Whether the device has from ``first`` on what must be from ``source`` on, and that tells."""
    count = len(elements.golden) - max(first, source)
    here, there = slice(first, first + count), slice(source, source + count)
    both = elements.real[here] & elements.real[there]
    moved = elements.golden[there]
    telling = both & (elements.golden[here] != moved)
    enough = int(telling.sum()) * of.form.bits >= LEAST_BITS
    return enough and np.array_equal(elements.device[here][both], moved[both])


def _not_cleared(
    judged: Judged, region: Region, memory: Dump, before: Before, case: Case
) -> Iterator[str]:
    """Whether it is what follows from accumulators that begin with those of steps before."""
    if region.tensor not in steps_of(case):
        return
    of, _, device = seen_in(judged, region, memory)
    left = array_of(device.words, of)
    for start in uncleared(case, before.cases):
        added = {f"{branch}accumulator": array for branch, array in start.stages.items()}
        output = recompute(region.tensor, added, case).array
        if np.array_equal(bits_of(output, of.form), bits_of(left, of.form)):
            steps = judged.sequence.steps[judged.number - start.steps : judged.number]
            which = f"step {steps[0].id}" if len(steps) == 1 else f"the {len(steps)} steps before"
            bias = ", bias included" if start.biased else ""
            yield f"accumulators were not cleared: they began with those of {which}{bias}"
            return


def _given(judged: Judged, golden: Case, memory: Dump) -> Mapping[str, Array] | None:
    """Stages as they follow from the inputs in the memory; None where those are the golden ones."""
    own = _case_in(judged, memory)
    same = all(
        np.array_equal(bits_of(own.tensors[name], form), bits_of(golden.tensors[name], form))
        for name, form in ((each, FORMATS[golden.formats[each]]) for each in golden.tensors)
    )
    return None if same or products(golden) > MOST_PRODUCTS else stages(own)


def _local(
    judged: Judged, region: Region, memory: Dump, own: Mapping[str, Array] | None
) -> str | None:
    """The verdict on an output given the inputs as they are in the memory."""
    if own is None:
        return None
    of, _, device = seen_in(judged, region, memory)
    left = canonical_nans(array_of(device.words, of), of.form)
    wrong = bits_of(own[region.tensor], of.form) != bits_of(left, of.form)
    if not wrong.any():
        return "right, given the inputs as they are in the memory"
    first = [int(at) for at in np.argwhere(wrong)[0]]
    return (
        f"wrong, given the inputs as they are in the memory: {int(wrong.sum())} of {wrong.size}, "
        f"first at {first}"
    )


def _run(judged: Judged, region: Region, memory: Dump) -> slice:
    """Bytes of the first words in a row that are wrong in a tensor."""
    elements, of = _elements(judged, region, memory)
    words = np.flatnonzero(elements.wrong) // of.lanes
    if not len(words):  # all that is wrong was told of the step before
        return slice(0, 0)
    start = region.start * judged.sequence.word_bytes
    first, last = _first_run(np.unique(words))
    return slice(start + first * of.word_bytes, start + (last + 1) * of.word_bytes)


def _outside_run(judged: Judged, memory: Dump) -> slice:
    """Bytes of the first memory words in a row that are wrong outside of every tensor."""
    size = judged.sequence.word_bytes
    wrong = (memory.words != _words(judged)).any(axis=1)
    for region in judged.step.regions:
        wrong[region.start : region.start + region.words] = False
    at = np.flatnonzero(wrong)
    if not len(at):
        return slice(0, 0)
    first, last = _first_run(at)
    return slice(first * size, (last + 1) * size)


def _first_run(at: Array) -> tuple[int, int]:
    """First and last of the first numbers in a row."""
    ends = np.flatnonzero(np.diff(at) != 1)
    return int(at[0]), int(at[ends[0]] if len(ends) else at[-1])


def _elsewhere(judged: Judged, memory: Dump, before: Before, run: slice) -> Iterator[str]:
    """Whether bytes that were written over hold a part of an output."""
    raw = memory.words.tobytes()[run]
    if 8 * len(raw) < LEAST_BITS or len(set(raw)) == 1:
        return
    now = [
        Left(judged.name, each.tensor, each.payload)
        for each in judged.step.regions
        if each.role == "output"
    ]
    for each in (*now, *reversed(before.left)):
        at = each.content.find(raw)
        if at >= 0:
            yield (
                f"what was written over holds bytes {at} to {at + len(raw) - 1} of {each.tensor} "
                f"of step {each.step}"
            )
            return
