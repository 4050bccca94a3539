"""Steps: in turn they are the operator's pipeline; each alone is judged from the device's own."""

import re
from dataclasses import replace

import numpy as np
import pytest

from refimpl.bitexact.operators import ALL_OPERATORS, OPERATORS, PIPELINES
from refimpl.vectors.case import KNOWN, Choices
from refimpl.vectors.check import judge
from refimpl.vectors.explain import Evidence, case_of, explain
from refimpl.vectors.local import STEPS, recompute, steps_of
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import Sizes, random_cases
from refimpl.vectors.variants import VARIANTS, run
from refimpl.vectors.write import Written, case_files

SIZES = Sizes(batch=1, channels=3, outputs=2, height=5, width=4)
CHOICES = [
    Choices(arithmetics=KNOWN),
    Choices(arithmetics=KNOWN, k_tile=8),
    Choices(im2col="uvc", k_tile=5, order="uvc", bias_at="first"),
    Choices(im2col="cuv", order="uvc"),
]
CASES = [case for choices in CHOICES for case in random_cases(OPERATORS, SIZES, choices)]
ATTENTION = random_cases(["global_attention", "local_attention"], SIZES, Choices(arithmetics=KNOWN))
OTHERS = [
    case
    for operator in ALL_OPERATORS
    if operator not in OPERATORS
    for arithmetic in KNOWN
    if (operator, arithmetic) in PIPELINES
    for case in random_cases([operator], SIZES, Choices(arithmetics=(arithmetic,)))
]
CASES += OTHERS + random_cases(OPERATORS, Sizes(height=7, width=6, stride=2), CHOICES[2])


def test_every_operator_in_every_arithmetic_has_steps():
    made = {(case.operator, case.arithmetic) for case in CASES}
    assert made == set(STEPS) == set(PIPELINES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_steps_in_turn_are_the_pipeline(case):
    computed, steps = stages(case), steps_of(case)
    assert list(steps) == list(computed)
    for stage in steps:
        for device in (computed, {}):
            again = recompute(stage, device, case).array
            assert again.dtype == computed[stage].dtype
            assert again.tobytes() == computed[stage].tobytes()


RECORDS = {
    "passes": {"accumulation": {"pass_terms": 10}, "accumulator": {"pass_terms": 10}},
    "tree of four": {"accumulation": {"lanes": 4, "lane_order": "tree"}},
    "coarse": {"accumulation": {"format": "fp16", "rounding": "toward_zero", "product": "fused"}},
    "added passes": {"accumulation": {"pass_terms": 7, "between": "added"}},
    "tiles of channels": {"accumulation": {"order": "Cuvc", "tiles": {"c": 2}}},
    "saturating": {"accumulator": {"bits": 16, "overflow": "saturate"}},
    "wide product": {"product": "wide"},
    "clipped": {"clip": [0, 100], "output_format": "int16"},
    "flushed": {"accumulation": {"subnormals": "flushed"}},
}


@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.parametrize(
    "case",
    [
        *CASES[:2],
        *random_cases(["pssa", "xvolution_fused"], SIZES, Choices(arithmetics=("int8", "bf16"))),
    ],
    ids=lambda case: case.id,
)
def test_the_steps_follow_whatever_arithmetic_is_declared(case, record):
    declared = replace(case, attributes={**case.attributes, **RECORDS[record]})
    computed, steps = stages(declared), steps_of(declared)
    assert list(steps) == list(computed)
    for stage in steps:
        again = recompute(stage, computed, declared).array
        assert again.tobytes() == computed[stage].tobytes(), stage


FLUSHED = {"subnormals": "flushed", "rounding": "toward_zero"}
DECLARED = {  # of the operators that sum in several places
    "divided": {"softmax": {"normalise": "divide", "format": "bf16"}},
    "integer softmax": {"softmax": {"kind": "integer"}},
    "unnormalised": {"normalise": "none"},
    "float weights": {"probabilities": {"format": "bf16"}, "output_factor": 0.125},
    "batch": {"statistics": "batch"},
    "flushed sums": {
        f"accumulation{of}": {"format": "fp16", **FLUSHED}
        for of in ("", "_dx", "_dw", "_scores", "_context", "_statistics")
    },
    "tree": {
        f"accumulation{of}": {"lanes": 4, "lane_order": "tree", "product": "fused"}
        for of in ("", "_dx", "_dw", "_scores", "_context", "_statistics")
    },
    "other casts": {"output": {"format": "fp8_e5m2"}, "dx": {"format": "bf16"}},
    "table of rsqrt": {"rsqrt": {"kind": "user_table", "entries": "table", "index_bits": 4}},
    "narrow": {"accumulator_dx": {"bits": 24, "overflow": "saturate"}, "clip": [-90, 90]},
}
MORE = {
    "weights_multiplier": np.array([2**30], np.int32),
    "weights_shift": np.array([40], np.int8),
    **{name: np.linspace(1, 2, 17).astype(np.float32) for name in ("table", "table_c", "table_a")},
}


@pytest.mark.parametrize(
    ("case", "record"),
    [
        pytest.param(case, record, id=f"{case.id}-{record}")
        for case in OTHERS
        for record in DECLARED
        if case.arithmetic in {"int8", "fp32", "bf16"}
        and (record != "integer softmax" or case.arithmetic == "int8")
    ],
)
def test_the_steps_of_every_operator_follow_whatever_is_declared(case, record):
    attributes = {**case.attributes, **DECLARED[record]}
    declared = replace(case, attributes=attributes, tensors={**case.tensors, **MORE})
    computed, steps = stages(declared), steps_of(declared)
    assert list(steps) == list(computed)
    for stage in steps:
        again = recompute(stage, computed, declared).array
        assert again.tobytes() == computed[stage].tobytes(), stage


def test_a_stage_is_computed_of_what_the_device_left_last():
    (case,) = random_cases(["pssa"], SIZES, Choices(arithmetics=("int8",)))
    device = {"product": np.zeros_like(stages(case)["product"])}
    assert recompute("output", device, case).given == ("product",)
    assert recompute("shifted", device, case).given == ()
    device["accumulator"] = np.zeros_like(stages(case)["accumulator"])
    assert recompute("output", device, case).given == ("accumulator",)


def report_on(case, device):
    entry, _, arrays = case_files(case, Written(kinds=("npy",)))
    verdicts = [
        judge(
            arrays[tensor.name],
            device[tensor.name],
            of=tensor.physical,
            names=(case.id, tensor.name, f"{tensor.name}.npy"),
        )
        for tensor in entry.tensors
        if tensor.name in device
    ]
    return explain(entry, verdicts, Evidence(golden=arrays, device=device, others={}))


def test_one_early_deviation_does_not_spoil_the_verdict_on_the_stages_after_it():
    (case,) = random_cases(["pssa"], SIZES, Choices(arithmetics=("int8",)))
    variant = VARIANTS["shift-direction"]
    report = report_on(case, run(variant, case))
    assert not any(verdict.passed for verdict in report.verdicts)
    erring = [verdict.tensor for verdict in report.verdicts if verdict.local.startswith("wrong")]
    assert erring == ["shifted"]
    assert report.notes == ("stages that err by themselves: shifted",)
    later = next(verdict for verdict in report.verdicts if verdict.tensor == "accumulator")
    assert later.local.startswith("right, given the device's own padded")


def test_a_stage_that_errs_on_its_own_is_told_though_the_one_before_is_wrong():
    (case,) = random_cases(["conv2d"], SIZES, Choices(arithmetics=("int8",)))
    device = dict(run(VARIANTS["kernel-mirrored"], case))
    device["biased"] = device["biased"] + 1
    device["before_clip"] = recompute("before_clip", device, case).array
    device["output"] = recompute("output", device, case).array
    report = report_on(case, device)
    erring = [verdict.tensor for verdict in report.verdicts if verdict.local.startswith("wrong")]
    assert erring == ["accumulator", "biased"]


def test_a_manifest_that_describes_no_case_is_one_sentence():
    (case,) = random_cases(["conv2d"], SIZES, Choices(arithmetics=("int8",)))
    entry, _, arrays = case_files(case, Written(kinds=("npy",)))
    broken = entry.model_copy(update={"attributes": {}})
    wrong = {"output": arrays["output"] ^ 1}
    tensor = next(each for each in entry.tensors if each.name == "output")
    verdict = judge(
        arrays["output"], wrong["output"], of=tensor.physical, names=("c", "output", "f")
    )
    with pytest.raises(ValueError, match="must have the attributes and tensors of its operator"):
        explain(broken, [verdict], Evidence(golden=arrays, device=wrong, others={}))
    assert case_of(entry, arrays).attributes == case.attributes


FROM_INPUTS = re.compile(  # all that are computed of inputs alone
    r"(conv_)?(padded|partial_sums|accumulator)|(attention_)?shifted|[qkv]_accumulator|mean|centred"
    r"|shifted_variance|(conv_|attention_)?(dt|(wide_)?upstream|output)|d[wbx]"
    r"|(dx|dproduct)_accumulator|dproduct"
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_stage_is_judged_from_the_stages_before_it(case):
    """A stage that was computed of the inputs again would be blamed for an earlier one."""
    for stage, step in steps_of(case).items():
        if set(step.needs) <= set(case.tensors):
            assert FROM_INPUTS.fullmatch(stage), f"{stage} of {case.id}"


def planted(case, stage, bit=0):
    """A device that errs in one bit of one stage, and computes on from that."""
    device = {}
    for name in steps_of(case):
        device[name] = recompute(name, device, case).array
        if name == stage:
            wrong = device[name].copy()
            unsigned = wrong.view(f"u{wrong.itemsize}").reshape(-1)
            unsigned[0] ^= np.array(1 << bit, unsigned.dtype)
            device[name] = wrong
    return device


@pytest.mark.parametrize(
    "case", [*CASES[: len(OPERATORS) * len(KNOWN)], *OTHERS], ids=lambda case: case.id
)
def test_an_error_planted_in_any_one_stage_is_blamed_on_that_stage_alone(case):
    steps = steps_of(case)
    for stage in steps:
        device = planted(case, stage)
        again = {name: recompute(name, device, case).array for name in steps}
        assert [name for name in steps if bits(again[name]) != bits(device[name])] == [stage]


def bits(array):
    return array.tobytes()


@pytest.mark.parametrize(
    "case",
    [case for case in OTHERS if case.arithmetic in {"int8", "bf16"}],
    ids=lambda case: case.id,
)
def test_the_report_blames_one_stage_of_any_operator(case):
    stage = list(steps_of(case))[-3]
    report = report_on(case, planted(case, stage))
    assert report.notes == (f"stages that err by themselves: {stage}",)
