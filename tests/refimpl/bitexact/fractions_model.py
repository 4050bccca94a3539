"""Float sums in exact fractions: the judge of every accumulation. Knows nothing of binary64.

A number is a fraction; ∞ and NaN are Python's floats, and go through sums as they do.
"""

from fractions import Fraction
from math import floor, inf, isnan, nan


def grid(of):
    """Significand bits, exponent of the least subnormal, largest number of a format's record."""
    largest = Fraction(of.largest)
    return of.fraction + 1, 1 - ((1 << (of.exponent - 1)) - 1) - of.fraction, largest


def exponent_of(x):
    """Floor of log2 of a positive fraction."""
    e = x.numerator.bit_length() - x.denominator.bit_length()
    return e - 1 if x < Fraction(2) ** e else e


def beyond(x, of, rounding, overflow):
    """What is too large for a format: an infinity, its substitute, or the largest number."""
    largest = grid(of)[2] if x > 0 else -grid(of)[2]
    if overflow == "saturate":
        return largest
    if overflow == "nan" or of.name == "fp8_e4m3":
        return nan
    inward = ("toward_zero", "toward_negative" if x > 0 else "toward_positive")
    if rounding in inward and not isinstance(x, float):
        return largest
    return inf if x > 0 else -inf


def nearest(x, of, rounding="nearest_even", *, flush=False, overflow=None):
    """Round an exact fraction; an overflow raises unless it is said what becomes of it."""
    digits, least, largest = grid(of)
    if isinstance(x, float):
        return nan if isnan(x) else beyond(x, of, rounding, overflow)
    if x == 0:
        return x
    step = Fraction(2) ** max(exponent_of(abs(x)) - digits + 1, least)
    steps = abs(x) / step
    whole = floor(steps)
    rest = steps - whole
    half = Fraction(1, 2)
    if rounding == "nearest_even":
        whole += rest > half or (rest == half and whole % 2 == 1)
    elif rounding == "nearest_away":
        whole += rest >= half
    elif rounding == ("toward_positive" if x > 0 else "toward_negative"):
        whole += rest > 0
    value = whole * step
    if value > largest:
        if overflow is None:
            raise OverflowError
        return beyond(x, of, rounding, overflow)
    if flush and value < Fraction(2) ** (least + digits - 1):
        value = Fraction(0)
    return value if x > 0 else -value


def cut(x, step):
    return Fraction(int(x / step)) * step  # int() drops the fraction


def accumulate(weights, values, of, start, formats, *, raises=True):
    """One sum of products in the way that ``of``, an Accumulation, declares."""
    into, flush = formats[of.format], of.subnormals == "flushed"
    beyond_sums, beyond_products = (
        None if raises else each for each in (of.overflow, of.product_overflow)
    )

    def r(x):
        return nearest(x, into, of.rounding, flush=flush, overflow=beyond_sums)

    def p(w, x):
        exact = w * x
        if of.product == "fused":
            return exact
        to = formats[of.product]
        return nearest(exact, to, of.product_rounding, flush=flush, overflow=beyond_products)

    terms = [p(w, x) for w, x in zip(weights, values, strict=True)]
    size = of.pass_terms or max(len(terms), 1)
    total = start
    for at in range(0, max(len(terms), 1), size):
        inner = total if of.between == "carried" else Fraction(0)
        one_pass = terms[at : at + size]
        for first in range(0, len(one_pass), of.lanes):
            inner = add_group(inner, one_pass[first : first + of.lanes], of, r)
        total = inner if of.between == "carried" else r(total + inner)
    return total


def add_group(total, group, of, r):
    if of.lane_order in ("exact", "aligned") and any(isinstance(x, float) for x in [total, *group]):
        return r(total + sum(group))
    if of.lane_order == "exact":
        return r(total + sum(group))
    if of.lane_order == "aligned":
        largest = max(abs(each) for each in (total, *group))
        if largest == 0:
            return Fraction(0)
        step = Fraction(2) ** (exponent_of(largest) - of.aligned_bits + 1)
        return r(sum(cut(each, step) for each in (total, *group)))
    if of.lane_order == "tree":
        while len(group) > 1:
            pairs = [r(a + b) for a, b in zip(group[::2], group[1::2], strict=False)]
            group = pairs + ([group[-1]] if len(group) % 2 else [])
        return r(total + group[0])
    chain = group[0]
    for each in group[1:]:
        chain = r(chain + each)
    return r(total + chain)
