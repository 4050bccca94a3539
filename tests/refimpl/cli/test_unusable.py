"""Unusable input beside usable: every verdict is given, and every report that can be."""

import json
import shutil
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from refimpl import io

SIZES = "--batch 1 --channels 2 --outputs 2 --height 4 --width 3"
SET = f"--operator conv2d --operator pssa --arithmetic int8 {SIZES}"


@pytest.fixture
def judged(refimpl, tmp_path):
    """A set of two cases, and a device whose first output is wrong and whose last is missing."""
    golden, device = tmp_path / "set", tmp_path / "device"
    assert refimpl(f"vectors {golden} {SET} --sequence")[0] == 0
    first, last = (entry.id for entry in io.read_manifest(golden).cases)
    for case in (first, last, "sequence"):
        shutil.copytree(golden / case, device / case)
    for kind in ("bin", "hex"):
        (device / first / f"output.{kind}").unlink()
    for kind in ("npy", "bin", "hex"):
        (device / last / f"output.{kind}").unlink()
    wrong = np.load(device / first / "output.npy")
    wrong[0, 1, 2, 1] ^= 1
    np.save(device / first / "output.npy", wrong)
    return golden, device, first, last


def test_an_unusable_case_is_an_error_beside_the_verdicts_on_the_others(refimpl, judged, tmp_path):
    golden, device, first, last = judged
    reports = f"--json {tmp_path}/v.json --junit {tmp_path}/v.xml"
    status, out, err = refimpl(f"check {golden} {device} {reports}")
    missing = f"must hold {last}/output.npy, .bin or .hex: no output is there"
    assert status == 2
    assert f"WRONG {first} output (output.npy): wrong, 1 of 24 elements; first at [0, 1, 2, 1]" in (
        out
    )
    assert "first bad stage: output" in out
    assert f"ERROR {last}: {device} {missing}" in out
    assert "1 wrong, 1 unusable" in out
    assert err.count("error:") == 1
    assert missing in err
    said = {each["case"]: each for each in json.loads((tmp_path / "v.json").read_text())["cases"]}
    assert [said[first]["passed"], said[first]["errors"]] == [False, []]
    assert [said[last]["passed"], said[last]["errors"]] == [False, [f"{device} {missing}"]]
    assert said["sequence"]["passed"]
    suites = {each.get("name"): each for each in ET.parse(tmp_path / "v.xml").getroot()}  # noqa: S314
    assert (suites[first].get("failures"), suites[first].get("errors")) == ("1", "0")
    assert (suites[last].get("failures"), suites[last].get("errors")) == ("0", "1")
    assert suites[last].find("testcase/error").get("message") == f"{device} {missing}"


def test_every_other_file_of_an_unusable_case_is_judged(refimpl, judged):
    golden, device, _, last = judged
    (device / last / "accumulator.npy").write_bytes(b"nothing")
    status, out, _ = refimpl(f"check {golden} {device} --case {last}")
    assert status == 2
    assert f"ok    {last} accumulator (accumulator.bin): exact" in out
    assert out.count(f"ERROR {last}") == 2


def test_a_step_without_a_memory_is_an_error_beside_the_verdicts_on_the_others(refimpl, judged):
    golden, device, *_ = judged
    steps = sorted((device / "sequence").iterdir())
    shutil.rmtree(steps[1])
    status, out, _ = refimpl(f"check {golden} {device}")
    assert status == 2
    assert f"ERROR sequence: {device} must hold sequence/{steps[1].name}/after.bin or .hex" in out
    assert out.count("ok    sequence") == 2 * (len(steps) - 1)  # .bin and .hex


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--json {0}/no/v.json", "no/v.json could not be written: No such file"),
        ("--junit {0}/device", "device could not be written: "),
        ("--junit {0}/set/manifest.json/v.xml", "v.xml could not be written: Not a directory"),
    ],
)
def test_verdicts_are_given_even_if_a_report_cannot_be_written(
    refimpl, judged, tmp_path, option, sentence
):
    golden, device, first, _ = judged
    written = tmp_path / "other.json"
    more = f"--json {written}" if "--junit" in option else f"--junit {written}"
    line = f"check {golden} {device} --case {first} {option.format(tmp_path)} {more}"
    status, out, err = refimpl(line)
    assert status == 2
    assert f"WRONG {first} output (output.npy)" in out
    assert sentence in err
    assert first in written.read_text()


@pytest.mark.parametrize("right", [True, False])
def test_a_kind_of_picture_that_is_none_is_refused_before_anything_is_judged(
    refimpl, judged, tmp_path, right
):
    golden, device, *_ = judged
    line = f"check {golden} {golden if right else device} --pictures {tmp_path}/p --picture gif"
    status, out, err = refimpl(line)
    assert (status, out) == (2, "")
    assert "a picture must end in .png or .svg, not .gif" in err
