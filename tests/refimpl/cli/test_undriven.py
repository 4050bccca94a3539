"""A device whose dumps have x, z or no word: what is told of it, and of the rest of the case."""

import json
import re

import numpy as np
import pytest

from refimpl import io


def small(refimpl, tmp_path, options=""):
    """A set of one convolution, and a device that left its output as hex and its accumulator."""
    golden = tmp_path / "golden"
    assert refimpl(f"vectors {golden} --operator conv2d --arithmetic int8 {options}")[0] == 0
    (entry,) = io.read_manifest(golden).cases
    device = tmp_path / "device" / entry.id
    device.mkdir(parents=True)
    for name in ("output.hex", "accumulator.npy"):
        (device / name).write_bytes((golden / entry.id / name).read_bytes())
    return golden, device


def spoiled(path, at, digits):
    lines = path.read_text().split()
    lines[at] = digits
    path.write_text("\n".join(lines))


@pytest.fixture
def faulty(refimpl, tmp_path):
    """A device whose accumulators are all one too many, and one of whose outputs is unknown."""
    golden, device = small(refimpl, tmp_path)
    accumulator = np.load(device / "accumulator.npy")
    np.save(device / "accumulator.npy", accumulator + 1)
    spoiled(device / "output.hex", 5, "zx")
    return golden, device


def test_unknown_bits_leave_the_rest_of_the_case_explained(refimpl, faulty, tmp_path):
    golden, device = faulty
    report = tmp_path / "verdicts.json"
    status, out, _ = refimpl(f"check {golden} {device.parent} --json {report}")
    assert status == 1
    assert "first bad stage: accumulator" in out
    assert "by itself: wrong, given the golden inputs: 336 of 336, first at [0, 0, 0, 0]" in out
    assert "accumulator[0, 0, 0, 0] is computed of" in out or "partial" in out
    (case,) = json.loads(report.read_text())["cases"]
    told = {verdict["tensor"]: verdict for verdict in case["verdicts"]}
    assert told["output"]["outcome"] == "unknown bits"
    assert told["output"]["unknown"] == 1
    assert told["output"]["first"]["index"] == [0, 0, 0, 5]
    assert told["output"]["first"]["got_hex"] == "zx"
    assert told["output"]["first"]["ulps"] is None
    assert told["output"]["pattern"] == "a single element"
    assert case["cone"]["taps"]


def test_wrong_and_unknown_elements_are_counted_and_located_apart(refimpl, tmp_path):
    golden, device = small(refimpl, tmp_path)
    path = device / "output.hex"
    spoiled(path, 2, "x0")
    spoiled(path, 7, f"{int(path.read_text().split()[7], 16) ^ 1:02x}")
    status, out, _ = refimpl(f"check {golden} {device.parent}")
    assert status == 1
    assert "output (output.hex): wrong, 1 of 336 elements; first at [0, 0, 1, 1] (word 7)" in out
    assert "1 more with bits that were never driven, the first at [0, 0, 0, 2]" in out


def test_an_unknown_output_has_its_cone_and_a_picture(refimpl, tmp_path):
    pytest.importorskip("matplotlib")
    golden, device = small(refimpl, tmp_path)
    spoiled(device / "output.hex", 8, "xx")
    maps = tmp_path / "maps"
    status, out, _ = refimpl(f"check {golden} {device.parent} --pictures {maps}")
    assert status == 1
    assert re.search(r"must be -?\d+ \(0x..\), not unknown \(0xxx\)", out)
    assert "output[0, 0, 1, 2] is computed of" in out
    assert len(list(maps.iterdir())) == 1


def test_an_unknown_element_is_shrunk_to_where_it_is(refimpl, tmp_path):
    golden, device = small(refimpl, tmp_path)
    spoiled(device / "output.hex", 8, "xx")
    status, out, _ = refimpl(f"shrink {golden} {device.parent} {tmp_path}/small")
    assert status == 0
    assert "bits never driven are written inverted" in out
    status, out, _ = refimpl(f"check {tmp_path}/small/golden {tmp_path}/small/device")
    assert status == 1
    assert "wrong, 1 of 1 elements" in out


def test_a_device_that_drives_no_pads_passes(refimpl, tmp_path):
    golden, device = small(
        refimpl, tmp_path, "--channels 5 --outputs 18 --layout nchw16c --lanes 16"
    )
    text = (device / "output.hex").read_text()
    mask = (golden / device.name / "output.mask.hex").read_text()
    left = "".join("x" if never == "f" else digit for digit, never in zip(text, mask, strict=True))
    assert left.count("x") > 2000
    (device / "output.hex").write_text(left)
    status, out, _ = refimpl(f"check {golden} {device.parent}")
    assert status == 0
    assert "output (output.hex): exact, 1512 elements" in out
