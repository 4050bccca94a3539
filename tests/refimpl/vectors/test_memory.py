"""Sequences in one memory: where tensors lie, what a step starts from, how its streams stall."""

import numpy as np
import pytest

from refimpl.vectors.case import Choices
from refimpl.vectors.chain import chained_cases
from refimpl.vectors.memory import (
    Plan,
    lay_out,
    run_in_one_memory,
    sequence_files,
    stalls,
    steps_of_entry,
)
from refimpl.vectors.physical import array_of
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import Sizes, random_cases
from refimpl.vectors.write import Written, case_files

SIZES = Sizes(batch=1, channels=3, outputs=2, height=3, width=4)
CASES = random_cases(["conv2d", "pssa"], SIZES, Choices())
PLAN = Plan(word_bytes=8, base=0x100, alignment_words=4, guard_words=2)


def entries_of(cases, **how):
    found = [case_files(case, Written(kinds=("npy", "bin"), **how)) for case in cases]
    return [(entry, arrays) for entry, _, arrays in found]


ENTRIES = entries_of(CASES)
LAID = lay_out([*ENTRIES, *ENTRIES[::-1]], PLAN)


def region_of(step, tensor):
    return next(region for region in step.regions if region.tensor == tensor)


@pytest.mark.parametrize("at", range(4))
def test_a_memory_holds_every_tensor_where_it_says(at):
    step, (entry, arrays) = LAID[at], [*ENTRIES, *ENTRIES[::-1]][at]
    for tensor in entry.tensors:
        if tensor.role in {"input", "output"}:
            of, start = tensor.physical, region_of(step, tensor.name).start * PLAN.word_bytes
            raw = np.frombuffer(step.after, np.uint8, of.words * of.word_bytes, start)
            array = array_of(raw.reshape(of.words, -1), of)
            np.testing.assert_array_equal(array, arrays[tensor.name])


def test_regions_are_aligned_and_apart_with_guards_between():
    words = len(LAID[0].before) // PLAN.word_bytes
    taken = np.zeros(words, int)
    regions = {(step.case, r.tensor): r for step in LAID for r in step.regions}
    for region in regions.values():
        assert region.start % PLAN.alignment_words == 0
        taken[region.start : region.start + region.words] += 1
    assert taken.max() == 1
    guards = np.flatnonzero(taken == 0)
    pattern = np.frombuffer(LAID[0].before, "<u4").reshape(words, -1)[guards]
    assert (pattern == 0xDEADC0DE).all()
    for region in regions.values():
        before = taken[region.start - PLAN.guard_words : region.start]
        assert len(before) == PLAN.guard_words
        assert not before.any()


def test_an_output_is_prefilled_before_every_step_and_inputs_are_in_place():
    for step in LAID:
        size = PLAN.word_bytes
        for region in step.regions:
            got = step.before[region.start * size : (region.start + region.words) * size]
            if region.role == "output":
                assert set(np.frombuffer(got, "<u4").tolist()) == {0xDEADBEEF}
            else:
                assert got[: len(region.payload)] == region.payload


def test_stalls_run_back_to_back_then_alternate_then_stall_long_then_at_random():
    patterns = [stalls("s/0", "valid", number) for number in range(4)]
    assert {len(pattern) for pattern in patterns} == {256}
    assert patterns[0] == "1" * 256
    assert patterns[1].startswith("101010")
    assert patterns[2].startswith("1111111000000000")
    assert 0.6 < patterns[3].count("1") / 256 < 0.9
    assert patterns[3] == stalls("s/0", "valid", 3) != stalls("s/0", "ready", 3)


def test_a_sequence_runs_each_case_after_another_and_one_twice_in_a_row():
    sequences, files = run_in_one_memory(
        [entry for entry, _ in ENTRIES], {e.id: arrays for e, arrays in ENTRIES}, plan=PLAN
    )
    order = [step.case for step in sequences[0].steps]
    assert order == [e.id for e, _ in ENTRIES] + [e.id for e, _ in ENTRIES[::-1]]
    assert len(files) == 4 * len(order)


def test_an_entry_has_what_its_steps_were_laid_out_with():
    sequence, files = sequence_files("s", ENTRIES, PLAN)
    contents = dict(files)
    for number, (line, (entry, _)) in enumerate(zip(sequence.steps, ENTRIES, strict=True)):
        images = tuple(contents[f"s/{line.id}/{when}.bin"] for when in ("before", "after"))
        step = steps_of_entry(sequence, line, entry, images)
        assert step.after == images[1]
        assert step.before == lay_out(ENTRIES, PLAN)[number].before
        for region in line.regions:
            tensor = next(t for t in entry.tensors if t.name == region.tensor)
            if len(tensor.shape) == 4:
                _, c, h, w = tensor.shape
                assert list(region.strides.values()) == [1, w, h * w, c * h * w]


def test_a_chained_input_lies_where_the_layer_before_wrote_it():
    cases = chained_cases(["conv2d", "pssa"], SIZES, Choices(arithmetics=("int8",)))
    laid = lay_out(entries_of(cases), PLAN)
    assert region_of(laid[1], "x").start == region_of(laid[0], "output").start
    np.testing.assert_array_equal(cases[1].tensors["x"], stages(cases[0])["output"])
    assert cases[1].attributes["x_zero"] == cases[0].attributes["y_zero"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"word_bytes": 0}, "a word must have 1 to 1024 bytes, not 0"),
        ({"guard_words": 0}, "guard_words must be at least 1, not 0"),
        ({"alignment_words": 0}, "alignment_words must be at least 1, not 0"),
        ({"base": -1}, "base must not be negative"),
    ],
)
def test_an_impossible_memory_is_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        Plan(**options)


def test_a_chain_of_one_is_none():
    with pytest.raises(ValueError, match="a chain must have at least 2 operators, not 1"):
        chained_cases(["conv2d"], SIZES, Choices())
