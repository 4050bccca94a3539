"""Sets of every float operator: a device of another order is within bound, or told why not."""

from dataclasses import replace

import numpy as np
import pytest

from refimpl import io
from refimpl.bitexact.bounds import CLASS
from refimpl.bitexact.formats import decode
from refimpl.bitexact.operators import ALL_OPERATORS
from refimpl.bitexact.outputs import is_output
from refimpl.bitexact.records import SUMS
from refimpl.vectors.case import Choices, pipeline
from refimpl.vectors.dut import Dut
from refimpl.vectors.files.numpy_file import to_npy
from refimpl.vectors.formats import format_of
from refimpl.vectors.stimuli import Sizes, random_cases
from refimpl.vectors.write import About, Written, set_files

SIZES = Sizes(batch=1, channels=3, outputs=4, height=5, width=4)
CASES = random_cases(ALL_OPERATORS, SIZES, Choices(arithmetics=("fp32", "fp16")))
TREE = {"lanes": 8, "lane_order": "tree"}
ABOUT = About(command="c", tool_version="0")


def left(root, cases, *stages):
    """A device's directory with the outputs of these cases, and the stages of these names."""
    files = [
        (f"{case.id}/{name}.npy", to_npy(kept, format_of(kept)))
        for case in cases
        for name, array in pipeline(case).items()
        if is_output(case.operator, name, case.attributes) or name.endswith(stages)
        for kept in [decode(array).astype("<f4") if case.arithmetic == "fp32" else array]
    ]
    io.write_directory(root, files)
    return root


def summed(case, record):
    sums = {key: dict(record) for key in SUMS[case.operator]}
    return replace(case, attributes={**case.attributes, **sums})


def verdicts(golden, device, dut=None):
    manifest = io.read_manifest(golden)
    court = io.Court(golden=golden, device=device, manifest=manifest, dut=dut, explain=False)
    return {entry.id: io.judge_case(court, entry).verdicts for entry in manifest.cases}


@pytest.fixture(scope="module")
def golden(tmp_path_factory):
    root = tmp_path_factory.mktemp("golden") / "set"
    io.write_directory(root, set_files(CASES, about=ABOUT, written=Written(kinds=("npy",))))
    return root


def test_every_output_of_every_float_operator_has_its_reference_and_bound(golden):
    for entry in io.read_manifest(golden).cases:
        names = {each.name: each.role for each in entry.tensors}
        for output in (each for each in entry.tensors if each.role == "output"):
            prefix = f"{output.name}_" if entry.operator.endswith("backward") else ""
            for role in ("reference", "bound"):
                assert names[f"{prefix}{role}"] == role
                shape = next(t.shape for t in entry.tensors if t.name == f"{prefix}{role}")
                assert shape == output.shape
        assert entry.arithmetic["bound_class"] == CLASS


def test_another_order_passes_within_bound_and_a_lost_sign_does_not(golden, tmp_path):
    device = left(tmp_path / "device", [summed(case, TREE) for case in CASES])
    found = verdicts(golden, device)
    assert all(each.passed for case in found.values() for each in case)
    told = {case for case, each in found.items() if any(v.outcome == "within bound" for v in each)}
    assert {"dx", "output"} <= {v.tensor for case in told for v in found[case]}
    for case in CASES:
        if case.arithmetic == "fp32" and SUMS[case.operator] and case.operator != "batch_norm":
            assert case.id in told
    flipped = [
        replace(case, tensors={**case.tensors, "x": negated_corner(case.tensors["x"])})
        for case in CASES
    ]
    wrong = verdicts(golden, left(tmp_path / "wrong", flipped))
    assert all(any(v.outcome == "wrong" for v in each) for each in wrong.values())


def negated_corner(x):
    turned = x.copy()
    turned[:, :, 1, 1] = -turned[:, :, 1, 1]
    return turned


def test_the_bound_is_that_of_the_device_s_own_class(golden, tmp_path):
    coarse = [
        summed(case, {"format": "fp16", "product": "fused"})
        for case in CASES
        if case.arithmetic == "fp32"
    ]
    others = [case for case in CASES if case.arithmetic != "fp32"]
    device = left(tmp_path / "device", [*coarse, *others])
    fp16 = Dut(name="d", adders={"accumulator": "fp16"})
    for case, judged in verdicts(golden, device, fp16).items():
        assert all(each.passed or each.outcome == "bound not applicable" for each in judged), case
    without = verdicts(golden, device)
    assert any(each.outcome == "wrong" for judged in without.values() for each in judged)


SHOWN = ("accumulator", "scaled", "context", "dproduct", "var")


def test_stages_of_another_order_are_within_bound_where_the_device_declares_its_adders(
    golden, tmp_path
):
    device = left(tmp_path / "device", [summed(case, TREE) for case in CASES], *SHOWN)
    dut = Dut(name="d", adders={"accumulator": "fp32"}, observe={"stages": SHOWN})
    judged = [each for found in verdicts(golden, device, dut).values() for each in found]
    assert all(each.passed for each in judged)
    told = {each.tensor for each in judged if each.outcome == "within bound"}
    assert {"accumulator", "conv_scaled", "context", "dproduct"} <= told
    plain = [each for found in verdicts(golden, device).values() for each in found]
    assert {each.tensor for each in plain if each.outcome == "wrong"} >= {"accumulator", "context"}


def test_a_stage_that_is_wrong_is_told_from_one_in_another_order(golden, tmp_path):
    (case,) = (each for each in CASES if each.operator == "pssa" and each.arithmetic == "fp32")
    root = left(tmp_path / "device", [summed(case, TREE)], "accumulator")
    kept = np.load(root / case.id / "output.npy")
    kept[0, 0, 0, 0] += 1
    np.save(root / case.id / "output.npy", kept)
    manifest = io.read_manifest(golden)
    dut = Dut(name="d", adders={"accumulator": "fp32"}, observe={"stages": ["accumulator"]})
    court = io.Court(golden=golden, device=root, manifest=manifest, dut=dut)
    report = io.judge_case(court, court.entry(case.id))
    assert [each.outcome for each in report.verdicts] == ["within bound", "wrong"]
    assert report.first_bad.tensor == "output"
    assert report.verdicts[0].local == "within bound, given the golden inputs"
    assert report.notes == ("stages that err by themselves: output",)
    flipped = replace(case, tensors={**case.tensors, "x": negated_corner(case.tensors["x"])})
    wrong = verdicts(golden, left(tmp_path / "wrong", [flipped], "accumulator"), dut)[case.id]
    assert {each.outcome for each in wrong} == {"wrong"}


def test_a_stage_without_a_bound_must_be_equal_and_the_verdict_says_why(golden, tmp_path):
    case = next(each for each in CASES if each.operator == "global_attention")
    tree = replace(case, attributes={**case.attributes, "softmax": {"sum": TREE}})
    device = left(tmp_path / "device", [tree], "row_sum")
    of = {"fp32": {"accumulator": "fp32"}, "stochastic": {"rounding": "stochastic"}}
    for name, adders in of.items():
        found = verdicts(golden, device, Dut(name="d", adders=adders))[case.id]
        (stage,) = (each for each in found if each.tensor == "row_sum")
        assert stage.outcome == "bound not applicable"
        assert ("has no bound in another order" if name == "fp32" else name) in stage.sentence


def test_a_device_of_no_class_is_never_judged_by_a_bound(golden, tmp_path):
    device = left(tmp_path / "device", [summed(case, TREE) for case in CASES])
    odd = Dut(name="d", adders={"rounding": "stochastic"})
    outcomes = {
        each.outcome for judged in verdicts(golden, device, odd).values() for each in judged
    }
    assert outcomes == {"exact", "bound not applicable"}


def test_the_bound_follows_the_declared_sum_of_the_case(tmp_path):
    (case,) = random_cases(["conv2d"], SIZES, Choices(arithmetics=("fp32",)))
    coarse = summed(case, {"format": "fp16"})
    io.write_directory(tmp_path / "golden", set_files([coarse], about=ABOUT))
    (entry,) = io.read_manifest(tmp_path / "golden").cases
    assert entry.arithmetic["bound_class"].startswith("11 bits of significand")
    other = summed(case, {"format": "fp16", **TREE})
    (judged,) = verdicts(tmp_path / "golden", left(tmp_path / "device", [other])).values()
    assert [each.outcome for each in judged] == ["within bound"]


def test_a_table_is_outside_every_class_and_the_manifest_says_so(tmp_path):
    (case,) = random_cases(["batch_norm"], SIZES, Choices(arithmetics=("fp32",)))
    table = replace(case, attributes={**case.attributes, "rsqrt": {"kind": "table"}})
    io.write_directory(tmp_path / "golden", set_files([table], about=ABOUT))
    (entry,) = io.read_manifest(tmp_path / "golden").cases
    why = "its rsqrt is a table, which may jump"
    assert entry.arithmetic["bound_class"] == f"not applicable: {why}"
    assert not {"reference", "bound"} & {tensor.role for tensor in entry.tensors}
    (judged,) = verdicts(tmp_path / "golden", left(tmp_path / "device", [case])).values()
    assert [each.outcome for each in judged] == ["bound not applicable"]
    assert why in judged[0].sentence


def test_where_magnitudes_may_overflow_there_is_no_verdict_but_equality(tmp_path):
    (case,) = random_cases(["conv2d"], SIZES, Choices(arithmetics=("fp32",)))
    large = {**case.tensors, "w": case.tensors["w"] * np.float32(2.0**126)}
    case = replace(case, tensors=large)
    io.write_directory(tmp_path / "golden", set_files([case], about=ABOUT))
    (same,) = verdicts(tmp_path / "golden", left(tmp_path / "same", [case])).values()
    assert [each.outcome for each in same] == ["exact"]
    other = summed(case, TREE)
    (judged,) = verdicts(tmp_path / "golden", left(tmp_path / "device", [other])).values()
    assert [each.outcome for each in judged] == ["bound not applicable"]
    assert "the sum of magnitudes may overflow" in judged[0].sentence
