"""Memories after the steps of a sequence: every slip is located, and named for what it is."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refimpl.bitexact.bounds import Bound
from refimpl.vectors.case import Choices
from refimpl.vectors.chain import chained_cases
from refimpl.vectors.files.readmem import Dump, Undriven
from refimpl.vectors.formats import bits_of
from refimpl.vectors.layouts import place_of
from refimpl.vectors.local import recompute
from refimpl.vectors.memory import Plan, sequence_files, steps_of_entry
from refimpl.vectors.memory_causes import Before, explained, golden_case, outputs_left
from refimpl.vectors.memory_check import Judged, Limit, judge_memory
from refimpl.vectors.physical import words_of
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import Sizes, random_cases
from refimpl.vectors.write import Written, case_files

SIZES = Sizes(batch=1, channels=3, outputs=2, height=3, width=4)
PLAN = Plan(word_bytes=8, base=0x100, alignment_words=4, guard_words=2)
SETS = {
    "plain": {},
    "blocked": {"layout": "nchw4c", "lanes": 2},
    "skewed": {"layout": "skew4", "lanes": 1},
    "ragged": {"layout": "nhwc", "lanes": 4},
}


def sequence_of(cases, **how):
    """Every step of a sequence that runs the cases, and then runs them again in reverse."""
    found = [case_files(case, Written(kinds=("npy",), **how)) for case in cases]
    pairs = [(entry, arrays) for entry, _, arrays in found]
    pairs += pairs[::-1]
    entry, files = sequence_files("s", pairs, PLAN)
    contents, steps = dict(files), []
    for number, (line, (case, _)) in enumerate(zip(entry.steps, pairs, strict=True)):
        images = tuple(contents[f"s/{line.id}/{when}.bin"] for when in ("before", "after"))
        steps.append(Judged(entry, number, steps_of_entry(entry, line, case, images), case))
    return steps


CASES = random_cases(["conv2d", "pssa"], SIZES, Choices(arithmetics=("int8", "int4", "fp32")))
EVERY = {name: sequence_of(CASES, **how) for name, how in SETS.items()}
PLAIN = sequence_of(random_cases(["conv2d", "pssa"], SIZES, Choices(arithmetics=("int8",))))


def dump(raw, undriven=None):
    def words(each):
        return np.frombuffer(bytes(each), np.uint8).reshape(-1, PLAN.word_bytes)

    unknown = None if undriven is None else Undriven(words(undriven), words(bytes(len(undriven))))
    return Dump(words(raw), unknown)


def right(step):
    return dump(step.step.after)


def start_of(step, tensor):
    return PLAN.word_bytes * next(r.start for r in step.step.regions if r.tensor == tensor)


def changed(memory, at, value):
    other = bytearray(memory)
    other[at : at + len(value)] = value
    return bytes(other)


def tensor_of(step, name):
    return next(each for each in step.case.tensors if each.name == name)


def owners(step):
    """Whose each bit of the memory is: {bit: (tensor, index)}, pads (tensor, None); by formula."""
    found = {}
    for region in step.step.regions:
        of = tensor_of(step, region.tensor).physical
        first = 8 * PLAN.word_bytes * region.start
        for word in range(of.words):
            for bit in range(of.width_bits):
                found[first + 8 * of.word_bytes * word + bit] = (region.tensor, None)
        for index in np.ndindex(of.shape):
            word, lane = divmod(place_of(index, of.shape, of.layout), of.lanes)
            for bit in range(of.form.bits):
                at = first + 8 * of.word_bytes * word + of.form.bits * lane + bit
                found[at] = (region.tensor, index)
    return found


OWNERS = {name: [owners(step) for step in steps] for name, steps in EVERY.items()}


@pytest.mark.parametrize("name", SETS)
def test_a_right_memory_is_exact_after_every_step(name):
    before = None
    for step in EVERY[name]:
        assert judge_memory(step, right(step), before) == []
        before = right(step)


@given(data=st.data())
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_one_bit_anywhere_is_found_and_located_unless_nobody_may_compare_it(data):
    name = data.draw(st.sampled_from(list(SETS)))
    number = data.draw(st.integers(0, len(EVERY[name]) - 1))
    step, whose = EVERY[name][number], OWNERS[name][number]
    after = step.step.after
    bit = data.draw(st.integers(0, 8 * len(after) - 1))
    at = bit // 8
    unknown = data.draw(st.booleans())
    if unknown:
        memory = dump(after, changed(bytes(len(after)), at, bytes([1 << bit % 8])))
    else:
        memory = dump(changed(after, at, bytes([after[at] ^ 1 << bit % 8])))
    before = None if number == 0 else right(EVERY[name][number - 1])
    found = judge_memory(step, memory, before)
    tensor, index = whose.get(bit, ("outside", None))
    address = PLAN.base + at // PLAN.word_bytes
    if index is None and tensor != "outside":
        assert found == []
        return
    (verdict,) = found
    assert verdict.tensor == f"{step.name}.{tensor}"
    assert verdict.outcome == ("unknown bits" if unknown else "wrong")
    assert f"at address {address:#x}" in verdict.sentence
    if index is not None:
        assert verdict.first.index == index
        assert verdict.pattern == "a single element"
        assert verdict.maps.axes


def test_a_nan_of_an_output_may_be_any_nan():
    (case,) = random_cases(["conv2d"], SIZES, Choices(arithmetics=("fp32",)))
    w = case.tensors["w"].copy()
    w[0, 0, 0, 0] = np.nan
    step = sequence_of([replace(case, tensors={**case.tensors, "w": w})])[0]
    output = tensor_of(step, "output").physical
    start = start_of(step, "output")
    values = np.frombuffer(step.step.after, "<u4", output.elements, start)
    nans = np.flatnonzero((values & 0x7FFFFFFF) > 0x7F800000)
    assert len(nans)
    other = changed(step.step.after, start + 4 * int(nans[0]), b"\x01\x00\xc0\xff")
    assert judge_memory(step, dump(other), None) == []
    assert judge_memory(step, dump(changed(other, start + 4 * int(nans[0]), bytes(4))), None)


def test_an_output_may_be_within_its_bound():
    step = next(each for each in EVERY["plain"] if each.case.arithmetic["name"] == "fp32")
    start, of = start_of(step, "output"), tensor_of(step, "output").physical
    value = np.frombuffer(step.step.after, "<f4", 1, start)[0]
    near = np.nextafter(value, np.float32(np.inf))
    memory = dump(changed(step.step.after, start, near.tobytes()))
    golden = np.frombuffer(step.step.after, "<f4", of.elements, start).reshape(of.shape)
    wide = golden.astype(np.float64)
    limits = {"output": Limit(Bound(wide, np.full(of.shape, abs(float(near) - float(value)))))}
    assert judge_memory(step, memory, None)[0].outcome == "wrong"
    (verdict,) = judge_memory(step._replace(limits=limits), memory, None)
    assert (verdict.outcome, verdict.passed) == ("within bound", True)
    narrow = {"output": Limit(Bound(wide, np.zeros(of.shape)))}
    assert judge_memory(step._replace(limits=narrow), memory, None)[0].outcome == "wrong"


def test_what_a_step_before_spoiled_is_told_once():
    first, second, third = PLAIN[:3]
    guard = start_of(first, "x") - PLAN.word_bytes
    spoiled = [dump(changed(step.step.after, guard, b"\0\1")) for step in (first, second, third)]
    (told,) = judge_memory(first, spoiled[0], None)
    assert told.tensor.endswith(".outside")
    assert judge_memory(second, spoiled[1], spoiled[0]) == []
    again = dump(changed(third.step.after, guard, b"\0\2"))
    assert judge_memory(third, again, spoiled[1])
    assert judge_memory(second, spoiled[1], None)


def test_an_output_of_a_step_before_must_stay():
    first, second = PLAIN[:2]
    memory = changed(second.step.after, start_of(first, "output"), b"\x55\xaa")
    (verdict,) = judge_memory(second, dump(memory), right(first))
    assert f"output of step {first.name} was written over (1 word, first at" in verdict.note


def test_a_guard_is_told_with_the_nearest_tensor():
    step = PLAIN[0]
    x = start_of(step, "x")
    (verdict,) = judge_memory(step, dump(changed(step.step.after, x - 8, b"\0")), None)
    assert f"1 word before x of step {step.name}: must be deadc0dedeadc0de" in verdict.note


def test_an_input_may_not_change_back_to_what_was_there():
    first, second = PLAIN[:2]
    x = next(region for region in second.step.regions if region.tensor == "x")
    at = x.start * PLAN.word_bytes
    old = first.step.after[at : at + len(x.payload)]
    (verdict,) = judge_memory(second, dump(changed(second.step.after, at, old)), right(first))
    assert "of an input, which was overwritten" in verdict.note


def test_an_output_never_written_is_told():
    (verdict,) = judge_memory(PLAIN[1], dump(PLAIN[1].step.before), None)
    assert verdict.tensor.endswith(".output")
    assert verdict.outcome == "unwritten"


def test_a_memory_of_another_size_is_refused():
    with pytest.raises(ValueError, match="a memory must have"):
        judge_memory(PLAIN[0], dump(PLAIN[0].step.after[: -PLAN.word_bytes]), None)


def before_of(number, steps=PLAIN):
    left = [each for step in steps[:number] for each in outputs_left(step, right(step))]
    return Before(left, [golden_case(step) for step in steps[:number]])


def hints_of(number, memory, steps=PLAIN):
    """What explains the only verdict on a step's memory."""
    step, previous = steps[number], right(steps[number - 1]) if number else None
    verdicts = judge_memory(step, memory, previous)
    (verdict,) = explained(step, verdicts, memory, before_of(number, steps))
    return verdict


def output_words(step):
    start = start_of(step, "output")
    return step.step.after[start : start + len(region_of(step, "output").payload)]


def region_of(step, tensor):
    return next(each for each in step.step.regions if each.tensor == tensor)


def with_output(step, raw):
    return dump(changed(step.step.after, start_of(step, "output"), raw))


def test_a_result_left_over_is_told_with_its_step():
    memory = with_output(PLAIN[1], output_words(PLAIN[0]))
    (hint,) = hints_of(1, memory).hints
    assert f"what output of step {PLAIN[0].name} has at the same places" in hint
    part = with_output(PLAIN[1], output_words(PLAIN[0])[:12])
    assert "left over" in hints_of(1, part).hints[0]
    spoiled = bytearray(output_words(PLAIN[0]))
    spoiled[7] ^= 0x10
    assert hints_of(1, with_output(PLAIN[1], spoiled)).hints == ()


def test_a_device_that_always_errs_left_nothing_over():
    """The same bit is stuck in both runs of a case: the second is no copy of the first."""
    first, second = PLAIN[1:3]
    assert first.case.id == second.case.id
    stuck = [bytes(each | 0x40 for each in output_words(step)) for step in (first, second)]
    spoiled = [with_output(step, raw) for step, raw in zip((first, second), stuck, strict=True)]
    before = before_of(1)
    left = Before([*before.left, *outputs_left(first, spoiled[0])], [golden_case(first)])
    verdicts = judge_memory(second, spoiled[1], spoiled[0])
    (verdict,) = explained(second, verdicts, spoiled[1], left)
    (hint,) = verdict.hints
    assert hint.startswith(f"it is wrong as after step {first.name}, of the same case")
    assert "left over" not in hint


def test_too_few_bits_tell_no_cause():
    first, second = output_words(PLAIN[0]), output_words(PLAIN[1])
    apart = [at for at, (a, b) in enumerate(zip(first, second, strict=True)) if a != b]
    few = bytearray(second)
    for at in apart[:3]:
        few[at] = first[at]
    assert hints_of(1, with_output(PLAIN[1], few)).hints == ()
    few[apart[3]] = first[apart[3]]
    assert hints_of(1, with_output(PLAIN[1], few)).hints


@pytest.mark.parametrize("words", [1, 3, 8])
@pytest.mark.parametrize("place", [0, 5])
def test_words_of_a_stream_that_were_lost_or_came_twice_are_told_with_the_place(words, place):
    raw = output_words(PLAIN[1])
    many = f"{words} word{'s' if words > 1 else ''} of 8 bits"
    lost = raw[:place] + raw[place + words :] + b"\xef\xbe\xad\xde" * words
    twice = raw[: place + words] + raw[place:-words]
    (early,) = hints_of(1, with_output(PLAIN[1], lost[: len(raw)])).hints
    assert early.startswith(f"from its word {first_apart(raw, lost)} on it is {many} early")
    (late,) = hints_of(1, with_output(PLAIN[1], twice)).hints
    assert f"{many} late: as many came twice" in late
    bubble = raw[:place] + bytes(each ^ 0x55 for each in raw[:words]) + raw[place:-words]
    (late,) = hints_of(1, with_output(PLAIN[1], bubble)).hints
    assert f"{many} late: as many others came before them" in late
    spoiled = bytearray(twice)
    spoiled[-1] ^= 1
    assert hints_of(1, with_output(PLAIN[1], spoiled)).hints == ()


def first_apart(one, other):
    return next(at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)


def test_an_output_with_its_lanes_in_reverse_is_recognised_in_a_memory_too():
    steps = EVERY["ragged"]
    number = next(at for at, each in enumerate(steps) if each.case.arithmetic["name"] == "int8")
    raw = output_words(steps[number])
    turned = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    (hint,) = hints_of(number, with_output(steps[number], turned), steps).hints
    assert hint.startswith("the lanes of each word are in reverse")


def test_bytes_of_memory_words_in_reverse_are_recognised():
    steps = EVERY["ragged"]
    number = next(at for at, each in enumerate(steps) if each.case.arithmetic["name"] == "int4")
    step, size = steps[number], PLAN.word_bytes
    region = region_of(step, "output")
    place = slice(size * region.start, size * (region.start + region.words))
    raw = step.step.after[place]
    turned = b"".join(raw[at : at + size][::-1] for at in range(0, len(raw), size))
    memory = dump(changed(step.step.after, place.start, turned))
    verdicts = judge_memory(step, memory, right(steps[number - 1]))
    told = explained(step, verdicts, memory, before_of(number, steps))
    assert told[0].hints == (
        "bytes of each word of the memory are in reverse; the first must be the lowest",
    )


def test_what_a_dump_leaves_out_was_not_written_over():
    step = PLAIN[0]
    blank = bytearray(b"\xff" * len(step.step.after))
    region = region_of(step, "output")
    place = slice(8 * region.start, 8 * (region.start + region.words))
    blank[place] = bytes(len(blank[place]))
    words = np.frombuffer(bytes(blank), np.uint8).reshape(-1, 8)
    found = judge_memory(step, Dump(right(step).words, Undriven(words, words)), None)
    assert {each.outcome for each in found} == {"unknown bits"}
    said = " ".join(each.sentence for each in found)
    assert "written over" not in said
    assert "overwritten" not in said
    assert "a guard was never driven, or dumped" in said


def test_accumulators_that_were_not_cleared_are_told():
    """The same case twice in a row: its accumulators, twice as large, requantised by hand."""
    step = PLAIN[2]
    case = golden_case(step)
    assert golden_case(PLAIN[1]).tensors.keys() == case.tensors.keys()
    total = stages(case)["accumulator"].astype(np.int64)
    output = recompute("output", {"accumulator": (2 * total).astype(np.int32)}, case).array
    memory = with_output(step, words_of(output, tensor_of(step, "output").physical).tobytes())
    verdict = hints_of(2, memory)
    assert verdict.outcome == "wrong"
    assert verdict.hints == (
        f"accumulators were not cleared: they began with those of step {PLAIN[1].name}",
    )
    thrice = recompute("output", {"accumulator": (3 * total).astype(np.int32)}, case).array
    other = with_output(step, words_of(thrice, tensor_of(step, "output").physical).tobytes())
    assert hints_of(2, other).hints == ()


def test_what_a_register_still_holds_may_have_its_bias_or_be_of_many_steps():
    """Three steps of one case: the third begins with both sums, or with the last one's biased."""
    (case,) = random_cases(["conv2d"], SIZES, Choices(arithmetics=("int8",)))
    files = case_files(case, Written(kinds=("npy",)))
    pairs = [(files[0], files[2])] * 3
    entry, contents = sequence_files("s", pairs, PLAN)
    raw = dict(contents)
    steps = [
        Judged(
            entry,
            at,
            steps_of_entry(
                entry,
                line,
                files[0],
                tuple(raw[f"s/{line.id}/{when}.bin"] for when in ("before", "after")),
            ),
            files[0],
        )
        for at, line in enumerate(entry.steps)
    ]
    computed = stages(case)
    total, biased = (computed[name].astype(np.int64) for name in ("accumulator", "biased"))
    for start, says in (
        (total + 2 * total, "those of the 2 steps before"),
        (total + total, f"those of step {steps[1].name}"),
        (total + biased, f"those of step {steps[1].name}, bias included"),
    ):
        output = recompute("output", {"accumulator": start.astype(np.int32)}, case).array
        words = words_of(output, tensor_of(steps[2], "output").physical)
        verdict = hints_of(2, with_output(steps[2], words.tobytes()), steps)
        assert verdict.hints == (f"accumulators were not cleared: they began with {says}",)


def test_an_output_written_to_another_place_is_told():
    step = PLAIN[0]
    raw = output_words(step)
    behind = start_of(step, "output") + -(-len(raw) // PLAN.word_bytes) * PLAN.word_bytes
    memory = dump(changed(step.step.after, behind, raw[:8]))
    assert hints_of(0, memory).hints == (
        f"what was written over holds bytes 0 to 7 of output of step {step.name}",
    )
    memory = dump(changed(step.step.after, start_of(step, "x"), raw[8:16]))
    assert hints_of(0, memory).hints == (
        f"what was written over holds bytes 8 to 15 of output of step {step.name}",
    )
    memory = dump(changed(step.step.after, start_of(step, "x"), b"\x11\x22\x33\x44\x55"))
    assert hints_of(0, memory).hints == ()


def test_a_step_is_judged_from_the_inputs_as_they_are_in_the_memory():
    """A device that reads a spoiled input and computes rightly on."""
    cases = chained_cases(["conv2d", "pssa"], SIZES, Choices(arithmetics=("int8",)))
    steps = sequence_of(cases)
    raw = bytearray(output_words(steps[0]))
    raw[5] ^= 0x40
    first = with_output(steps[0], raw)
    second = golden_case(steps[1])
    x = second.tensors["x"].copy()
    x.reshape(-1)[5] ^= 0x40
    output = stages(replace(second, tensors={**second.tensors, "x": x}))["output"]
    memory = changed(steps[1].step.after, start_of(steps[0], "output"), raw)
    payload = words_of(output, tensor_of(steps[1], "output").physical).tobytes()
    memory = dump(changed(memory, start_of(steps[1], "output"), payload))
    assert [each.tensor for each in judge_memory(steps[0], first, None)] == [
        f"{steps[0].name}.output"
    ]
    verdicts = judge_memory(steps[1], memory, first)
    assert [each.tensor for each in verdicts] == [f"{steps[1].name}.output"]
    before = Before(list(outputs_left(steps[0], first)), [golden_case(steps[0])])
    (verdict,) = explained(steps[1], verdicts, memory, before)
    assert verdict.local == "right, given the inputs as they are in the memory"
    wrong = bytearray(payload)
    wrong[0] ^= 1
    spoiled = dump(changed(memory.words.tobytes(), start_of(steps[1], "output"), wrong))
    (verdict,) = explained(steps[1], judge_memory(steps[1], spoiled, first), spoiled, before)
    assert verdict.local.startswith("wrong, given the inputs as they are in the memory: 1 of")
    assert bits_of(output, tensor_of(steps[1], "output").physical.form).size == len(payload)
