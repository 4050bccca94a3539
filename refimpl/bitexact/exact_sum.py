"""Sums without rounding: a fixed-point number wide enough for every product of binary32 numbers.

    value = Σ_i limb_i · 2^(32·i − 352)          i = 0 … 20, each limb a 64-bit integer

Products of binary32 numbers are multiples of 2⁻²⁹⁸ below 2²⁵⁶, and a binary64 number that holds one
is 53 bits cut into three limbs. 2³⁰ of them fit before a limb can overflow.

Source: Kulisch, "Computer Arithmetic and Validity" (2008), chapter 8: the long accumulator.
"""

import numpy as np
from numba import njit

from refimpl.arrays import Array

LIMBS = 21
LEAST = -352
MASK = 0xFFFFFFFF


@njit(cache=True)
def add_exactly(limbs: Array, x: float) -> None:
    """Add a finite binary64 number of [2⁻³⁵², 2²⁸⁸), a multiple of 2⁻³⁵²."""
    word = np.float64(x).view(np.int64)
    exponent = (word >> 52) & 2047
    if exponent == 0:
        return
    significand = (word & np.int64(0xFFFFFFFFFFFFF)) | (np.int64(1) << 52)
    place = exponent - 1075 - LEAST
    if place < 0:
        significand >>= -place
        place = np.int64(0)
    sign = np.int64(1) if word >= 0 else np.int64(-1)
    limb, shift = place >> 5, place & 31
    low = (significand & MASK) << shift
    high = (significand >> 32) << shift
    limbs[limb] += sign * (low & MASK)
    limbs[limb + 1] += sign * ((low >> 32) + (high & MASK))
    limbs[limb + 2] += sign * (high >> 32)


@njit(cache=True)
def round_exactly(limbs: Array) -> float:
    """Round the sum to binary64 *to odd*, so that it may be rounded again; uses the limbs up."""
    _carry(limbs)
    negative = limbs[LIMBS - 1] < 0
    if negative:
        for at in range(LIMBS):
            limbs[at] = -limbs[at]
        _carry(limbs)
    top = LIMBS - 1
    while top >= 0 and limbs[top] == 0:
        top -= 1
    if top < 0:
        return 0.0
    width = np.int64(0)
    while limbs[top] >> width != 0:
        width += 1
    # 53 bits from the leading one down, and whether anything is left below them.
    significand, kept, sticky = np.int64(0), np.int64(0), False
    for at in range(top, -1, -1):
        size = width if at == top else np.int64(32)
        take = min(size, 53 - kept)
        significand = (significand << take) | (limbs[at] >> (size - take))
        rest = limbs[at] & ((np.int64(1) << (size - take)) - 1)
        sticky = sticky or rest != 0
        kept += take
    exponent = 32 * top + width - 1 + LEAST
    significand <<= 53 - kept
    if sticky:
        significand |= 1
    word = (np.int64(exponent + 1023) << 52) | (significand & np.int64(0xFFFFFFFFFFFFF))
    value = np.int64(word).view(np.float64)
    return -value if negative else value


@njit(cache=True)
def _carry(limbs: Array) -> None:
    """Bring every limb but the last into 0 … 2³² − 1."""
    for at in range(LIMBS - 1):
        carry = limbs[at] >> 32
        limbs[at] -= carry << 32
        limbs[at + 1] += carry
