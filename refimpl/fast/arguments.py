"""What the fast paths accept: contiguous arrays, all of one floating type."""

from typing import Any

import numpy as np
from numba import config

from refimpl.arrays import Array

TYPES = (np.dtype(np.float32), np.dtype(np.float64))


def floating(operator: str, **arrays: Array | None) -> Any:
    """Return the arrays, contiguous, in the order given; None stays None.

    Raises
    ------
    ValueError
        If they are not all float32 or all float64; the definition takes any number type.
    RuntimeError
        If compilation is switched off.
    """
    if config.DISABLE_JIT:
        raise RuntimeError(
            f"refimpl.fast.{operator} must be compiled: unset NUMBA_DISABLE_JIT, or use "
            f"refimpl.{operator}, its definition"
        )
    kinds = {name: each.dtype for name, each in arrays.items() if each is not None}
    first = next(iter(kinds.values()))
    if first not in TYPES or any(kind != first for kind in kinds.values()):
        given = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
        raise ValueError(
            f"refimpl.fast.{operator} must be given arrays all float32 or all float64, not "
            f"{given}; refimpl.{operator}, its definition, takes any number type"
        )
    return [None if each is None else np.ascontiguousarray(each) for each in arrays.values()]
