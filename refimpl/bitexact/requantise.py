"""Integers to integers of another scale: a multiplication, a shift, a rounding rule, a clip.

A real factor is a multiplier m and a shift s: factor = m/2^s. For an accumulator a, the rules
(floor division, exact integers) are

    half_up        ⌊(a·m + 2^(s−1)) / 2^s⌋                        nearest, ties upwards
    half_even      nearest to a·m/2^s, ties to the even integer
    half_away      nearest to a·m/2^s, ties away from zero
    floor          ⌊a·m / 2^s⌋                                    truncation of two's complement
    toward_zero    a·m/2^s without its fraction                   truncation of the magnitude
    tflite_double  h = trunc((2^l·a·m + (2³⁰ if a·m ≥ 0 else 1 − 2³⁰)) / 2³¹), then nearest to
                   h/2^r, ties away from zero; l = max(31 − s, 0), r = max(s − 31, 0)
    tosa_double    ⌊(a·m + 2^(s−1) ± 2³⁰) / 2^s⌋, + for a ≥ 0 and − for a < 0; the 2³⁰ where s > 31
    float_even     nearest to fl32(fl32(a)·f), ties to even; f a binary32 scale, no shift

``tosa_double`` and ``tflite_double`` are the same numbers: above s = 31 since ⌊(⌊p/2³¹⌋ + c)/2^r⌋ =
⌊(p + 2³¹·c)/2^(31+r)⌋; up to it r = 0, and h is half up alone. (TFLite holds 2^l·a in 32 bits, and
its caller must see to that; here nothing is lost.) TOSA's other scaling is ``half_up``. Then
y = clip(rule + zero point, low, high). All integer rules are exact in 64-bit integers: the
multiplier must be below 2^(63 − bits of the accumulator). So each is one formula with constants of
its own, which is what is computed (``Rule``):

    ⌊(p + c)/2^s⌋   p = a·m ; c = plus where p ≥ 0, minus where p < 0 ; where ties go to even, one
                    more if ⌊p/2^s⌋ is odd

Sources: gemmlowp (Jacob et al., arXiv:1712.05877, 2018, section 2.3) for ``tflite_double``, its
saturating rounding doubling high multiplication and rounding shift, and TensorFlow Lite's
MultiplyByQuantizedMultiplier for the shift to the left before them; TOSA 1.0, RESCALE, for what
``tosa_double`` computes; ONNX QLinearConv with ONNX Runtime's binary32 scale for ``float_even``;
the others stated here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import frexp, prod
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numba import njit

from refimpl.arrays import Array, alike

Rounding: TypeAlias = Literal[
    "half_up", "half_even", "half_away", "floor", "toward_zero", "tflite_double", "tosa_double",
    "float_even",
]  # fmt: skip

FLOAT_RULE = "float_even"
INT8 = (-128, 127)
FAR = 2.0**40  # ours: beyond every format that follows


class Factor(NamedTuple):
    """Real factors as integers: ``multiplier``/2^``shift``, each (channels,) int64."""

    multiplier: Array
    shift: Array


def fixed_point(factors: Array, bits: int = 31) -> Factor:
    """Nearest multiplier of ``bits`` bits and shift to each factor of [2⁻³¹, 2^(bits − 1)).

    Ties to even. Below 1 the shift is ``bits`` to ``bits`` + 30; from 1 on, where the output's
    steps are finer than the accumulator's, 1 to ``bits`` − 1. A wider accumulator takes multipliers
    of fewer bits (``requantise``).

    Raises
    ------
    ValueError
        If a factor is out of this range.
    """
    pairs = [_fixed_point(float(each), bits) for each in np.atleast_1d(factors)]
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
    plan = scaling(factor, rounding=rounding, bits=bits)
    sizes, channels = accumulator.shape, len(plan.multiplier)
    around = (prod(sizes[:channel_axis]), prod(sizes[channel_axis + 1 :]))
    before, after = around if channels > 1 else (1, accumulator.size)  # one factor may serve all
    flat = accumulator.astype(np.int64).reshape(before, channels, after)
    out = np.empty_like(flat)
    _scale_all(flat, plan, out)
    out += zero_point
    return out.reshape(sizes)


class Scaling(NamedTuple):
    """What a rule and a factor come to per channel: binary32 scales, or integers of ``Rule``."""

    floating: bool
    scale: Array
    multiplier: Array
    shift: Array
    plus: Array
    minus: Array
    even: Array


def scaling(factor: Factor, *, rounding: str, bits: int) -> Scaling:
    """The constants of ``scale_row``, after the checks that ``requantise`` names."""
    multiplier, floating = factor.multiplier, rounding == FLOAT_RULE
    rule = None if floating else _rule(rounding)
    if floating != (multiplier.dtype.kind == "f"):
        raise ValueError(
            "the rule float_even must have binary32 scales for multipliers, and no other rule"
        )
    if rule is None:
        none = np.zeros(len(multiplier), np.int64)
        return Scaling(True, multiplier.astype(np.float32), none, none, none, none, none)
    if int(multiplier.max(initial=0)) >= 2 ** min(31, 63 - bits):
        raise ValueError(
            f"a multiplier must be below 2^{min(31, 63 - bits)} for a {bits}-bit accumulator"
        )
    whole, shift = alike(np.int64, *factor)
    return Scaling(False, np.zeros(len(whole), np.float32), whole, shift, *rule.constants(shift))


@njit(cache=True)
def scale_row(values: Array, of: Scaling, channel: int, out: Array) -> None:
    """Scale one channel's accumulators: the rule's integers, as int64."""
    if of.floating:
        scale = of.scale[channel]
        for at in range(values.size):
            real = np.float64(np.float32(values[at]) * scale)
            out[at] = np.int64(np.rint(min(max(real, -FAR), FAR)))
        return
    multiplier, shift = of.multiplier[channel], of.shift[channel]
    plus, minus, even = of.plus[channel], of.minus[channel], of.even[channel]
    for at in range(values.size):
        out[at] = _rounded_product(values[at] * multiplier, shift, plus, minus, even)


@njit(cache=True)
def _scale_all(values: Array, of: Scaling, out: Array) -> None:
    for before in range(values.shape[0]):
        for channel in range(values.shape[1]):
            scale_row(values[before, channel], of, channel, out[before, channel])


def saturate(values: Array, limits: tuple[int, int] = INT8) -> Array:
    """Clip to the range of int8 (or ``limits``) and store as int8."""
    return np.clip(values, *limits).astype(np.int8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """An integer rule: what is added to a product before its last s bits are cut off."""

    plus: Callable[[Array], Array]
    minus: Callable[[Array], Array]
    even: bool = False

    def constants(self, shift: Array) -> tuple[Array, Array, Array]:
        """``plus``, ``minus`` and whether ties go to even (0 or 1), for int64 shifts."""
        even = np.where(shift > 0, np.int64(self.even), np.int64(0))
        return self.plus(shift), self.minus(shift), even

    def __call__(self, product: Array, shift: Array) -> Array:
        """The rule of int64 products and shifts."""
        return _rounded(product, shift, *self.constants(shift))


def rounding_rule(name: str) -> Callable[[Array, Array], Array]:
    """The function (product, shift) → rounded of an integer rule's name.

    Raises
    ------
    ValueError
        If there is no rule of that name.
    """
    return _rule(name)


def _rule(name: str) -> Rule:
    if name not in _RULES:
        known = _RULES if name == FLOAT_RULE else ROUNDINGS
        raise ValueError(f"rounding must be one of {', '.join(known)}, not {name!r}")
    return _RULES[name]


def _rounded(product: Array, shift: Array, plus: Array, minus: Array, even: Array) -> Array:
    """The formula of every integer rule, of arrays and, compiled, of numbers."""
    negative = product >> 63  # all bits of it, or none
    return (product + plus + (negative & (minus - plus)) + ((product >> shift) & even)) >> shift


_rounded_product = njit(cache=True)(_rounded)


def _fixed_point(factor: float, bits: int) -> tuple[int, int]:
    if not 2.0**-31 <= factor < 2.0 ** (bits - 1):
        raise ValueError(
            f"a requantisation factor must lie in [2^-31, 2^{bits - 1}), not be {factor!r}"
        )
    fraction, exponent = frexp(factor)  # factor = fraction · 2^exponent, ½ ≤ fraction < 1
    multiplier = round(Fraction(fraction) * 2**bits)
    if multiplier == 2**bits:  # it rounded up to a power of two
        multiplier, exponent = 2 ** (bits - 1), exponent + 1
    least = bits if factor < 1 else 1
    if bits - exponent < least:  # just below 1, or the largest: the nearest that keeps the shift
        return 2**bits - 1, least
    return multiplier, bits - exponent


def _half(shift: Array) -> Array:
    return (np.int64(1) << shift) >> 1


def _below_half(shift: Array) -> Array:
    return np.maximum(_half(shift) - 1, 0)


def _nothing(shift: Array) -> Array:
    return np.zeros_like(shift)


_DOUBLE = Rule(
    plus=lambda shift: _half(shift) + np.where(shift > 31, np.int64(1) << 30, 0),
    minus=lambda shift: _half(shift) - np.where(shift > 31, np.int64(1) << 30, 0),
)
_RULES = {
    "half_up": Rule(plus=_half, minus=_half),
    "half_even": Rule(plus=_below_half, minus=_below_half, even=True),
    "floor": Rule(plus=_nothing, minus=_nothing),
    "tflite_double": _DOUBLE,
    "half_away": Rule(plus=_half, minus=_below_half),
    "toward_zero": Rule(plus=_nothing, minus=lambda shift: (np.int64(1) << shift) - 1),
    "tosa_double": _DOUBLE,
}
ALL_RULES: dict[str, Callable[[Array, Array], Array]] = dict(_RULES)
"""Every integer rule a case may name: (product, shift) to int64."""
RULES: dict[str, Callable[[Array, Array], Array]] = {
    name: _RULES[name] for name in ("half_up", "half_even", "floor", "tflite_double")
}
"""The integer rules that sets, mutants and claims run over."""
ROUNDINGS: tuple[str, ...] = (*ALL_RULES, FLOAT_RULE)
"""Every rule that a case may declare, the one of binary32 scales too."""
FORMULAS: dict[str, str] = {
    "half_up": "floor((a*m + 2^(s-1)) / 2^s)",
    "half_even": "nearest to a*m/2^s, ties to even",
    "half_away": "nearest to a*m/2^s, ties away from zero",
    "floor": "floor(a*m / 2^s)",
    "toward_zero": "a*m/2^s without its fraction",
    "tflite_double": "h = trunc((2^l*a*m + (2^30 if a*m >= 0 else 1-2^30)) / 2^31), "
    "l = max(31-s, 0); nearest to h/2^r, r = max(s-31, 0), ties away from zero",
    "tosa_double": "floor((a*m + 2^(s-1) + (0 if s <= 31 else 2^30 if a >= 0 else -2^30)) / 2^s)",
    "float_even": "nearest to fl32(fl32(a)*m), ties to even, m a binary32 scale",
}
