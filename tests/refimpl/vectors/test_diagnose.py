"""Known deviations are named by the bits they leave; the cone shows what an element is made of."""

from dataclasses import replace

import numpy as np
import pytest

from refimpl.bitexact.operators import OPERATORS
from refimpl.vectors.case import Choices
from refimpl.vectors.cone import cone, value_of
from refimpl.vectors.diagnose import diagnose
from refimpl.vectors.local import steps_of
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import Sizes, random_cases
from refimpl.vectors.variants import VARIANTS, applicable, run

SIZES = Sizes(batch=1, channels=3, outputs=3, height=6, width=5)
CHOICES = Choices(k_tile=8, bias_at="first", order="uvc", rounding="half_even")
CASES = random_cases(OPERATORS, SIZES, Choices()) + random_cases(OPERATORS, SIZES, CHOICES)
GOLDEN = {id(case): stages(case) for case in CASES}
PAIRS = [(case, name) for case in CASES for name in (v.name for v in applicable(case))]


@pytest.mark.parametrize(("case", "name"), PAIRS, ids=lambda each: getattr(each, "id", each))
def test_a_device_with_a_known_deviation_is_recognised_by_any_stage_it_spoils(case, name):
    golden, device = GOLDEN[id(case)], run(VARIANTS[name], case)
    spoiled = [s for s in golden if not np.array_equal(golden[s], device[s])]
    if not spoiled:
        assert not diagnose(case, golden, device)
        return
    for left in (device, {spoiled[-1]: device[spoiled[-1]]}):
        findings = diagnose(case, golden, left)
        assert name in [finding.name for finding in findings if finding.reproduces]


def test_every_variant_spoils_some_case_or_needs_a_case_made_for_it():
    spoiling = {
        name
        for case, name in PAIRS
        if any(
            not np.array_equal(a, b)
            for a, b in zip(stages(case).values(), run(VARIANTS[name], case).values(), strict=True)
        )
    }
    made_for = {"accumulator-20-bits", "accumulator-24-bits", "rounding-half-even"}
    made_for.add("rounding-half-up")
    assert set(VARIANTS) - spoiling <= made_for


def with_tensors(case, **tensors):
    return replace(case, tensors={**case.tensors, **tensors})


@pytest.mark.parametrize("rule", ["half_up", "half_even"])
def test_rules_that_differ_only_on_ties_are_told_apart_where_there_are_ties(rule):
    other = {"half_up": "half_even", "half_even": "half_up"}[rule]
    choices = Choices(arithmetics=("int8",), rounding=other)
    (case,) = random_cases(["conv2d"], SIZES, choices)
    quarters = np.full(3, 2**30, np.int32), np.full(3, 32, np.int8)
    x, w = (case.tensors[name] // 40 for name in "xw")
    case = with_tensors(case, x=x, w=w, b=case.tensors["b"] % 7, multiplier=quarters[0])
    case = with_tensors(case, shift=quarters[1])
    device = run(VARIANTS[f"rounding-{rule.replace('_', '-')}"], case)
    findings = diagnose(case, stages(case), {"output": device["output"]})
    assert [f.name for f in findings if f.reproduces] == [f"rounding-{rule.replace('_', '-')}"]


@pytest.mark.parametrize("bits", [20, 24])
def test_a_narrow_accumulator_is_recognised_where_it_wraps(bits):
    shape = (1, 2 ** (bits - 14), 1, 1)
    (case,) = random_cases(
        ["conv2d"],
        Sizes(batch=1, outputs=1, height=1, width=1, kernel=1),
        Choices(arithmetics=("int8",)),
    )
    full = np.full(shape, 127, np.int8)
    case = with_tensors(case, x=full, w=full)
    golden, device = stages(case), run(VARIANTS[f"accumulator-{bits}-bits"], case)
    total, half = int(golden["accumulator"].item()), 2 ** (bits - 1)
    assert total > half
    assert device["accumulator"].item() == (total + half) % (2 * half) - half
    findings = diagnose(case, golden, {"accumulator": device["accumulator"]})
    assert f"accumulator-{bits}-bits" in [f.name for f in findings if f.reproduces]


def test_an_unknown_fault_gets_no_name_and_a_partial_one_a_share():
    (case,) = random_cases(["conv2d"], SIZES, Choices(arithmetics=("int8",)))
    golden = stages(case)
    rng = np.random.default_rng(0)
    noise = rng.integers(-128, 128, golden["output"].shape).astype(np.int8)
    assert not any(f.reproduces for f in diagnose(case, golden, {"output": noise}))
    partial = run(VARIANTS["rounding-floor"], case)["output"].copy()
    partial.flat[0] ^= 64
    (best, *_) = diagnose(case, golden, {"output": partial})
    assert best.name == "rounding-floor"
    assert not best.reproduces
    assert "perhaps" in best.sentence


def test_an_untouched_device_has_no_diagnosis():
    for case in CASES[:2]:
        golden = stages(case)
        assert diagnose(case, golden, golden) == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_cone_of_an_accumulator_adds_up_to_it_tile_by_tile(case):
    golden = GOLDEN[id(case)]
    rng = np.random.default_rng(1)
    for stage in [name for name in golden if name.endswith("accumulator")]:
        index = tuple(int(rng.integers(size)) for size in golden[stage].shape)
        found = cone(case, golden, stage, index)
        assert found.taps[-1].partial == value_of(golden[stage][index])
        partial = golden.get(stage.replace("accumulator", "partial_sums"))
        if partial is not None:
            ends = [
                tap.partial
                for tap, after in zip(found.taps, found.taps[1:], strict=False)
                if tap.tile != after.tile
            ] + [found.taps[-1].partial]
            assert ends == [value_of(each) for each in partial[(slice(None), *index)]]
        assert f"{stage}{list(index)} is computed of" in found.text
        assert any(tap.at is None for tap in cone(case, golden, stage, (0, 0, 0, 0)).taps)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_cone_of_any_other_stage_lists_what_it_reads(case):
    golden = GOLDEN[id(case)]
    for stage, step in steps_of(case).items():
        index = (0,) * golden[stage].ndim
        found = cone(case, golden, stage, index, golden)
        arrays = {**case.tensors, **golden}
        for operand in found.operands:
            assert operand.name in step.needs
            assert operand.golden == value_of(arrays[operand.name][operand.at])
            if operand.name in golden:
                assert operand.device == operand.golden
        if stage.endswith(("output", "biased", "before_clip", "product")):
            assert found.operands


def test_a_shifted_pixel_comes_from_its_neighbour_and_none_from_outside():
    (case,) = random_cases(["shift_product"], SIZES, Choices(arithmetics=("int8",)))
    golden = stages(case)
    x = case.tensors["x"]
    for channel in range(12):
        at = (0, channel, 2, 3)
        (operand,) = cone(case, golden, "shifted", at).operands
        assert x[operand.at] == golden["shifted"][at]
        moved = abs(operand.at[2] - 2) + abs(operand.at[3] - 3)
        assert moved == 1
