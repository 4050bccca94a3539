"""The process that cocotb's runner gets for itself: ``python -m hwsim.rtl.runner ORDER``.

ORDER is JSON made by ``simulator.py``: a build, or a run of a bench on one.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

VERILATOR = ("-CFLAGS", "-std=c++20 -fcoroutines", "-Wno-fatal", "-O3")


def build(order: Mapping[str, Any]) -> None:
    """Build a design with cocotb's runner for its simulator."""
    from cocotb_tools.runner import get_runner  # noqa: PLC0415 -- an extra

    sources = [Path(path) for path in order["sources"]]
    get_runner(order["simulator"]).build(
        sources=sources,
        includes=sorted({path.parent for path in sources}),
        defines=order["defines"],
        parameters=order["parameters"],
        build_args=VERILATOR if order["simulator"] == "verilator" else (),
        hdl_toplevel=order["top"],
        always=True,
        build_dir=order["build_dir"],
        timescale=("1ns", "1ps"),
    )


def run(order: Mapping[str, Any]) -> None:
    """Run a bench; the results file says whether it passed."""
    from cocotb_tools.runner import get_runner  # noqa: PLC0415 -- an extra

    get_runner(order["simulator"]).test(
        test_module=order["bench"],
        hdl_toplevel=order["top"],
        hdl_toplevel_lang="verilog",
        build_dir=order["build_dir"],
        test_dir=order["run_dir"],
        results_xml=str(Path(order["run_dir"]) / "results.xml"),
        plusargs=order["plusargs"],
        extra_env=order["environment"],
        timescale=("1ns", "1ps"),
    )


def main() -> None:
    """Do what the order says."""
    order = json.loads(sys.argv[1])
    {"build": build, "run": run}[order["do"]](order)


if __name__ == "__main__":
    main()
