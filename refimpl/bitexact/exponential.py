"""e^x, correctly rounded to any format, of binary64 additions and multiplications only.

    k = ⌊x·log₂e + ½⌋    r = (x − k·L_hi) − k·L_lo    |r| ≤ 0.3466
    e^x = 2^k·p(r),      p the Taylor polynomial of degree 13, by Horner's rule

L_hi holds the first 36 bits of ln 2 (k·L_hi is exact), L_lo the rest. No library function, no fused
multiplication: the same bits on every CPU. Relative error below 2⁻⁵⁰ (docs/correct-rounding.md);
where both ends of that margin round to the same number, that number is e^x correctly rounded.
``make check-exp`` goes through all binary32 inputs, and has mpmath decide where they do not.

Sources: Cody and Waite, "Software Manual for the Elementary Functions" (1980), chapter 6, for the
reduction; the polynomial is Taylor's; the margin is derived in the page named above.
"""

import numpy as np
from numba import njit

from refimpl.arrays import Array

MARGIN = 2.0**-50
LOG2_E = float.fromhex("0x1.71547652b82fep+0")
LN2_HIGH = float.fromhex("0x1.62e42fefa0000p-1")
LN2_LOW = float.fromhex("0x1.cf79abc9e3b3ap-40")
COEFFICIENTS = tuple(1.0 / factorial for factorial in (
    1, 1, 2, 6, 24, 120, 720, 5040, 40320, 362880, 3628800, 39916800, 479001600, 6227020800,
))  # fmt: skip
LOW, HIGH = -708.0, 709.0  # beyond, 2^k is no normal binary64 number


@njit(cache=True)
def exp64(x: float) -> float:
    """e^x in binary64 within ``MARGIN``; 0 below −708 and ∞ above 709."""
    if not abs(x) < np.inf:
        return x if x != -np.inf else 0.0
    if x < LOW:
        return 0.0
    if x > HIGH:
        return np.inf
    k = np.floor(x * LOG2_E + 0.5)
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    p = COEFFICIENTS[13]
    for i in range(12, -1, -1):
        p = p * r + COEFFICIENTS[i]
    return p * np.int64(np.int64(k + 1023) << 52).view(np.float64)


@njit(cache=True)
def _exp_all(values: Array, out: Array) -> None:
    for at in range(values.size):
        out[at] = exp64(values[at])


def exp_near(x: Array) -> Array:
    """e^x of binary64 numbers, within ``MARGIN``, to be rounded to a narrower format."""
    flat = np.ascontiguousarray(x, np.float64).reshape(-1)
    out = np.empty_like(flat)
    _exp_all(flat, out)
    return out.reshape(x.shape)


@njit(cache=True)
def hard_words(first: int, last: int, found: Array) -> int:
    """Words of binary32 inputs first … last − 1 whose margin does not decide; returns how many."""
    count = 0
    for word in range(first, last):
        x = np.float64(np.uint32(word).view(np.float32))
        y = exp64(x)
        if np.float32(y * (1 - MARGIN)) != np.float32(y * (1 + MARGIN)):
            if count < found.size:
                found[count] = word
            count += 1
    return count
