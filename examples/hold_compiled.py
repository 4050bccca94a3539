"""A compiled library, called through ctypes and held against the claims about PSSA.

Needs a C compiler by the name of cc.

    python examples/hold_compiled.py
"""

import ctypes
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from proofs import DisagreementError, hold

STEPS = ((0, -1), (0, 1), (-1, 0), (1, 0))  # left, right, up, down: where one reads
ONLY = {"directions": STEPS, "length": 1, "boundary": "circular", "stride": 1, "dilation": 1}


def compiled(folder, *flags):
    """The library of hold_compiled.c, built with some flags, as a function of arrays."""
    source, library = Path(__file__).with_suffix(".c"), Path(folder) / f"pssa{len(flags)}.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", *flags, source, "-o", library], check=True)
    function = ctypes.CDLL(str(library)).pssa

    def kernel(x, w):
        x, w = np.ascontiguousarray(x), np.ascontiguousarray(w)
        y = np.empty((1, len(w), *x.shape[2:]))
        arrays = (each.ctypes.data_as(ctypes.c_void_p) for each in (x, w, y))
        function(*arrays, *x.shape[1:], len(w), w.shape[2])
        return y

    return kernel


def main():
    """Hold the library built in both ways."""
    with TemporaryDirectory() as folder:
        hold(compiled(folder, "-DREMAINDER"), "pssa", **ONLY)
        print("remainder: nothing found\n")
        try:
            hold(compiled(folder), "pssa", **ONLY)
        except DisagreementError as found:
            print(f"mask: {found}")


if __name__ == "__main__":
    main()
