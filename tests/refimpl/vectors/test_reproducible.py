"""Same case, same bytes: whatever the CPU features, the BLAS, the C library or the compiler."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from refimpl.io.reproduce import environment as process_environment
from refimpl.io.reproduce import hashes_of
from refimpl.vectors.machines import INTERPRETED, MACHINES, PLAIN

ROOT = Path(__file__).parents[3]
SETS = {
    "random": "--batch 1 --channels 2 --outputs 3 --height 5 --width 4",
    "attention": (
        "--operator global_attention --operator local_attention --operator batch_norm "
        "--operator conv2d_backward --arithmetic int8 --arithmetic bf16 "
        "--batch 1 --channels 2 --outputs 2 --height 4 --width 3 --files npy"
    ),
    "training in groups": (
        "--operator pssa_backward --operator xvolution_backward --operator xvolution_training "
        "--operator conv2d --operator conv2d_backward --arithmetic int8 --arithmetic fp32 "
        "--batch 1 --channels 2 --outputs 2 --groups 2 --height 4 --width 3 --files npy"
    ),
    "declared": (
        "--operator global_attention --operator xvolution_training --arithmetic int8 "
        "--declare softmax.exp.kind=pow2_shift --declare rsqrt.kind=table --rounding float_even "
        "--batch 1 --channels 2 --outputs 2 --height 4 --width 3 --files npy"
    ),
    "layer": (
        "--network resnet34 --stage conv2_x --layer conv1 --layer conv2_1.conv1 "
        "--side 32 --crop 6 --files npy --image {image}"
    ),
}
SMALL = [name for name in SETS if name != "layer"]  # also without a compiler


RUN = """
import json, sys
from refimpl.cli import main
for words in json.loads(sys.argv[1]):
    sys.argv = ["refimpl", *words]
    try:
        main()
    except SystemExit as leaving:
        if leaving.code:
            raise
"""
"""Lines of the command, one after another: starting takes longer than a small set."""


def environment(extra, cache):
    return {**process_environment(extra, cache), "PYTHONPATH": str(ROOT)}


def all_hashes(folder, extra, picture, names=SETS):
    """Write sets in a process of their own, and hash all files of each."""
    options = {name: SETS[name].format(image=picture) for name in names}
    lines = [["vectors", str(folder / name), *shlex.split(options[name])] for name in names]
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(lines)],
        env=environment(extra, folder / "compiled"),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {name: hashes_of(folder / name) for name in names}


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
    return all_hashes(tmp_path_factory.mktemp("plain"), {}, picture)


@pytest.mark.parametrize("machine", [name for name in MACHINES if name != PLAIN])
def test_every_set_is_the_same_bytes_on_another_machine(machine, tmp_path, picture, expected):
    found = all_hashes(tmp_path, MACHINES[machine], picture)
    assert found == expected
    assert all("manifest.json" in hashes for hashes in found.values())


def test_a_set_is_the_same_bytes_interpreted_as_compiled(tmp_path, picture, expected):
    """And without a single warning on the way."""
    found = all_hashes(tmp_path, INTERPRETED, picture, SMALL)
    assert found == {name: expected[name] for name in SMALL}


REPORTS = {
    "NPY_DISABLE_CPU_FEATURES": (
        "from numpy._core._multiarray_umath import __cpu_features__ as f; print(f.get('X86_V3'))"
    ),
    "OPENBLAS_CORETYPE": (
        "import ctypes, glob, os, numpy;"
        "at = os.path.join(os.path.dirname(numpy.__file__), '..', 'numpy.libs', '*openblas*');"
        "f = ctypes.CDLL(glob.glob(at)[0]).scipy_openblas_get_corename64_;"
        "f.restype = ctypes.c_char_p; print(f().decode())"
    ),
    "NUMBA_CPU_NAME": "import numba; print(numba.config.CPU_NAME)",
    "NUMBA_DISABLE_JIT": "import numba; print(numba.config.DISABLE_JIT)",
}
"""What each of the four settings changes, as the library itself tells it."""


@pytest.mark.parametrize("setting", REPORTS)
def test_each_setting_of_another_machine_takes_effect(setting, tmp_path):
    """Otherwise the comparisons above would compare a machine with itself."""

    def seen(extra):
        done = subprocess.run(
            [sys.executable, "-c", REPORTS[setting]],
            env=environment(extra, tmp_path),
            capture_output=True,
            text=True,
            check=False,
        )
        if "AttributeError" in done.stderr or "IndexError" in done.stderr:
            pytest.skip("this NumPy has another BLAS, which the setting does not steer")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    (settings,) = (each for each in (*MACHINES.values(), INTERPRETED) if setting in each)
    plain, other = seen({}), seen(settings)
    if setting == "NPY_DISABLE_CPU_FEATURES" and plain != "True":
        pytest.skip("this CPU has none of the features that the setting takes away")
    assert plain != other
    assert {"NUMBA_CPU_NAME": "generic", "NUMBA_DISABLE_JIT": "1"}.get(setting, other) == other
