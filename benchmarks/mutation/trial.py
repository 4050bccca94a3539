"""One mutant, one process: import the package with the mistake in it, and run the tests.

The parent has imported everything but this repository's packages; a child is forked from it, puts
the mutant in the place of its module, and runs pytest until the first failure. A test that fails,
an import that fails and a child that does not end in time all count as killed. Time is the child's
own, so that a busy machine kills no mutant.
"""

import os
import signal
import sys
import time
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from math import ceil
from pathlib import Path
from resource import RLIMIT_CPU, setrlimit
from types import ModuleType
from typing import Literal, NamedTuple

OURS = ("refimpl", "hwsim", "proofs", "tests")
PRELOADED = ("numba", "scipy", "flint", "z3", "pytest", "hypothesis", "hypothesis.extra.numpy")
SECONDS, IDLE = 120.0, 30

Fate = Literal["killed", "survived", "timeout"]


class Outcome(NamedTuple):
    """What became of a mutant, and how long it took."""

    fate: Fate
    seconds: float


class Impostor(MetaPathFinder, Loader):
    """Serves one module from a text instead of its file."""

    def __init__(self, name: str, path: Path, source: str) -> None:
        self.name, self.path, self.source = name, path, source

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        """Claim the one module, and no other."""
        if fullname != self.name:
            return None
        return spec_from_file_location(fullname, self.path, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        """Run the text as the module."""
        exec(compile(self.source, str(self.path), "exec"), module.__dict__)  # noqa: S102 - its point


def preload() -> None:
    """Import what every trial needs and no mutant changes."""
    for name in PRELOADED:
        __import__(name)
    for name in [each for each in sys.modules if each.partition(".")[0] in OURS]:
        del sys.modules[name]


def attempt(
    name: str, path: Path, source: str, tests: Sequence[str], *, seconds: float = SECONDS
) -> Outcome:
    """Fork a child that imports the mutant under the module's name and runs the tests.

    ``tests`` are pytest's own arguments; a child that works longer than ``seconds`` is ended, and
    one that is asleep for IDLE times as long.
    """
    start = time.perf_counter()
    child = os.fork()
    if child == 0:
        setrlimit(RLIMIT_CPU, (ceil(seconds), ceil(seconds) + 5))
        _child(name, path, source, tests)
    while time.perf_counter() - start < IDLE * seconds:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return Outcome(_fate(os.waitstatus_to_exitcode(status)), time.perf_counter() - start)
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return Outcome("timeout", time.perf_counter() - start)


def _fate(code: int) -> Fate:
    if code == -signal.SIGXCPU:
        return "timeout"
    return "survived" if code == 0 else "killed"


def _child(name: str, path: Path, source: str, tests: Sequence[str]) -> None:
    import pytest  # noqa: PLC0415 - preloaded
    from hypothesis import settings  # noqa: PLC0415 - preloaded

    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silence, stream)
    os.environ["NUMBA_DISABLE_JIT"] = "0"
    settings.register_profile("mutation", max_examples=25, deadline=None, database=None)
    settings.load_profile("mutation")
    sys.meta_path.insert(0, Impostor(name, path, source))
    options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "--assert=plain"]
    os._exit(int(pytest.main([*options, *tests])))
