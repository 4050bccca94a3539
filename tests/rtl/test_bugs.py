"""Bugs of the device: every one fails, is diagnosed as itself, and was predicted by the model."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hwsim.rtl.bugs import BUGS
from hwsim.rtl.device import run_set
from hwsim.rtl.registers import Device
from proofs.device.models import candidates, written_whole
from proofs.device.observe import Observed, observe
from proofs.device.page import row
from proofs.device.predict import Prediction, is_diagnosed, names_of, predictions
from proofs.device.run import run_bugs
from proofs.device.stimuli import six_cases, write_six_cases
from refimpl.ops.conv2d import conv2d
from refimpl.score.catalogue import CATALOGUE
from refimpl.score.models import run

PAGE = Path(__file__).parents[2] / "docs" / "rtl-bugs.md"
CASES = list(six_cases())


@pytest.fixture(scope="session")
def six(tmp_path_factory):
    return write_six_cases(tmp_path_factory.mktemp("golden") / "six")


def files(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*.hex")}


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_fails_the_check_is_diagnosed_and_was_predicted(
    simulator, work, six, refimpl, tmp_path, bug
):
    found = run_bugs(six, work=work, scratch=tmp_path, bugs=[bug])[bug]
    assert is_diagnosed(BUGS[bug], found), found
    assert [each.case for each in found if not each.agrees] == []
    assert row(bug, found) in PAGE.read_text("utf-8")
    code, said = refimpl("check", six, tmp_path / bug)
    assert code == 1, said


def test_the_device_without_a_bug_passes_the_same_cases(simulator, work, six, refimpl, tmp_path):
    done = run_set(six, tmp_path / "device", work=work)
    assert not any(each["guards_broken"] for each in done.cases.values())
    code, said = refimpl("check", six, tmp_path / "device")
    assert code == 0, said


def test_a_define_leaves_the_bits_that_the_selectable_build_leaves(simulator, work, six, tmp_path):
    run_set(six, tmp_path / "fixed", work=work, bug="no_wrap", fixed=True)
    run_set(six, tmp_path / "chosen", work=work, bug="no_wrap")
    assert files(tmp_path / "fixed") == files(tmp_path / "chosen")


def test_without_a_define_there_is_no_bug(simulator, work, six, refimpl, tmp_path):
    run_set(six, tmp_path / "device", work=work, fixed=True)
    code, said = refimpl("check", six, tmp_path / "device")
    assert code == 0, said


def test_a_bug_under_the_name_of_another_is_neither_diagnosed_nor_predicted(
    simulator, work, six, tmp_path
):
    seen = observe(six, "pad_raw_zero", work=work, scratch=tmp_path)
    wrong = replace(BUGS["pad_raw_zero"], mutant="stride-one-x")
    found = list(predictions(wrong, CASES, seen, Device()))
    assert not is_diagnosed(wrong, found)
    assert not all(each.agrees for each in found)


def left_by(case, stages, *, wrong=True):
    """What is observed of a device that computes these stages."""
    shown = ("shifted", "wide_product", "product_before_clip", "product")
    shown += ("accumulator", "biased", "before_clip", "output")
    return Observed(
        stages={name: stages[name] for name in shown if name in stages},
        output_wrong=wrong,
        guards_broken=0,
        unwritten=0,
        ready="1",
    )


def names(case, seen):
    return {each.name for each in candidates(case, None, Device()) if each.gives(seen.stages)}


@pytest.mark.parametrize("bug", ["pad_raw_zero", "weight_unsigned", "zero_after_clip"])
def test_the_model_with_a_bug_is_diagnosed_as_it_and_the_right_model_as_none(bug):
    case = CASES[0]
    (mutant,) = (m for m in CATALOGUE["conv2d.int8"].mutants if m.id == BUGS[bug].mutant)
    assert names(case, left_by(case, run(case, mutant))) == {mutant.id}
    with_one_bit = {name: array.copy() for name, array in run(case, mutant).items()}
    with_one_bit["output"].flat[0] ^= 1
    assert names(case, left_by(case, with_one_bit)) == set()


@pytest.mark.parametrize(
    "case", [case for case in CASES if "w" in case.tensors], ids=lambda c: c.id
)
def test_a_tile_written_whole_is_what_a_loop_over_addresses_writes(case):
    tile, stages, golden = 8, written_whole(case, 8), run(case)
    images, outputs, height, width = golden["output"].shape
    memory = {}
    image = real_image(case, golden)
    below = np.pad(image, ((0, 0), (0, 0), (0, 20), (0, 0)))
    geometry = {key: tuple(case.attributes[key]) for key in ("stride", "padding", "dilation")}
    sums = conv2d(below.astype(np.int64), case.tensors["w"].astype(np.int64), None, **geometry)
    sums = sums.reshape(images, outputs, -1)
    for n in range(images):
        for first in range(0, height * width, tile):
            for o in range(outputs):
                for p in range(first, first + tile):
                    memory[(n * outputs + o) * height * width + p] = sums[n, o, p]
    expected = [memory[at] for at in range(images * outputs * height * width)]
    assert stages["accumulator"].reshape(-1).tolist() == expected
    assert (stages["accumulator"] != golden["accumulator"]).any()


def real_image(case, golden):
    """Operands of the convolution: x, products or both, less their zero points."""
    parts = []
    if case.operator != "pssa":
        parts.append(case.tensors["x"].astype(int) - case.attributes["x_zero"])
    if "product" in golden:
        parts.append(golden["product"].astype(int) - case.attributes["t_zero"])
    return np.concatenate(parts, axis=1)


def test_every_bug_has_a_mutant_in_the_catalogue():
    known = {each.id for entry in CATALOGUE.values() for each in entry.mutants}
    assert {bug.mutant for bug in BUGS.values()} <= known


def test_a_bug_is_not_diagnosed_where_a_failing_case_is_unexplained():
    common = {"bug": "no_wrap", "operator": "pssa", "predicted": True, "failed": True}
    explained = Prediction(**common, case="a", diagnosis=("wrap-none",))
    unexplained = Prediction(**common, case="b", diagnosis=())
    bug = BUGS["no_wrap"]
    assert is_diagnosed(bug, [explained])
    assert not is_diagnosed(bug, [explained, unexplained])
    assert not is_diagnosed(bug, [replace(explained, failed=False)])
    assert names_of(bug) == {"no_wrap", "wrap-none"}
    assert row("no_wrap", [explained, unexplained]).endswith("| `wrap-none`; 1 not |\n")
