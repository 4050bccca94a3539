"""Binary64 to the grid of a narrower float format, by integer operations on the word.

    grid      multiples of 2^q, q = max(⌊log₂|x|⌋ − p + 1, q_least)       p significand bits
    nearest_even, nearest_away, toward_zero, toward_positive, toward_negative
              which of the two neighbours on it

A sum of two binary64 numbers is first rounded *to odd* (``add_odd``): where it is inexact, the last
bit is set. Rounding that to p ≤ 51 bits gives what rounding the exact sum once would give, which a
second rounding to nearest would not.

Source: Boldo and Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using
rounding to odd", IEEE Trans. Computers 57 (2008), theorem 1; Knuth's TwoSum for the error of a sum.
"""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numba import njit

from refimpl.arrays import Array, alike

NEAREST_EVEN, NEAREST_AWAY, TOWARD_ZERO, TOWARD_POSITIVE, TOWARD_NEGATIVE = range(5)
MODES = {
    "nearest_even": NEAREST_EVEN,
    "nearest_away": NEAREST_AWAY,
    "toward_zero": TOWARD_ZERO,
    "toward_positive": TOWARD_POSITIVE,
    "toward_negative": TOWARD_NEGATIVE,
}
Rounder: TypeAlias = tuple[int, int, float, int, int, bool]  # what ``round_to`` takes
INFINITE, SATURATED, NOT_A_NUMBER = 0, 1, 2
OVERFLOWS = {"infinity": INFINITE, "saturate": SATURATED, "nan": NOT_A_NUMBER}
INFINITY = 0x7FF << 52  # its word in binary64


@njit(cache=True)
def round_to_grid(x: float, digits: int, least: int, mode: int) -> float:
    """Round to ``digits`` significand bits, multiples of 2^``least`` at the finest; no overflow."""
    word = np.float64(x).view(np.int64)
    magnitude: Any = word & np.int64(0x7FFFFFFFFFFFFFFF)
    exponent = max(magnitude >> 52, 1) - 1023
    if exponent == 1024 or magnitude == 0:
        return x
    drop = 53 - digits
    if exponent - digits + 1 < least:
        drop = 52 - exponent + least
    if drop <= 0:
        return x
    sign = word - magnitude
    outward = mode == (TOWARD_POSITIVE if sign == 0 else TOWARD_NEGATIVE)
    if drop >= 53:  # below the finest step; at 53, not below half of it
        odd_half = mode == NEAREST_EVEN and (magnitude & np.int64(0xFFFFFFFFFFFFF)) != 0
        up = outward or (drop == 53 and (mode == NEAREST_AWAY or odd_half))
        magnitude = np.int64(least + 1023) << 52 if up else np.int64(0)
    else:
        step = np.int64(1) << drop
        if mode == NEAREST_EVEN:
            odd = np.int64(1) if drop == 52 else (magnitude >> drop) & 1  # 52: the hidden bit
            magnitude += (step >> 1) - 1 + odd
        elif mode == NEAREST_AWAY:
            magnitude += step >> 1
        elif outward:
            magnitude += step - 1
        magnitude &= -step
    return np.int64(sign | magnitude).view(np.float64)


@njit(cache=True)
def round_to(
    x: float,
    digits: int,
    least: int,
    largest: float,
    mode: int,
    overflow: int,
    flush: bool,
) -> float:
    """Round to a format: its grid, then what happens above ``largest`` and below normal numbers."""
    y = round_to_grid(x, digits, least, mode)
    if abs(y) > largest:
        inward = mode in (TOWARD_ZERO, TOWARD_NEGATIVE if y > 0 else TOWARD_POSITIVE)
        bounded = inward and abs(x) != np.inf and overflow == INFINITE
        if overflow == SATURATED or bounded:
            return largest if y > 0 else -largest
        if overflow == NOT_A_NUMBER:
            return np.nan
        return np.inf if y > 0 else -np.inf
    if flush and y != 0:
        normal = np.int64(least + digits - 1 + 1023) << 52
        if abs(y) < np.int64(normal).view(np.float64):
            return 0.0 if y > 0 else -0.0
    return y


@njit(cache=True)
def add_odd(a: float, b: float) -> float:
    """A + b, its last bit set where the sum is inexact: round-to-odd."""
    total = a + b
    if not abs(total) < np.inf:
        return total
    part = total - a
    error = (a - (total - part)) + (b - part)
    if error != 0:
        word = np.float64(total).view(np.int64)
        if word & 1 == 0:
            return np.int64(word + (1 if (error > 0) == (total > 0) else -1)).view(np.float64)
    return total


def sum_odd(a: Array, b: Array) -> Array:
    """A + b of two binary64 arrays, rounded to odd: to be rounded again, to 51 bits or fewer."""
    left, right = alike(np.float64, a, b)
    out = np.empty(left.shape)
    _add_odd_all(left.reshape(-1), right.reshape(-1), out.reshape(-1))
    return out


@njit(cache=True)
def _add_odd_all(left: Array, right: Array, out: Array) -> None:
    for at in range(out.size):
        out[at] = add_odd(left[at], right[at])


@njit(cache=True)
def zero_of(total: float, all_positive: bool, mode: int) -> float:
    """A sum that is exactly 0: −0 where rounding is downward, unless every term was +0.

    IEEE 754-2019, 6.3; any other sum is returned as it is.
    """
    if total == 0 and mode == TOWARD_NEGATIVE and not all_positive:
        return -0.0
    return total


@njit(cache=True)
def is_plus_zero(x: float) -> bool:
    """Whether a number is +0."""
    return np.float64(x).view(np.int64) == 0


class Packing(NamedTuple):
    """A cast to words of at most 32 bits, as numbers: what ``_pack`` needs to choose nothing.

    ``even``, ``away``, ``upward`` and ``downward`` are all ones or 0. ``most`` is the word of the
    largest finite number, ``beyond`` what a finite number above it becomes, ``below`` what one
    below its negative does, ``infinite`` what ±∞ does; a word below ``flushed`` becomes ±0.
    """

    digits: int
    least: int
    bits: int
    even: int
    away: int
    upward: int
    downward: int
    most: int
    beyond: int
    below: int
    infinite: int
    quiet: int
    flushed: int


def packing(rounder: Rounder, bits: int, most: int, quiet: int) -> Packing:
    """What rounding to a format means for its words; ``most`` and ``quiet`` are two of them."""
    digits, least, _, mode, overflow, flush = rounder
    end = {INFINITE: most + 1, SATURATED: most, NOT_A_NUMBER: quiet}[overflow]
    return Packing(
        digits,
        least,
        bits,
        -int(mode == NEAREST_EVEN),
        -int(mode == NEAREST_AWAY),
        -int(mode == TOWARD_POSITIVE),
        -int(mode == TOWARD_NEGATIVE),
        most,
        most if mode in (TOWARD_ZERO, TOWARD_NEGATIVE) and overflow == INFINITE else end,
        most if mode in (TOWARD_ZERO, TOWARD_POSITIVE) and overflow == INFINITE else end,
        end,
        quiet,
        1 << (digits - 1) if flush else 0,
    )


def round_to_words(values: Array, to: Packing) -> Array:
    """Round binary32 or binary64 numbers of any shape once, and pack them."""
    kind = np.float32 if values.dtype == np.float32 else np.float64
    flat = np.ascontiguousarray(values, kind).reshape(-1)
    out = np.empty(flat.shape, np.dtype(f"u{max(to.bits // 8, 1)}"))
    _pack(flat, to, out)
    return out.reshape(values.shape)


@njit(cache=True)
def _pack(values: Array, to: Packing, out: Array) -> None:
    """``round_to`` for many numbers at once: no branches, so that a processor takes eight."""
    fraction = to.digits - 1
    lead = to.least + fraction + 1023  # exponent field, in binary64, of the smallest normal number
    sign = np.int64(1) << (to.bits - 1)
    for at in range(out.size):
        word = np.float64(values[at]).view(np.int64)
        magnitude = word & np.int64(0x7FFFFFFFFFFFFFFF)
        field = max(magnitude >> 52, np.int64(1))
        significand = (magnitude & np.int64(0xFFFFFFFFFFFFF)) | (np.int64(1) << 52)
        # 55: nothing is left, and nothing of it is rounded up
        drop = min(52 - fraction + max(lead - field, np.int64(0)), np.int64(55))
        half = (np.int64(1) << drop) >> 1
        more = ((half - 1 + ((significand >> drop) & 1)) & to.even) + (half & to.away)
        negative = word >> 63
        outward = (to.upward & ~negative) | (to.downward & negative)
        more += (((np.int64(1) << drop) - 1) & outward) if magnitude != 0 else np.int64(0)
        # A normal significand holds its hidden bit, which carries into the exponent field.
        packed: Any = (max(field - lead, np.int64(0)) << fraction) + ((significand + more) >> drop)
        finite = to.below if negative != 0 else to.beyond
        end = to.infinite if magnitude == INFINITY else finite
        packed = end if packed > to.most else packed
        packed = np.int64(0) if packed < to.flushed else packed
        signed = packed | (negative & sign)
        out[at] = to.quiet if magnitude > INFINITY or packed == to.quiet else signed
