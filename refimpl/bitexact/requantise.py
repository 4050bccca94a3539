"""Integers to integers of another scale: a multiplication, a shift, a rounding rule, a clip.

A real factor is a multiplier m and a shift s: factor = m/2^s. For an accumulator a, the rules
(floor division, exact integers) are

    half_up        ⌊(a·m + 2^(s−1)) / 2^s⌋                        nearest, ties upwards
    half_even      nearest to a·m/2^s, ties to the even integer
    half_away      nearest to a·m/2^s, ties away from zero
    floor          ⌊a·m / 2^s⌋                                    truncation of two's complement
    toward_zero    a·m/2^s without its fraction                   truncation of the magnitude
    tflite_double  h = trunc((a·m + (2³⁰ if a·m ≥ 0 else 1 − 2³⁰)) / 2³¹), then
                   nearest to h/2^(s−31), ties away from zero
    tosa_double    ⌊(a·m + 2^(s−1) ± 2³⁰) / 2^s⌋, + for a ≥ 0 and − for a < 0; the 2³⁰ where s > 31
    float_even     nearest to fl32(fl32(a)·f), ties to even; f a binary32 scale, no shift

``tosa_double`` is ``tflite_double`` wherever that is defined, s ≥ 31; TOSA's scaling of 32 bits
without double rounding is ``half_up``. Then y = clip(rule + zero point, low, high). All integer
rules are exact in 64-bit integers: the multiplier must be below 2^(63 − bits of the accumulator).

Sources: gemmlowp (Jacob et al., arXiv:1712.05877, 2018, section 2.3) for ``tflite_double``, its
saturating rounding doubling high multiplication and rounding shift; TOSA 1.0, RESCALE, for what
``tosa_double`` computes; ONNX QLinearConv with ONNX Runtime's binary32 scale for ``float_even``;
the others stated here.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from math import frexp
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from refimpl.arrays import Array

Rounding: TypeAlias = Literal[
    "half_up", "half_even", "half_away", "floor", "toward_zero", "tflite_double", "tosa_double",
    "float_even",
]  # fmt: skip

FLOAT_RULE = "float_even"
INT8 = (-128, 127)


class Factor(NamedTuple):
    """Real factors as integers: ``multiplier``/2^``shift``, each (channels,) int64."""

    multiplier: Array
    shift: Array


def fixed_point(factors: Array) -> Factor:
    """Nearest multiplier and shift to each binary64 factor of [2⁻³¹, 1) (ties to even).

    Raises
    ------
    ValueError
        If a factor is not in [2⁻³¹, 1): the shift must be 31 to 61 so that every rule is exact.
    """
    pairs = [_fixed_point(float(each)) for each in np.atleast_1d(factors)]
    return Factor(*(np.array(column, np.int64) for column in zip(*pairs, strict=True)))


def factor_of(tensors: Mapping[str, Array], prefix: str = "") -> Factor:
    """The factor that a case's tensors hold: ``multiplier`` and ``shift``, or a binary32 scale."""
    multiplier = tensors[f"{prefix}multiplier"]
    return Factor(multiplier, tensors.get(f"{prefix}shift", np.zeros(len(multiplier), np.int64)))


def float_scale(factor: Factor) -> Array:
    """The binary32 scale nearest to each m/2^s, for the rule ``float_even``."""
    return np.asarray(
        np.ldexp(factor.multiplier.astype(np.float64), -factor.shift.astype(int))
    ).astype(np.float32)


def requantise(
    accumulator: Array,
    factor: Factor,
    *,
    rounding: str,
    zero_point: int = 0,
    channel_axis: int = 1,
    bits: int = 32,
) -> Array:
    """Scale accumulators of ``bits`` bits by a factor per channel; int64, before clipping.

    Raises
    ------
    ValueError
        If the rounding rule is unknown, its factor is of the wrong kind, or it might overflow.
    """
    rule = _float_even if rounding == FLOAT_RULE else rounding_rule(rounding)
    wide = [1] * accumulator.ndim
    wide[channel_axis] = -1
    multiplier, shift = (each.reshape(wide) for each in factor)
    if (rounding == FLOAT_RULE) != (multiplier.dtype.kind == "f"):
        raise ValueError(
            "the rule float_even must have binary32 scales for multipliers, and no other rule"
        )
    if rounding == FLOAT_RULE:
        return rule(accumulator, multiplier) + zero_point
    if int(multiplier.max(initial=0)) >= 2 ** min(31, 63 - bits):
        raise ValueError(
            f"a multiplier must be below 2^{min(31, 63 - bits)} for a {bits}-bit accumulator"
        )
    product = accumulator.astype(np.int64) * multiplier.astype(np.int64)
    return rule(product, shift.astype(np.int64)) + zero_point


def saturate(values: Array, limits: tuple[int, int] = INT8) -> Array:
    """Clip to the range of int8 (or ``limits``) and store as int8."""
    return np.clip(values, *limits).astype(np.int8)


def rounding_rule(name: str) -> Callable[[Array, Array], Array]:
    """The function (product, shift) → rounded of an integer rule's name.

    Raises
    ------
    ValueError
        If there is no rule of that name.
    """
    if name not in ALL_RULES:
        raise ValueError(f"rounding must be one of {', '.join(ALL_RULES)}, not {name!r}")
    return ALL_RULES[name]


def _fixed_point(factor: float) -> tuple[int, int]:
    if not 2.0**-31 <= factor < 1:
        raise ValueError(f"a requantisation factor must lie in [2^-31, 1), not be {factor!r}")
    fraction, exponent = frexp(factor)  # factor = fraction · 2^exponent, ½ ≤ fraction < 1
    multiplier = round(Fraction(fraction) * 2**31)
    if multiplier == 2**31:  # it rounded up to a power of two
        multiplier, exponent = 2**30, exponent + 1
    if exponent > 0:  # just below 1: the nearest that keeps a shift of 31
        return 2**31 - 1, 31
    return multiplier, 31 - exponent


def _half_up(product: Array, shift: Array) -> Array:
    return (product + (np.int64(1) << (shift - 1))) >> shift


def _half_even(product: Array, shift: Array) -> Array:
    quotient = product >> shift
    twice = (product - (quotient << shift)) * 2 - (np.int64(1) << shift)
    up = (twice > 0) | ((twice == 0) & (quotient % 2 == 1))
    return quotient + up


def _floor(product: Array, shift: Array) -> Array:
    return product >> shift


def _tflite_double(product: Array, shift: Array) -> Array:
    half = np.int64(1) << 30
    nudged = product + np.where(product >= 0, half, 1 - half)
    high = np.sign(nudged) * (np.abs(nudged) >> 31)
    rest = shift - 31
    away = (np.abs(high) + ((np.int64(1) << rest) >> 1)) >> rest
    return np.sign(high) * away


def _half_away(product: Array, shift: Array) -> Array:
    return np.sign(product) * ((np.abs(product) + (np.int64(1) << (shift - 1))) >> shift)


def _toward_zero(product: Array, shift: Array) -> Array:
    return np.sign(product) * (np.abs(product) >> shift)


def _tosa_double(product: Array, shift: Array) -> Array:
    nudge = np.where(product >= 0, np.int64(1) << 30, -(np.int64(1) << 30))
    half = (np.int64(1) << (shift - 1)) + np.where(shift > 31, nudge, 0)
    return (product + half) >> shift


def _float_even(accumulator: Array, scale: Array) -> Array:
    real = accumulator.astype(np.float32) * scale.astype(np.float32)
    return np.rint(np.clip(real.astype(np.float64), -(2.0**40), 2.0**40)).astype(np.int64)


RULES: dict[str, Callable[[Array, Array], Array]] = {
    "half_up": _half_up,
    "half_even": _half_even,
    "floor": _floor,
    "tflite_double": _tflite_double,
}
"""The integer rules that sets, mutants and claims run over: (product, shift) to int64."""
ALL_RULES: dict[str, Callable[[Array, Array], Array]] = RULES | {
    "half_away": _half_away,
    "toward_zero": _toward_zero,
    "tosa_double": _tosa_double,
}
"""Every integer rule a case may name."""
ROUNDINGS: tuple[str, ...] = (*ALL_RULES, FLOAT_RULE)
"""Every rule that a case may declare, the one of binary32 scales too."""
FORMULAS: dict[str, str] = {
    "half_up": "floor((a*m + 2^(s-1)) / 2^s)",
    "half_even": "nearest to a*m/2^s, ties to even",
    "half_away": "nearest to a*m/2^s, ties away from zero",
    "floor": "floor(a*m / 2^s)",
    "toward_zero": "a*m/2^s without its fraction",
    "tflite_double": "h = trunc((a*m + (2^30 if a*m >= 0 else 1-2^30)) / 2^31); "
    "nearest to h/2^(s-31), ties away from zero",
    "tosa_double": "floor((a*m + 2^(s-1) + (0 if s <= 31 else 2^30 if a >= 0 else -2^30)) / 2^s)",
    "float_even": "nearest to fl32(fl32(a)*m), ties to even, m a binary32 scale",
}
