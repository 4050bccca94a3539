"""`refimpl reproduce`: a set written again elsewhere, and what it says of one that is not ours."""

import json

import pytest
from typer.testing import CliRunner

from refimpl import io
from refimpl.cli import app
from refimpl.io import UnusableError, read_manifest, written_again
from refimpl.vectors.machines import MACHINES

SMALL = ["--operator", "shift_product", "--arithmetic", "bf16", "--batch", "1", "--channels", "1"]


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def golden(tmp_path):
    out = tmp_path / "set"
    done = run("vectors", out, *SMALL, "--height", 2, "--width", 3, "--files", "npy")
    assert done.exit_code == 0, done.output
    return out


def test_a_set_is_the_same_bytes_under_another_setting_and_a_changed_file_is_named(
    golden, monkeypatch
):
    machine = "generic CPU for the compiler"
    done = run("reproduce", golden, "--only", machine)
    assert done.exit_code == 0, done.output
    assert f"ok    {machine}: every byte the same" in done.output
    (case,) = [each for each in golden.iterdir() if each.is_dir()]
    again = io.hashes_of(golden)
    monkeypatch.setattr(io, "written_again", lambda *_: again)
    (case / "x.npy").write_bytes(b"something else")
    wrong = run("reproduce", golden, "--only", machine)
    assert wrong.exit_code == 1
    assert f"1 files differ, first {case.name}/x.npy" in wrong.output


def test_a_machine_there_is_not_is_refused_by_name(golden):
    done = run("reproduce", golden, "--only", "abacus")
    assert done.exit_code == 2
    assert "a machine must be one of this machine, " in done.output


def test_only_our_own_commands_are_run_again(golden):
    manifest = read_manifest(golden)
    for command in ("rm -rf SET", "refimpl train SET", ""):
        other = manifest.model_copy(update={"command": command})
        with pytest.raises(UnusableError, match="must be refimpl vectors or designed, not"):
            written_again(other, {})
    failing = manifest.model_copy(update={"command": "refimpl vectors SET --operator none"})
    with pytest.raises(UnusableError, match="must run again, and says"):
        written_again(failing, {})


def test_the_machines_of_the_specification_are_there():
    assert json.loads(json.dumps({k: dict(v) for k, v in MACHINES.items()}))
    settings = {name: value for each in MACHINES.values() for name, value in each.items()}
    assert settings["NPY_DISABLE_CPU_FEATURES"] == "X86_V3 X86_V4 AVX512_ICL AVX512_SPR"
    assert settings["OPENBLAS_CORETYPE"] == "Prescott"
    assert settings["NUMBA_CPU_NAME"] == "generic"
