"""A set of golden vectors through the device in a simulator: files for ``refimpl check`` to judge.

Cases the device cannot run are left out and listed with the reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hwsim.rtl.bugs import BUGS, NO_BUG
from hwsim.rtl.registers import Device, excluded
from hwsim.rtl.sets import chosen, read_set
from hwsim.rtl.simulator import Name, build, design, run

BENCH = "hwsim.rtl.bench_npu"
NO_STALL = {"load": 0.0, "product": 0.0, "result": 0.0}
ANY_BUG = {"XV_BUG": "xv_bugs::selected"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stalls:
    """Probability that a word waits in a cycle, per port, and the seed the pattern comes from."""

    load: float = 0.2
    product: float = 0.2
    result: float = 0.4
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRun:
    """What came of a set: counters and anomalies per case, and the cases left out with why."""

    cases: Mapping[str, Mapping[str, Any]]
    excluded: Mapping[str, str] = field(default_factory=dict)


def run_set(
    vectors: Path,
    out: Path,
    *,
    work: Path,
    device: Device | None = None,
    bug: str = NO_BUG,
    fixed: bool = False,
    cases: tuple[str, ...] = (),
    stalls: Stalls | None = None,
    simulator: Name | None = None,
) -> DeviceRun:
    """Run a set on the device; leave ``out``/<case>/<tensor>.hex in the layout of the set.

    ``work`` holds builds, which are made once. A ``bug`` is chosen in a build that knows them all;
    with ``fixed`` it is a define of a build of its own, as in a synthesised chip.

    Raises
    ------
    ValueError
        If the set, a case or a bug is not one.
    SimulatorError
        If no simulator can run, or the device hangs.
    """
    if bug not in BUGS and bug != NO_BUG:
        raise ValueError(f"bug must be one of {', '.join(BUGS)}, not {bug!r}")
    size = device or Device()
    wanted = chosen(read_set(vectors), cases)
    reasons = {name: excluded(case, size) for name, case in wanted.items()}
    names = [name for name, reason in reasons.items() if not reason]
    left_out = {name: reason for name, reason in reasons.items() if reason}
    if not names:
        raise ValueError(f"{vectors} must hold a case the device can run: {_first(left_out)}")
    defines = ANY_BUG
    if fixed:
        defines = {} if bug == NO_BUG else {"XV_BUG": f"xv_bugs::{bug.upper()}"}
    number = 0 if bug == NO_BUG else BUGS[bug].number
    pattern = stalls or Stalls()
    report = run(
        build(design("xv_npu", size.parameters, defines), work, simulator),
        "xv_npu",
        BENCH,
        job={
            "set": str(vectors.resolve()),
            "cases": names,
            "out": str(out.resolve()),
            "stall_seed": pattern.seed,
            "stall": {
                "load": pattern.load,
                "product": pattern.product,
                "result": pattern.result,
            },
        },
        plusargs=() if fixed else (f"+xv_bug={number}",),
    )
    return DeviceRun(cases=report, excluded=left_out)


def _first(reasons: Mapping[str, str]) -> str:
    return next((f"{name}: {reason}" for name, reason in reasons.items()), "it holds none")
