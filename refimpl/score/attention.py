"""Attention in integers with a table, as accelerators do it, opened up for bugs. Ours.

For queries q (n, t, d), keys k (n, s, d) and values v (n, s, e), all int8 with zero points:

    scores         S = Σ_d (q − z_q)(k − z_k)                             int32
    scaled         L = rule(S·m/2^s), in sixteenths: e^(L/16) is meant   int32
    row_max        M = max_j L                                            int32
    difference     D = min(M − L, 255)                                    0 … 255
    exponential    E = table[D],  table[i] = round(65535·e^(−i/16))       uint16
    row_sum        R = Σ_j E                                              int32
    probabilities  P = ⌊(255·E + ⌊R/2⌋) / R⌋                              uint8, over 255
    accumulator    A = Σ_j P·(v − z_v)                                    int32
    before_clip    rule(A·m/2^s) + z_y                                    int32
    output         clipped to [−128, 127]                                 int8

The table comes from decimal arithmetic of fifty digits, so it is the same everywhere. Sites are the
stages, and: q k v q_zero k_zero v_zero, table, divided (of the scaling of scores).

Source: table softmax with the maximum subtracted as in Vasyltsov and Chang, "Efficient softmax
approximation for deep neural networks with attention mechanism", arXiv:2111.10770 (2021), whose
table sizes we do not take: 256 entries of sixteenths are ours.
"""

from collections.abc import Callable
from decimal import Decimal, localcontext

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.operators import Attributes, Stages, Tensors
from refimpl.bitexact.requantise import rounding_rule
from refimpl.score.device import INT32, wrap
from refimpl.score.site import Probe

Rule = Callable[[Array, Array], Array]
STEPS, TABLE_ENTRIES, FULL, WHOLE = 16, 256, 65535, 255


def exponential_table() -> Array:
    """round(65535·e^(−i/16)) for i from 0 to 255, int64."""
    with localcontext() as context:
        context.prec = 50
        exact = [FULL * (Decimal(-i) / STEPS).exp() for i in range(TABLE_ENTRIES)]
        return np.array([int(each.to_integral_value()) for each in exact], np.int64)


TABLE = exponential_table()


def attention_int8(tensors: Tensors, attributes: Attributes, at: Probe) -> Stages:
    """Every stage of integer attention, under a probe."""
    q, k, v = (
        at(name, tensors[name].astype(np.int64)) - at(f"{name}_zero", attributes[f"{name}_zero"])
        for name in ("q", "k", "v")
    )
    rule = at("rounding", rounding_rule(attributes["rounding"]))
    scores = at("scores", np.einsum("nid,njd->nij", q, k, optimize=False))
    scaled = at("scaled", _scaled(scores, tensors, "score_", rule, at("divided", 0)), scores=scores)
    row_max = at("row_max", scaled.max(axis=2, keepdims=True), scaled=scaled)
    difference = at("difference", np.clip(row_max - scaled, 0, TABLE_ENTRIES - 1), row_max=row_max,
                    scaled=scaled)  # fmt: skip
    exponential = at("exponential", at("table", TABLE)[difference], difference=difference)
    row_sum = at("row_sum", exponential.sum(axis=2, keepdims=True), exponential=exponential)
    divisor = np.maximum(row_sum, 1)  # a bug may leave 0; hardware does not trap
    probabilities = at(
        "probabilities",
        (WHOLE * exponential + divisor // 2) // divisor,
        exponential=exponential,
        row_sum=divisor,
    )
    sums = at("accumulator", np.einsum("nij,nje->nie", probabilities, v, optimize=False))
    rounded = at("rounded", _scaled(wrap(sums, 32), tensors, "", rule, 0))
    before = at("before_clip", rounded + at("y_zero", attributes["y_zero"]))
    low, high = at("limits", (-128, 127), zero=attributes["y_zero"])
    output = at("output", np.clip(before, low, high), before=before)
    return {
        "scores": wrap(scores, 32).astype(np.int32),
        "scaled": np.clip(scaled, *INT32).astype(np.int32),
        "row_max": np.clip(row_max, *INT32).astype(np.int32),
        "difference": wrap(difference, 32).astype(np.int32),
        "exponential": wrap(exponential, 32).astype(np.int32),
        "row_sum": wrap(row_sum, 32).astype(np.int32),
        "probabilities": wrap(probabilities, 32).astype(np.int32),
        "accumulator": wrap(sums, 32).astype(np.int32),
        "before_clip": np.clip(before, *INT32).astype(np.int32),
        "output": wrap(output, 8).astype(np.int8),
    }


def _scaled(values: Array, tensors: Tensors, prefix: str, rule: Rule, less: int) -> Array:
    """values·m/2^(s + less) by the rule; one multiplier and shift for all."""
    multiplier, shift = (
        tensors[f"{prefix}{name}"].astype(np.int64) for name in ("multiplier", "shift")
    )
    return rule(values * multiplier, shift + less)
