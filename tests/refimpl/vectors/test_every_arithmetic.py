"""Every operator in every arithmetic is written, read back, judged right, and wrong by one bit."""

import random
import shutil

import numpy as np
import pytest

from refimpl import io
from refimpl.bitexact.describe import SHIFTED
from refimpl.bitexact.operators import INTEGER_ARITHMETICS, PIPELINES
from refimpl.vectors.case import Choices
from refimpl.vectors.files.kinds import decode, encode
from refimpl.vectors.formats import bits_of, from_bits, labelled
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import Sizes, random_cases
from refimpl.vectors.write import About, Written, case_files, set_files

SIZES = Sizes(batch=1, channels=2, outputs=2, height=3, width=4)
RANDOM = sorted({operator for operator, _ in PIPELINES})
KINDS = ("npy", "bin", "hex", "coe", "mif", "npz", "vh")


def made(what):
    """Cases of an arithmetic; "int8 wide": with the shift product kept wide, an int17."""
    arithmetic, _, wide = what.partition(" ")
    operators = [operator for operator in RANDOM if (operator, arithmetic) in PIPELINES]
    if wide:
        operators = [operator for operator in operators if operator in SHIFTED]
        shown = {"im2col": "cuv", "declared": {"product": "wide"}}
        return random_cases(operators, SIZES, Choices(arithmetics=(arithmetic,), k_tile=8, **shown))
    return random_cases(operators, SIZES, Choices(arithmetics=(arithmetic,), k_tile=8))


ARITHMETICS = sorted({arithmetic for _, arithmetic in PIPELINES})
WIDE = [f"{arithmetic} wide" for arithmetic in INTEGER_ARITHMETICS]


@pytest.fixture(scope="module", params=[*ARITHMETICS, *WIDE])
def written(request, tmp_path_factory):
    root = tmp_path_factory.mktemp(request.param)
    cases = made(request.param)
    how = Written(layout="nchw4c", lanes=2, kinds=KINDS)
    about = About(command="c", tool_version="0")
    io.write_directory(root / "golden", set_files(cases, about=about, written=how))
    return root, cases, io.read_manifest(root / "golden")


def test_every_kind_of_file_holds_every_stage_bit_for_bit(written):
    root, cases, manifest = written
    for case, entry in zip(cases, manifest.cases, strict=True):
        expected = {**case.tensors, **stages(case)}
        arrays = io.read_case(root / "golden", entry)
        for tensor in entry.tensors:
            if tensor.role in {"reference", "bound"}:
                continue
            of = tensor.physical
            right = bits_of(expected[tensor.name], of.form)
            np.testing.assert_array_equal(bits_of(arrays[tensor.name], of.form), right)
            assert arrays[tensor.name].dtype == expected[tensor.name].dtype
            for file in tensor.files:
                if file.kind != "mask":
                    got = decode(file.kind, (root / "golden" / file.path).read_bytes(), of)
                    np.testing.assert_array_equal(bits_of(got, of.form), right)


def test_the_set_is_what_is_computed_again(written):
    root, _, manifest = written
    io.recompute(root / "golden", manifest)


def test_a_right_device_passes_and_one_wrong_bit_of_an_output_is_explained(written):
    root, _, manifest = written
    for number, entry in enumerate(manifest.cases):
        outputs = [each for each in entry.tensors if each.role == "output"]
        output = outputs[-1]
        place = root / f"device-{number}" / entry.id
        place.mkdir(parents=True)
        for each in outputs:
            shutil.copy(root / "golden" / entry.id / f"{each.name}.bin", place)
        raw = (place / f"{output.name}.bin").read_bytes()
        court = io.Court(
            golden=root / "golden", device=root / f"device-{number}", manifest=manifest
        )
        assert io.judge_case(court, entry).wrong == 0
        of = output.physical
        array = labelled(decode("bin", raw, of), of.form)
        top = of.form.bits - 1
        bits = bits_of(array, of.form).copy()
        bits[(0,) * array.ndim] ^= np.array(1 << top, of.form.word)

        wrong = encode("bin", from_bits(bits, of.form), of, "y")
        (place / f"{output.name}.bin").write_bytes(wrong)
        report = io.judge_case(court, entry)
        bad = report.first_bad
        assert bad.first.index == (0,) * array.ndim
        assert bad.local.startswith("wrong")
        assert report.cone.operands or report.cone.taps


@pytest.mark.parametrize("kind", ["npy", "bin", "hex"])
def test_one_wrong_bit_planted_anywhere_in_a_device_s_files_is_found_and_located(
    written, kind, tmp_path
):
    """Every operator, outputs and three stages of each; a seeded place and bit in each file."""
    root, _, manifest = written
    rng = random.Random(kind)  # noqa: S311 - a test
    court = io.Court(golden=root / "golden", device=tmp_path, manifest=manifest, explain=False)
    for entry in manifest.cases:
        files = [each for each in entry.tensors if each.role in {"stage", "output"}]
        place = tmp_path / entry.id
        place.mkdir()
        for each in files:
            if each.role == "output":
                shutil.copy(root / "golden" / entry.id / f"{each.name}.{kind}", place)
        stages_of = [each for each in files if each.role == "stage"]
        outputs = [each for each in files if each.role == "output"]
        for tensor in [*outputs, *rng.sample(stages_of, min(3, len(stages_of)))]:
            path = root / "golden" / entry.id / f"{tensor.name}.{kind}"
            index, wrong = with_one_wrong_bit(path.read_bytes(), kind, tensor.physical, rng)
            (place / path.name).write_bytes(wrong)
            told = [
                each for each in io.judge_case(court, entry).verdicts if each.outcome != "exact"
            ]
            assert [each.tensor for each in told] == [tensor.name]
            if told[0].outcome == "within bound":
                assert f"1 with other bits, the first at {list(index)}" in told[0].sentence
            else:
                assert (told[0].wrong, told[0].first.index) == (1, index)
            if tensor.role == "output":
                shutil.copy(path, place)
            else:
                (place / path.name).unlink()


def with_one_wrong_bit(raw, kind, of, rng):
    """A file with one bit of one element flipped, which is a number of another value; its index."""
    array = labelled(decode(kind, raw, of), of.form)
    bits = bits_of(array, of.form).copy()
    index = tuple(rng.randrange(size) for size in bits.shape)
    bits[index] ^= np.array(1 << rng.randrange(of.form.bits), of.form.word)
    return index, encode(kind, from_bits(bits, of.form), of, "y")


def test_a_device_for_training_must_leave_every_gradient():
    (case,) = random_cases(["xvolution_backward"], SIZES, Choices(arithmetics=("fp32",)))
    entry, *_ = case_files(case, Written(kinds=("npy",)))
    outputs = {each.name for each in entry.tensors if each.role == "output"}
    branches = {f"{of}_{name}" for of in ("conv", "attention") for name in ("dw", "db", "ds", "dt")}
    assert outputs == {"dx", *branches}
