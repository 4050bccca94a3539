"""Sequences as a user judges them: located, explained, named with --case, drawn; not shrunk."""

import json
import shutil

import numpy as np
import pytest

from refimpl import io

OPTIONS = "--operator conv2d --operator pssa --arithmetic int8 --sequence --files npy"


@pytest.fixture
def stale(refimpl, tmp_path):
    """A set, and a device whose second step left the result of the first in its output."""
    golden, device = tmp_path / "golden", tmp_path / "device"
    assert refimpl(f"vectors {golden} {OPTIONS}")[0] == 0
    shutil.copytree(golden, device)
    manifest = io.read_manifest(golden)
    (sequence,) = manifest.sequences
    first, second = sequence.steps[:2]
    dump = device / sequence.id / second.id / "after.bin"
    memory = bytearray(dump.read_bytes())
    source, target = (
        next(each for each in step.regions if each.tensor == "output") for step in (first, second)
    )
    size = sequence.word_bytes
    raw = (device / sequence.id / first.id / "after.bin").read_bytes()
    old = raw[source.address * size : (source.address + source.words) * size]
    memory[target.address * size : target.address * size + len(old)] = old
    dump.write_bytes(memory)
    return golden, device, first.id, second.id


def test_a_stale_result_is_located_and_named(refimpl, stale, tmp_path):
    pytest.importorskip("matplotlib")
    golden, device, first, second = stale
    report, maps = tmp_path / "v.json", tmp_path / "maps"
    status, out, _ = refimpl(f"check {golden} {device} --json {report} --pictures {maps}")
    assert status == 1
    assert f"WRONG sequence {second}.output (after.bin): wrong, 305 of 336 elements; first" in out
    assert f"ok    sequence {second} (after.hex): exact" in out
    assert f"all that is wrong is what output of step {first} has at the same places" in out
    assert f"first bad stage: {second}.output" in out
    assert [each.name for each in maps.iterdir()] == [f"sequence-{second}.output.svg"]
    told = json.loads(report.read_text())["cases"][-1]
    (bad,) = [each for each in told["verdicts"] if not each["passed"]]
    assert bad["first"]["index"] == [0, 0, 0, 0]
    assert bad["hints"]
    assert sum(bad["maps"]["axes"]["c"]) == 305


def test_sequences_are_judged_where_they_are_named_and_never_left_out_in_silence(refimpl, stale):
    golden, device, *_ = stale
    (case, _) = (each.id for each in io.read_manifest(golden).cases)
    status, out, _ = refimpl(f"check {golden} {device} --case {case}")
    assert status == 0
    assert "1 sequences not judged: name them with --case too" in out
    status, out, _ = refimpl(f"check {golden} {device} --case sequence")
    assert status == 1
    assert "8 files of 0 cases and 1 sequences: 1 wrong" in out
    status, out, _ = refimpl(f"check {golden} {device} --case sequence --case {case}")
    assert status == 1
    assert "of 1 cases and 1 sequences" in out
    status, _, err = refimpl(f"check {golden} {device} --case sequence --no-sequences")
    assert (status, "case must be one of" in err) == (2, True)


def test_only_a_case_can_be_shrunk(refimpl, stale, tmp_path):
    golden, device, _, second = stale
    status, _, err = refimpl(f"shrink {golden} {device} {tmp_path}/small")
    said = " ".join(err.split())
    assert status == 2
    assert "a case must be wrong by itself to be shrunk, and none is" in said
    assert f"sequence {second}.output (after.bin): wrong, 305 of 336" in said
    assert not (tmp_path / "small").exists()


def test_what_no_lane_drives_in_pads_of_a_memory_is_no_fault(refimpl, tmp_path):
    golden, device = tmp_path / "golden", tmp_path / "device"
    options = "--operator conv2d --arithmetic int8 --outputs 6 --layout nchw4c --lanes 4"
    assert refimpl(f"vectors {golden} {options} --sequence")[0] == 0
    shutil.copytree(golden, device)
    manifest = io.read_manifest(golden)
    (sequence,), (entry,) = manifest.sequences, manifest.cases
    mask = (golden / entry.id / "output.mask.hex").read_text().split()
    for step in sequence.steps:
        (device / sequence.id / step.id / "after.bin").unlink()
        dump = device / sequence.id / step.id / "after.hex"
        lines = dump.read_text().split()
        start = next(r.address for r in step.regions if r.tensor == "output") - sequence.base
        for at, never in enumerate(mask, start):
            pairs = zip(lines[at], never, strict=True)
            lines[at] = "".join("x" if each == "f" else digit for digit, each in pairs)
        assert "xxxx" in "".join(lines)
        dump.write_text("\n".join(lines))
    assert refimpl(f"check {golden} {device}")[0] == 0
    lines[0] = "xxxxxxxx"
    dump.write_text("\n".join(lines))
    status, out, _ = refimpl(f"check {golden} {device}")
    assert status == 1
    assert "unknown bits" in out
    assert "must be deadc0de, not xxxxxxxx" in out


def test_a_device_of_its_own_order_passes_within_its_bound_in_a_sequence_too(refimpl, tmp_path):
    golden, device = tmp_path / "golden", tmp_path / "device"
    assert refimpl(f"vectors {golden} --operator conv2d --arithmetic fp32 --sequence")[0] == 0
    shutil.copytree(golden, device)
    (sequence,) = io.read_manifest(golden).sequences
    size = sequence.word_bytes
    for step in sequence.steps:
        (device / sequence.id / step.id / "after.hex").unlink()
        dump = device / sequence.id / step.id / "after.bin"
        memory = bytearray(dump.read_bytes())
        region = next(each for each in step.regions if each.tensor == "output")
        place = slice(region.address * size, (region.address + region.words) * size)
        values = np.frombuffer(memory[place], "<f4")
        memory[place] = np.nextafter(values, np.float32(np.inf)).tobytes()
        dump.write_bytes(memory)
    status, out, _ = refimpl(f"check {golden} {device} --case sequence")
    assert status == 0
    assert "output (after.bin): within bound" in out
    memory[place] = (values * np.float32(1.01)).tobytes()
    dump.write_bytes(memory)
    assert refimpl(f"check {golden} {device} --case sequence")[0] == 1
