"""Tensors that a declared record needs, or does without, in a case that was drawn for the defaults.

normalise "none" in integers   weights_multiplier, weights_shift: scores to the format of x
an integer softmax             exp_table of 2^index_bits entries over the same range [−8, 0]
another denominator            output shift that takes it in
probabilities in floats        output_factor 1: the context is a mean of values already
statistics of the batch        no mean and variance among the inputs
accumulators beyond 32 bits    multipliers and shifts of fewer bits, the factor nearest to the drawn
the rule float_even            binary32 scales for multipliers and shifts
"""

from collections.abc import Mapping
from math import isqrt, log2, prod
from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.call import Attributes
from refimpl.bitexact.formats import format_of
from refimpl.bitexact.integer_sum import integer_accumulator
from refimpl.bitexact.records import ATTENTION, sums_floats
from refimpl.bitexact.requantise import FLOAT_RULE, Factor, float_scale
from refimpl.bitexact.softmax import denominator_of, exp_table

Changed = tuple[dict[str, Array], dict[str, Any]]
DRAWN_DENOMINATOR, DRAWN_INDEX_BITS, TABLE_RANGE = 255, 8, 8.0  # as ``draws.py`` has them


def fitted(
    operator: str, tensors: Mapping[str, Array], attributes: Attributes, *, integer: bool
) -> Changed:
    """Tensors and attributes with what the declared records need."""
    made, own = dict(tensors), dict(attributes)
    if operator in ATTENTION and integer:
        made |= _attention(made, own)
        if sums_floats(own):
            own.setdefault("output_factor", 1.0)
    if own.get("statistics") == "batch":
        made = {name: array for name, array in made.items() if name not in ("mean", "var")}
    if integer and own.get("rounding") == FLOAT_RULE:
        made = with_scales(made)
    if integer:
        made |= shortened(operator, made, own)
    return made, own


_ATTENDING: Mapping[str, str] = {
    "multiplier_q": "accumulator",
    "multiplier_k": "accumulator",
    "multiplier_v": "accumulator",
    "weights_multiplier": "accumulator_scores",
    "softmax_multiplier": "accumulator_scores",
    "multiplier": "accumulator_context",
}
SCALED_BY: Mapping[str, Mapping[str, str]] = {
    **dict.fromkeys(ATTENTION, _ATTENDING),
    "conv2d_backward": {"multiplier": "accumulator_dx"},
    "pssa_backward": {"d_multiplier": "accumulator_dx", "multiplier": "accumulator_shares"},
    "xvolution_backward": {
        "multiplier_c": "accumulator",
        "multiplier_a": "accumulator",
        "dx_multiplier_c": "accumulator_dx",
        "d_multiplier_a": "accumulator_dx",
        "dx_multiplier_a": "accumulator_shares",
    },
}
"""The accumulator that each factor scales, where it is not the one of a convolution."""
CONVOLVED = dict.fromkeys(("multiplier", "multiplier_c", "multiplier_a"), "accumulator")


def shortened(
    operator: str, tensors: Mapping[str, Array], attributes: Attributes
) -> dict[str, Array]:
    """Factors whose products with a declared accumulator would not fit 64 bits, in fewer bits."""
    found: dict[str, Array] = {}
    for name, record in SCALED_BY.get(operator, CONVOLVED).items():
        shift = name.replace("multiplier", "shift")
        if shift not in tensors:  # none such, or a binary32 scale
            continue
        bits = max(integer_accumulator(attributes.get(record)).bits, 32)
        bits += name.startswith("softmax_")  # of a difference of two
        factor = narrowed(Factor(tensors[name], tensors[shift]), 63 - bits)
        found |= {name: factor.multiplier, shift: factor.shift}
    return found


def narrowed(factor: Factor, most: int) -> Factor:
    """The nearest factors whose multipliers have at most so many bits; shorter ones stay."""
    m, s = (each.astype(np.int64) for each in factor)
    over = np.array([max(int(each).bit_length() - most, 0) for each in m], np.int64)
    m, s = (m + ((np.int64(1) << over) >> 1)) >> over, s - over
    up = m >> most  # it rounded up to a power of two
    return Factor((m >> up).astype(factor.multiplier.dtype), (s - up).astype(factor.shift.dtype))


def with_scales(tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Every multiplier and shift as the nearest binary32 scale; an integer softmax has its own."""
    made = dict(tensors)
    for name in tensors:
        partner = name.replace("multiplier", "shift")
        if "multiplier" in name and partner in tensors and not name.startswith("softmax_"):
            made[name] = float_scale(Factor(tensors[name], tensors[partner]))
            del made[partner]
    return made


def _attention(tensors: Mapping[str, Array], attributes: Attributes) -> dict[str, Array]:
    if attributes.get("normalise", "softmax") == "none":
        return _weights(tensors, attributes)
    softmax = attributes.get("softmax", {})
    kept = softmax if softmax.get("kind") == "integer" else attributes.get("probabilities", {})
    found = {}
    if not sums_floats(attributes):
        more = round(log2(denominator_of(kept) / DRAWN_DENOMINATOR))
        found["shift"] = (tensors["shift"] + more).astype(np.int8)
    bits = softmax.get("index_bits", DRAWN_INDEX_BITS)
    if softmax.get("kind") == "integer" and bits != DRAWN_INDEX_BITS:
        found["exp_table"] = exp_table(TABLE_RANGE / 2**bits, bits, 65535)
        less = tensors["softmax_shift"] + (DRAWN_INDEX_BITS - bits)
        found["softmax_shift"] = less.astype(np.int8)
    return found


def _weights(tensors: Mapping[str, Array], attributes: Attributes) -> dict[str, Array]:
    """Factors that bring scores to about the range of x, and their sums with v to the output's."""
    bits, channels = format_of(tensors["x"]).bits, len(tensors["w_q"])
    one = isqrt(4**bits // 12)  # deviation of a uniform integer
    spread = isqrt(channels // attributes.get("heads", 1)) * one * one
    kernel = attributes.get("kernel")
    keys = prod(tensors["x"].shape[2:]) if kernel is None else prod(kernel)
    top = 31 if bits <= 8 else 15
    more = 1 + round(log2(max(isqrt(keys), 1) * one / DRAWN_DENOMINATOR))
    return {
        "weights_multiplier": np.array([2 ** (top - 1)], np.int32),
        "weights_shift": np.array([top + (spread >> bits).bit_length()], np.int8),
        "shift": (tensors["shift"] + more).astype(np.int8),
    }
