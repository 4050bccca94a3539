"""The fixture, as a stranger's test would use it."""

import subprocess
import sys
from importlib.metadata import entry_points

TEST = """
from refimpl import pssa


def test_right(hold):
    hold(lambda x, w: pssa(x, w), "pssa", directions=((0, -1), (0, 1), (-1, 0), (1, 0)),
         length=1, boundary="circular", stride=1, dilation=1, examples=20)


def test_wrong(hold):
    hold(lambda x, w: pssa(x, w, boundary="zero"), "pssa", examples=40,
         directions=((0, -1), (0, 1), (-1, 0), (1, 0)),
         length=1, boundary="circular", stride=1, dilation=1)
"""


def test_a_strangers_test_gets_the_fixture_and_a_readable_failure(tmp_path):
    (tmp_path / "test_kernel.py").write_text(TEST, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "pssa: stage 'y' at" in done.stdout
    assert "the shift wraps where it should read zeros, or the other way" in done.stdout


def test_pytest_finds_the_plugin_by_itself():
    (found,) = entry_points(group="pytest11", name="xvolution")
    assert found.value == "proofs.pytest_plugin"


def test_the_plugin_costs_nothing_until_it_is_used():
    code = "import proofs.pytest_plugin, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "hypothesis", "refimpl", "proofs.catalogue"} & set(done.stdout.split())
