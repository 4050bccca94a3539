"""NaN in sets of every operator and float format: the label stays, and any NaN equals any NaN."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from refimpl import io
from refimpl.bitexact.formats import FORMATS, decode, from_words, words_of
from refimpl.bitexact.operators import ALL_OPERATORS, FLOAT_ARITHMETICS
from refimpl.vectors.case import Choices
from refimpl.vectors.files.kinds import encode
from refimpl.vectors.formats import QUIET_NANS, bits_of, from_bits, is_nan
from refimpl.vectors.memory import Plan, run_in_one_memory
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import Sizes, random_cases
from refimpl.vectors.write import About, Written, set_files

SIZES = Sizes(batch=1, channels=2, outputs=2, height=3, width=4)
KINDS = ("npy", "bin", "hex", "coe", "mif", "npz", "vh")
OTHER_NANS = {
    "fp8_e4m3": 0xFF,
    "fp8_e5m2": 0xFD,
    "bf16": 0xFFC1,
    "fp16": 0xFE03,
    "fp32": 0xFFC00007,
}


def with_a_nan(case):
    """The same call of an image whose first pixel is NaN and whose last one is infinite."""
    x = case.tensors["x"]
    of = FORMATS[case.arithmetic]
    words = words_of(x).copy()
    words.reshape(-1)[0] = OTHER_NANS[of.name]
    words.reshape(-1)[-1] = of.most + 1 if of.infinities else of.quiet
    return replace(case, tensors={**case.tensors, "x": from_words(words, of)})


@pytest.fixture(scope="module", params=FLOAT_ARITHMETICS)
def written(request, tmp_path_factory):
    root = tmp_path_factory.mktemp(request.param)
    plain = random_cases(ALL_OPERATORS, SIZES, Choices(arithmetics=(request.param,)))
    cases = [with_a_nan(case) for case in plain]
    files = set_files(
        cases, about=About(command="c", tool_version="0"), written=Written(kinds=KINDS)
    )
    io.write_directory(root / "golden", files)
    return root, cases, io.read_manifest(root / "golden")


def test_a_nan_leaves_every_stage_its_format(written):
    _, cases, manifest = written
    for case, entry in zip(cases, manifest.cases, strict=True):
        listed = {each.name: each.format for each in entry.tensors}
        assert listed["x"] == case.arithmetic
        nans = 0
        for name, array in stages(case).items():
            assert listed[name] in ("fp32", case.arithmetic), name
            assert array.dtype == FORMATS[listed[name]].dtype
            words = words_of(array)[np.isnan(decode(array))]
            assert set(words.tolist()) <= {QUIET_NANS[listed[name]]}
            nans += len(words)
        assert nans, case.id


def test_a_set_with_nans_is_what_is_computed_again(written):
    root, _, manifest = written
    io.verify_files(root / "golden", manifest)
    io.recompute(root / "golden", manifest)


@pytest.mark.parametrize("kind", ["npy", "bin", "hex"])
def test_a_device_may_leave_any_nan_but_no_number_in_its_place(written, kind, tmp_path):
    root, _, manifest = written
    court = io.Court(golden=root / "golden", device=tmp_path, manifest=manifest)
    for entry in manifest.cases:
        place = tmp_path / entry.id
        place.mkdir()
        seen = 0
        outputs = [each for each in entry.tensors if each.role == "output"]
        for turn in ("payload", "number"):
            for tensor in outputs:
                of = tensor.physical
                array = io.read_tensor(root / "golden", tensor)
                nans = is_nan(array, of.form)
                bits = bits_of(array, of.form).copy()
                bits[nans] = OTHER_NANS[of.form.name] if turn == "payload" else 0x11
                seen += int(nans.sum())
                raw = encode(kind, from_bits(bits, of.form), of, "y")
                (place / f"{tensor.name}.{kind}").write_bytes(raw)
            report = io.judge_case(court, entry)
            bad = [each for each in report.verdicts if not each.passed]
            assert seen > 0
            assert bool(bad) == (turn == "number"), (entry.id, turn)


@pytest.mark.parametrize("layout", ["nchw", "nchw4c"])
def test_a_memory_may_hold_any_nan_of_an_output_and_no_other_input(written, layout, tmp_path):
    """After each step of a sequence: lanes two and two, with the pads of a blocked layout."""
    _, cases, _ = written
    files = set_files(
        cases[:3],
        about=About(command="c", tool_version="0"),
        written=Written(layout=layout, lanes=2),
        sequencer=lambda entries, arrays: run_in_one_memory(entries, arrays, plan=Plan()),
    )
    io.write_directory(tmp_path / "golden", files)
    manifest = io.read_manifest(tmp_path / "golden")
    (sequence,) = manifest.sequences
    tensors = {case.id: {each.name: each for each in case.tensors} for case in manifest.cases}
    court = io.Court(golden=tmp_path / "golden", device=tmp_path / "device", manifest=manifest)
    for role, number, passes in (
        ("output", None, True), ("output", 0x11, False), ("input", None, False)
    ):  # fmt: skip
        shutil.rmtree(tmp_path / "device", ignore_errors=True)
        shutil.copytree(tmp_path / "golden" / sequence.id, tmp_path / "device" / sequence.id)
        for step in sequence.steps:
            path = tmp_path / "device" / sequence.id / step.id / "after.bin"
            path.with_suffix(".hex").unlink()
            memory = bytearray(path.read_bytes())
            for region in step.regions:
                tensor = tensors[step.case][region.tensor]
                if tensor.role == role:
                    replace_nans(memory, region, tensor, sequence, number)
            path.write_bytes(memory)
        report = io.judge_sequence(court, sequence)
        assert report.errors == ()
        assert len({each.tensor.split(".")[0] for each in report.verdicts}) == len(sequence.steps)
        assert {each.passed for each in report.verdicts} == {passes}


def replace_nans(memory, region, tensor, sequence, number):
    of = FORMATS[tensor.format]
    start = (region.address - sequence.base) * sequence.word_bytes
    size = tensor.physical.words * tensor.physical.word_bytes
    words = np.frombuffer(bytes(memory[start : start + size]), of.word).copy()
    nans = np.isnan(decode(from_words(words, of)))
    if tensor.name in ("x", "output", "product"):
        assert nans.any()
    quiet = QUIET_NANS[tensor.format]
    words[nans] = number or (quiet if tensor.role == "input" else OTHER_NANS[tensor.format])
    memory[start : start + size] = words.tobytes()
