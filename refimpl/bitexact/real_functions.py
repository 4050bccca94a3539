"""e^x, 1/x and 1/√x of binary64 numbers in integers, as near as it takes to know how they round.

    f(x) = S·2^E + something less than 2^E,  S of more than 64 bits,  "something" 0 or not

From that any rounding follows. 1/x is a quotient of integers, 1/√x the integer root of one, both
with an exact remainder. For e^x = 2^k·e^r the series of e^r, |r| ≤ ½·ln 2, is summed in fixed point
of P bits with a bound of its error; where both ends of the bound have different S, P is doubled.
That ends: e^x is irrational for every rational x but 0.

Slow, for tables and for binary64, which has no wider format to compute in: some 20 µs a number.

Sources: Ziv, "Fast evaluation of elementary mathematical functions with correctly rounded last
bit", ACM Trans. Math. Software 17 (1991), for the loop; ln 2 by Machin-like arctangents, Gourdon
and Sebah, "The logarithmic constant" (2004). The error bound is derived below.
"""

from collections.abc import Callable
from functools import lru_cache
from math import inf, isqrt, ldexp
from typing import NamedTuple

import numpy as np

from refimpl.arrays import Array

FIRST_BITS = 160  # ours: decides all but one input in 2^90
KEPT = 66  # bits of S at least: 53, one to round by, and some
MIRRORED = {"toward_positive": "toward_negative", "toward_negative": "toward_positive"}
BEYOND = 800  # e^±800 rounds as anything larger, or smaller, does


class Real(NamedTuple):
    """A positive real number: ``significand``·2^``exponent``, or less than 2^``exponent`` more."""

    significand: int
    exponent: int
    exact: bool


def rounded_function(name: str, values: Array, rounding: str) -> Array:
    """Round the function of each finite number (of rsqrt: positive, of 1/x: not 0) to binary64.

    ``rounding`` is one of ``formats.Mode``, or "odd": a result that is not exact ends in a one, so
    that it may be rounded again, to 51 bits or fewer.
    """
    given = np.asarray(values, np.float64)
    flat = [_one(name, x, rounding) for x in given.reshape(-1).tolist()]
    return np.array(flat, np.float64).reshape(given.shape)


def _one(name: str, x: float, rounding: str) -> float:
    if name == "reciprocal" and x < 0:
        return -round_real(_REAL[name](-x), MIRRORED.get(rounding, rounding))
    return round_real(_REAL[name](x), rounding)


def round_real(real: Real, rounding: str) -> float:
    """Round a positive number to binary64; ∞ where it is too large, and may be."""
    significand, exponent, exact = real
    drop = max(significand.bit_length() - 53, -1074 - exponent)
    if drop <= 0:
        return ldexp(significand, exponent)
    whole, rest, half = significand >> drop, significand & ((1 << drop) - 1), 1 << (drop - 1)
    above = rest > half or (rest == half and not exact)
    tie = rest == half and exact
    some = rest > 0 or not exact
    whole += {
        "nearest_even": above or (tie and whole % 2 == 1),
        "nearest_away": above or tie,
        "toward_zero": False,
        "toward_negative": False,
        "toward_positive": some,
        "odd": some and whole % 2 == 0,
    }[rounding]
    try:
        return ldexp(whole, exponent + drop)
    except OverflowError:
        kept = rounding in ("toward_zero", "toward_negative", "odd")
        return float(np.finfo(np.float64).max) if kept else inf


def _reciprocal(x: float) -> Real:
    above, below = x.as_integer_ratio()
    places = KEPT + max(above.bit_length() - below.bit_length(), 0) + 1
    quotient, rest = divmod(below << places, above)
    return Real(quotient, -places, rest == 0)


def _rsqrt(x: float) -> Real:
    above, below = x.as_integer_ratio()
    places = KEPT + max(above.bit_length() - below.bit_length(), 0) // 2 + 1
    square, rest = divmod(below << (2 * places), above)
    root = isqrt(square)
    return Real(root, -places, rest == 0 and root * root == square)


def _exp(x: float) -> Real:
    if x == 0:
        return Real(1, 0, exact=True)
    bits = FIRST_BITS
    while (found := _exp_within(max(min(x, BEYOND), -BEYOND), bits)) is None:
        bits *= 2
    return found


def _exp_within(x: float, bits: int) -> Real | None:
    """e^x by numbers of ``bits`` after the point; None where that does not decide S.

    In units of 2^−P: cutting x costs 1, ln 2 costs |k|, so r is known to |k| + 1, and e^r < 1.42 to
    twice that. Each term, cut, is off by less than its forerunner's error times |r|/i, plus 1:
    below 2, and so is what the last one leaves out.
    """
    above, below = x.as_integer_ratio()
    scaled = (above << bits) // below
    k = round(x / 0.6931471805599453)
    r = scaled - k * _ln2(bits)
    term = total = 1 << bits
    count = 0
    while term:
        count += 1
        term = ((term * r) >> bits) // count
        total += term
    error = 2 * (abs(k) + 1) + 2 * (count + 2)
    drop = total.bit_length() - KEPT - 2
    low, high = (total - error) >> drop, (total + error) >> drop
    return Real(low, k - bits + drop, exact=False) if low == high else None


@lru_cache
def _ln2(bits: int) -> int:
    """⌊ln 2·2^bits⌋ or one less: 18·artanh(1/26) − 2·artanh(1/4801) + 8·artanh(1/8749)."""
    guard = 32
    total = sum(many * _artanh(of, bits + guard) for many, of in ((18, 26), (-2, 4801), (8, 8749)))
    return total >> guard


def _artanh(of: int, bits: int) -> int:
    """Σ 1/((2i + 1)·of^(2i+1)) in units of 2^−bits, each term cut."""
    power = (1 << bits) // of
    total, odd = 0, 1
    while power:
        total += power // odd
        power //= of * of
        odd += 2
    return total


_REAL: dict[str, Callable[[float], Real]] = {
    "exp": _exp,
    "reciprocal": _reciprocal,
    "rsqrt": _rsqrt,
}
