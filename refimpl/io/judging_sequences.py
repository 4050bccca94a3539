"""Memories that a device dumped, held against a set's sequences step by step."""

from collections.abc import Iterator, Mapping
from math import prod

from refimpl.arrays import Array
from refimpl.bitexact.bounds import Bound
from refimpl.io.bounding import Reach
from refimpl.io.judging import MOST_EXPLAINED, Advance, Court
from refimpl.io.memories import device_images, golden_images
from refimpl.io.sets import read_tensor
from refimpl.io.streams import Bounding
from refimpl.vectors.check import Verdict
from refimpl.vectors.explain import computable
from refimpl.vectors.files.readmem import Dump
from refimpl.vectors.manifest import CaseEntry, SequenceEntry
from refimpl.vectors.memory import steps_of_entry
from refimpl.vectors.memory_causes import (
    Before,
    explained,
    golden_case,
    outputs_left,
    own_inputs,
)
from refimpl.vectors.memory_check import Judged, Limit, judge_memory
from refimpl.vectors.report import CaseReport
from refimpl.vectors.uncleared import MOST_STEPS


def judge_sequence(
    court: Court, sequence: SequenceEntry, advance: Advance = lambda _, __: None
) -> CaseReport:
    """The report on a sequence: verdicts on the memory after each step, or why there are none."""
    verdicts: list[Verdict] = []
    errors = []
    memory: Dump | None = None
    before = Before()
    for number, step in enumerate(sequence.steps):
        try:
            judged = _judged(court, sequence, number)
            images = device_images(court.device, sequence, step)
            for name, image in images:
                verdicts += _verdicts(court, judged, name, image, (memory, before))
            memory = images[0][1]
            left = (*before.left, *outputs_left(judged, memory))
            before = Before(left, (*before.cases[-MOST_STEPS:], golden_case(judged)))
        except ValueError as error:
            errors.append(str(error))
            memory, before = None, Before(before.left)
        advance(step.id, 1)
    return CaseReport(case=sequence.id, verdicts=tuple(verdicts), errors=tuple(errors))


def _verdicts(
    court: Court, judged: Judged, name: str, image: Dump, past: tuple[Dump | None, Before]
) -> list[Verdict]:
    memory, before = past
    found = judge_memory(judged, image, memory, name)
    if any(not verdict.passed for verdict in found):
        own = own_inputs(judged, image)
        judged = judged._replace(limits=dict(_limits(court, judged.case, own)))
        if judged.limits:
            found = judge_memory(judged, image, memory, name)
    if not found:
        words = judged.sequence.memory_words
        return [
            Verdict(
                case=judged.sequence.id,
                tensor=judged.name,
                file=name,
                outcome="exact",
                elements=words,
            )
        ]
    wrong = any(not verdict.passed for verdict in found)
    size = sum(prod(tensor.shape) for tensor in judged.case.tensors)
    if court.explain and wrong and size <= MOST_EXPLAINED:
        with computable(judged.case.id):
            return explained(judged, found, image, before)
    return found


def _limits(
    court: Court, entry: CaseEntry, own: Mapping[str, Array]
) -> Iterator[tuple[str, Limit]]:
    """How far each float output may be, as of a file of the case; given its ``own`` inputs."""
    reach = Reach(golden=court.golden, entry=entry, adders=court.adders, given=own)
    for tensor in entry.tensors:
        bound, outside = reach.of_output(tensor)
        if isinstance(bound, Bounding):
            bound = Bound(*(read_tensor(court.golden, each) for each in bound))
        if bound is not None or outside:
            yield tensor.name, Limit(bound, outside)


def _judged(court: Court, sequence: SequenceEntry, number: int) -> Judged:
    step = sequence.steps[number]
    entry = court.entry(step.case)
    laid = steps_of_entry(sequence, step, entry, golden_images(court.golden, step))
    return Judged(sequence, number, laid, entry, device=court.manifest.device)
