"""Number types of checkpoints: widened to binary64 to compute, rounded once to be written.

float16 and bfloat16 have 11 and 8 significant bits; every one of their numbers is a binary64.
"""

from typing import Any

import numpy as np

from refimpl.arrays import Array

DTYPES = ("float16", "bfloat16", "float32", "float64")
"""From the narrowest to the widest; bfloat16 has float32's range."""


def widen(key: str, array: Array) -> Array:
    """The same numbers in binary64.

    Raises
    ------
    ValueError
        If they are not floating-point numbers, or one of them is not finite.
    """
    if array.dtype.name not in DTYPES:
        raise ValueError(
            f"{key} must hold numbers of type {', '.join(DTYPES)}, not {array.dtype.name}"
        )
    wide = array.astype(np.float64)
    if not np.isfinite(wide).all():
        bad = int((~np.isfinite(wide)).sum())
        raise ValueError(f"{key} must be finite, not hold NaN or infinity ({bad} of {wide.size})")
    return wide


def round_once(key: str, array: Array, dtype: Any) -> Array:
    """Round binary64 numbers to a type.

    Raises
    ------
    ValueError
        If one of them is beyond the type's range.
    """
    with np.errstate(over="ignore"):
        rounded = array.astype(dtype)
    if not np.isfinite(rounded.astype(np.float64)).all():
        raise ValueError(
            f"{key} must fit in {np.dtype(dtype).name}, not reach {np.abs(array).max():.6g}; write "
            f"a wider type"
        )
    return rounded


def widest(dtypes: Any) -> Any:
    """The widest of floating-point types."""
    return max(dtypes, key=lambda dtype: DTYPES.index(dtype.name))
