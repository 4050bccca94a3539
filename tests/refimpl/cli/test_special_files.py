"""Pipes, circles of links and links that lead outside: refused in a sentence, never waited for."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from refimpl import io

SIZES = "--batch 1 --channels 2 --outputs 2 --height 3 --width 3"
PATIENCE_S = 60  # ours: far more than a command takes


def refimpl(line):
    """In a process of its own, so that one which waits for a pipe can be ended."""
    words = [sys.executable, "-c", "from refimpl.cli import main; main()", *shlex.split(line)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    root = tmp_path_factory.mktemp("original") / "set"
    line = f"vectors {root} --operator conv2d --arithmetic int8 {SIZES} --sequence"
    assert refimpl(line)[0] == 0
    return root


@pytest.fixture
def golden(original, tmp_path):
    return Path(shutil.copytree(original, tmp_path / "set"))


def pipe(path):
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def circle(path):
    path.unlink(missing_ok=True)
    path.symlink_to(path.name)


SPECIAL = {"pipe": (pipe, "not a regular file"), "circle": (circle, "in a circle")}


@pytest.mark.parametrize("what", SPECIAL)
def test_in_a_device(golden, tmp_path, what):
    spoil, sentence = SPECIAL[what]
    device = Path(shutil.copytree(golden, tmp_path / "device"))
    (case,) = device.glob("conv2d-*")
    for kind in ("npy", "bin", "hex"):
        spoil(case / f"output.{kind}")
    step = next((device / "sequence").iterdir())
    spoil(step / "after.bin")
    status, out, err = refimpl(f"check {golden} {device}")
    assert (status, err.count("\n")) == (2, 1)
    assert f"ok    {case.name} accumulator" in out
    assert out.count(sentence) == out.count("ERROR") >= 2


@pytest.mark.parametrize("what", SPECIAL)
@pytest.mark.parametrize("name", ["manifest.json", "case/x.npy", "case/output.hex"])
def test_in_a_set(golden, name, what):
    spoil, sentence = SPECIAL[what]
    (case,) = golden.glob("conv2d-*")
    spoil(golden / name.replace("case", case.name))
    status, _, err = refimpl(f"verify {golden}")
    assert (status, err.count("\n")) == (2, 1)
    assert sentence in err


@pytest.mark.parametrize("option", ["--onnx {0} --node n --input x.npy", "--dut {0}"])
def test_as_an_option(tmp_path, option):
    pipe(tmp_path / "pipe")
    line = option.format(tmp_path / "pipe")
    status, _, err = refimpl(f"vectors {tmp_path}/set {line}")
    assert (status, err.count("\n")) == (2, 1)


def link_outside(golden):
    (golden / "extra").symlink_to("/etc")


def link_to_a_file(golden):
    (golden / "extra").symlink_to("/etc/passwd")


def link_to_nothing(golden):
    (golden / "extra").symlink_to("nothing")


def link_within(golden):
    (golden / "extra").symlink_to("sequence")


def directory(golden):
    (golden / "sequence" / "extra").mkdir()


def a_pipe(golden):
    pipe(golden / "extra")


@pytest.mark.parametrize(
    "add", [link_outside, link_to_a_file, link_to_nothing, link_within, directory, a_pipe]
)
def test_what_a_manifest_does_not_list_is_refused_whatever_it_is(golden, add):
    add(golden)
    with pytest.raises(io.UnusableError, match="extra: its manifest does not list it"):
        io.verify_files(golden, io.read_manifest(golden))


def test_a_case_that_is_a_link_to_outside_is_refused(golden, tmp_path):
    (case,) = golden.glob("conv2d-*")
    shutil.move(case, tmp_path / "elsewhere")
    case.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(io.UnusableError, match="must stay inside"):
        io.verify_files(golden, io.read_manifest(golden))
