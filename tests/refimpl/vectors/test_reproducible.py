"""Same case, same bytes: whatever the CPU features, the BLAS, the C library or the compiler."""

import shlex
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from refimpl.io.reproduce import environment as process_environment
from refimpl.vectors.machines import INTERPRETED, MACHINES, PLAIN

ROOT = Path(__file__).parents[3]
SIZES = "--batch 1 --channels 2 --outputs 3 --height 5 --width 4"
LAYER = (
    "--network resnet34 --stage conv2_x --layer conv1 --layer conv2_1.conv1 "
    "--side 32 --crop 6 --files npy --image {image}"
)
ATTENTION = (
    "--operator global_attention --operator local_attention --operator batch_norm "
    "--operator conv2d_backward --arithmetic int8 --arithmetic bf16 "
    "--batch 1 --channels 2 --outputs 2 --height 4 --width 3 --files npy"
)


def environment(extra, cache):
    return {**process_environment(extra, cache), "PYTHONPATH": str(ROOT)}


def hashes_of(folder, extra, options):
    """Write a set in a process of its own, and hash all of its files."""
    out = folder / "set"
    command = [sys.executable, "-c", "from refimpl.cli import main; main()", "vectors", str(out)]
    done = subprocess.run(
        [*command, *shlex.split(options)],
        env=environment(extra, folder / "compiled"),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {
        str(path.relative_to(out)): sha256(path.read_bytes()).hexdigest()
        for path in out.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    """A small lossless picture of noise."""
    image = pytest.importorskip("PIL.Image")
    path = tmp_path_factory.mktemp("picture") / "noise.png"
    noise = bytes((7 * at * at + at // 3) % 256 for at in range(40 * 36 * 3))
    image.frombytes("RGB", (40, 36), noise).save(path)
    return path


@pytest.fixture(scope="module")
def expected(tmp_path_factory, picture):
    folders = [tmp_path_factory.mktemp(name) for name in ("random", "attention", "layer")]
    options = (SIZES, ATTENTION, LAYER.format(image=picture))
    return [hashes_of(folder, {}, each) for folder, each in zip(folders, options, strict=True)]


@pytest.mark.parametrize("machine", [name for name in MACHINES if name != PLAIN])
def test_a_set_and_a_layers_set_are_the_same_bytes_on_another_machine(
    machine, tmp_path, picture, expected
):
    for folder, options, hashes in zip(
        ("random", "attention", "layer"),
        (SIZES, ATTENTION, LAYER.format(image=picture)),
        expected,
        strict=True,
    ):
        (tmp_path / folder).mkdir()
        assert hashes_of(tmp_path / folder, MACHINES[machine], options) == hashes
        assert "manifest.json" in hashes


def test_a_set_is_the_same_bytes_interpreted_as_compiled(tmp_path, expected):
    """And without a single warning on the way."""
    for folder, options, hashes in zip("ab", (SIZES, ATTENTION), expected, strict=False):
        (tmp_path / folder).mkdir()
        assert hashes_of(tmp_path / folder, INTERPRETED, options) == hashes


def test_the_environment_of_another_machine_takes_effect(tmp_path):
    """Otherwise the comparisons above would compare a machine with itself."""
    report = (
        "import numba; from numpy._core._multiarray_umath import __cpu_features__ as f;"
        "print(f.get('X86_V3'), numba.config.CPU_NAME, numba.config.DISABLE_JIT)"
    )

    def seen(extra):
        done = subprocess.run(
            [sys.executable, "-c", report],
            env=environment(extra, tmp_path),
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split()

    has_vectors, _, compiled = seen({})
    assert compiled == "0"
    if has_vectors == "True":
        assert seen(MACHINES["old CPU for NumPy"])[0] == "False"
    assert seen(MACHINES["generic CPU for the compiler"])[1] == "generic"
    assert seen(INTERPRETED)[2] == "1"
