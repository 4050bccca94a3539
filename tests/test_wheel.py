"""What a user installs: the wheel, outside the checkout."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("refimpl", "hwsim", "proofs")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel, built from the checkout and unpacked into an empty directory."""
    wheels, site = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(ROOT)]
    subprocess.run([*pip, *build], check=True)
    (wheel,) = wheels.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(site), str(wheel)], check=True)
    return site


def run(site: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(
        command, cwd=site, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_the_installed_wheel_runs_its_command(installed, package):
    code = f"import {package}.cli as cli; print(cli.__file__); cli.main()"
    done = run(installed, code, "--help")
    assert done.returncode == 0, done.stderr
    assert str(installed) in done.stdout


def test_presets_travel_in_the_wheel(installed):
    code = "import hwsim, sys; print(hwsim.__file__, hwsim.preset('tpu-v1').array.rows)"
    done = run(installed, code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[1] == "256"
    assert str(installed) in done.stdout


@pytest.mark.parametrize("package", ["refimpl", "hwsim"])
def test_importing_a_model_loads_no_compiler_no_plots_and_no_test_tools(installed, package):
    code = f"import sys, {package}; print(*sys.modules)"
    done = run(installed, code)
    assert done.returncode == 0, done.stderr
    assert package in done.stdout.split()
    assert not {"numba", "matplotlib", "pytest"} & set(done.stdout.split())
