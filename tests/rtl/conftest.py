"""Simulations run in ``make test-rtl``, where a missing simulator is a failure; ``make test`` runs
one of them, and skips the others by name.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hwsim.rtl.simulator import SimulatorError, available

REQUIRED = os.environ.get("HWSIM_RTL") == "required"  # set by make test-rtl


@pytest.fixture(scope="session")
def work():
    """Where builds are kept: one per configuration, for all tests and all runs."""
    return Path(__file__).parents[2] / "out" / "rtl"


@pytest.fixture(scope="session")
def a_simulator():
    """The simulator that can run here; without one, a skip that says why, or a failure."""
    try:
        return available()
    except SimulatorError as error:
        if REQUIRED:
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def simulator(request):
    """The same, but only in make test-rtl."""
    if not REQUIRED:
        pytest.skip("simulations of some minutes; make test-rtl runs them")
    return request.getfixturevalue("a_simulator")


@pytest.fixture(scope="session")
def refimpl():
    """Run the command of golden vectors as a user does; return exit code and what it printed."""

    def run(*words):
        command = [sys.executable, "-c", "from refimpl.cli import main; main()", *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.fixture(scope="session")
def small_set(refimpl, tmp_path_factory):
    """Random int8 cases of everything the device runs; six output channels: a ragged tile."""
    root = tmp_path_factory.mktemp("golden") / "small"
    code, said = refimpl(
        *("vectors", root, "--arithmetic", "int8", "--files", "npy,hex", "--outputs", "6"),
        *("--operator", "conv2d", "--operator", "shift_product"),
        *("--operator", "pssa", "--operator", "xvolution_fused"),
    )
    assert code == 0, said
    return root
