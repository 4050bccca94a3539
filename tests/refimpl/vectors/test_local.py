"""Steps: in turn they are the operator's pipeline; each alone is judged from the device's own."""

from dataclasses import replace

import numpy as np
import pytest

from refimpl.bitexact.operators import OPERATORS
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
CASES += ATTENTION + random_cases(OPERATORS, Sizes(height=7, width=6, stride=2), CHOICES[2])


def test_every_operator_in_every_arithmetic_has_steps():
    made = {(case.operator, case.arithmetic) for case in CASES}
    assert made == set(STEPS)
    assert {arithmetic for _, arithmetic in made} == set(KNOWN)


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


@pytest.mark.parametrize("case", ATTENTION[:1] + ATTENTION[3:5], ids=lambda case: case.id)
@pytest.mark.parametrize("stage", ["scores", "exp_output", "row_sum", "probabilities", "context"])
def test_one_wrong_line_of_an_attention_errs_alone(case, stage):
    device = {}
    for name in steps_of(case):
        device[name] = recompute(name, device, case).array
        if name == stage:
            wrong = device[name].copy()
            wrong.view(f"u{wrong.itemsize}").reshape(-1)[0] ^= 4
            device[name] = wrong
    report = report_on(case, device)
    erring = [verdict.tensor for verdict in report.verdicts if verdict.local.startswith("wrong")]
    assert erring == [stage]
