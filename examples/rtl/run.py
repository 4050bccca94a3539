"""Build your module and run its testbench on a set: ``python run.py SET OUT [DEFINE...]``."""

import sys
from pathlib import Path

from hwsim.rtl.simulator import Design, SimulatorError, build, run

HERE = Path(__file__).parent
TOP, BENCH, SOURCES = "my_mac", "bench_my_mac", ("my_mac.sv",)  # yours


def main() -> None:
    """Leave OUT/<case>/<tensor>.hex for ``refimpl check``."""
    golden, out, *defines = sys.argv[1:]
    design = Design(
        top=TOP,
        sources=tuple(HERE / name for name in SOURCES),
        defines=dict.fromkeys(defines, "1"),
    )
    job = {"set": str(Path(golden).resolve()), "out": str(Path(out).resolve())}
    try:
        report = run(build(design, HERE / "builds"), TOP, BENCH, job=job, paths=(HERE,))
    except SimulatorError as error:
        sys.exit(str(error))
    print(f"{out}: {', '.join(report['cases'])}")


if __name__ == "__main__":
    main()
