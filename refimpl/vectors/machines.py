"""Machines that a set must not depend on, as environments of a process: CPU, BLAS, libm, compiler.

The same case id must give the same bytes under every one of them. Each setting switches off what a
library would otherwise choose by the CPU it finds; none needs another CPU.

Sources: NumPy, "CPU build options" (dispatch); OpenBLAS, "Runtime variables"; glibc manual,
"Hardware Capability Tunables"; Numba, "Environment variables".
"""

from collections.abc import Mapping

PLAIN = "this machine"
MACHINES: Mapping[str, Mapping[str, str]] = {
    PLAIN: {},
    "old CPU for NumPy": {
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
        "PYTHONWARNINGS": "ignore",  # features that this CPU lacks are only warned about
    },
    "old CPU for BLAS": {"OPENBLAS_CORETYPE": "Prescott", "OPENBLAS_NUM_THREADS": "1"},
    "old CPU for libm": {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX,-AVX2,-FMA,-FMA4,-AVX512F"},
    "generic CPU for the compiler": {"NUMBA_CPU_NAME": "generic"},
}
INTERPRETED: Mapping[str, str] = {"NUMBA_DISABLE_JIT": "1", "PYTHONWARNINGS": "error"}
"""No compiler at all: slow, for small sets."""
STEERING = ("NUMBA_", "NPY_", "OPENBLAS_", "GLIBC_TUNABLES", "PYTHONWARNINGS")
"""Beginnings of the variables that settings set: a machine starts without any of them."""
