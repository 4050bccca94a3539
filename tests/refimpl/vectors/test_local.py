"""Steps: in turn they are the operator's pipeline; each alone is judged from the device's own."""

import numpy as np
import pytest

from refimpl.bitexact.operators import OPERATORS
from refimpl.vectors.case import ARITHMETICS, Choices
from refimpl.vectors.check import judge
from refimpl.vectors.explain import Evidence, case_of, explain
from refimpl.vectors.local import STEPS, recompute, steps_of
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import Sizes, random_cases
from refimpl.vectors.variants import VARIANTS, run
from refimpl.vectors.write import Written, case_files

SIZES = Sizes(batch=1, channels=3, outputs=2, height=5, width=4)
CHOICES = [
    Choices(),
    Choices(k_tile=8),
    Choices(im2col="uvc", k_tile=5, order="uvc", bias_at="first"),
    Choices(im2col="cuv", order="uvc"),
]
CASES = [case for choices in CHOICES for case in random_cases(OPERATORS, SIZES, choices)]
CASES += random_cases(OPERATORS, Sizes(height=7, width=6, stride=2), CHOICES[2])


def test_every_operator_in_every_arithmetic_has_steps():
    made = {(case.operator, case.arithmetic) for case in CASES}
    assert made == set(STEPS)
    assert {arithmetic for _, arithmetic in made} == set(ARITHMETICS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_steps_in_turn_are_the_pipeline(case):
    computed, steps = stages(case), steps_of(case)
    assert list(steps) == list(computed)
    for stage in steps:
        for device in (computed, {}):
            again = recompute(stage, device, case).array
            assert again.dtype == computed[stage].dtype
            np.testing.assert_array_equal(again, computed[stage])


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
