"""The softmax of the bit-exact model, opened up: in declared floats, and in integers with a table.

Healthy, both give the stages of ``refimpl.bitexact.softmax``, line by line. Sites, in order:

    floats    row_maximum  exp_input  exp_output  row_sums (how e is summed)  row_sum
              reciprocal   weight
    integers  row_maximum  softmax_multiplier softmax_shift softmax_rounding
              difference  table  exponential  total  inverse  share

``weight`` is a, before it becomes a word; ``share`` the probability before it is clipped to one.
``inside`` says which keys count; a bug there sits in ``attention.py``.
"""

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulation import accumulation_of
from refimpl.bitexact.call import Attributes, Stages, Tensors
from refimpl.bitexact.float_operators import operand
from refimpl.bitexact.formats import decode, default_cast, encode, integers_of, to_integers
from refimpl.bitexact.mac import accumulate
from refimpl.bitexact.requantise import rounding_rule
from refimpl.bitexact.softmax import denominator_of, functions_of
from refimpl.bitexact.transcendental import evaluate
from refimpl.score.site import Probe

LOWEST = -(2**62)


def softmax_float(
    scores: Array, inside: Array, declared: Attributes, tensors: Tensors, at: Probe
) -> tuple[Stages, Array]:
    """``refimpl.bitexact.softmax.softmax_float`` with a bug: stages, and a in binary64."""
    form = declared.get("format", "fp32")
    to = default_cast(form)
    seen = np.where(inside, scores, -np.inf)
    top = at("row_maximum", seen.max(axis=2, keepdims=True), scores=seen)
    exp, reciprocal = functions_of(declared)
    own = default_cast(exp.format)
    moved = at("exp_input", np.where(inside, scores - top, 0.0), scores=scores)
    shifted = encode(np.where(inside, moved, 0.0), own)
    powers = at("exp_output", evaluate(exp, decode(shifted), tensors), shifted=decode(shifted))
    words = encode(np.where(inside, powers, 0.0), own)
    powers = decode(words)
    of = at("row_sums", accumulation_of(declared, "sum", loops="t"))
    b, p, t = powers.shape
    sums = accumulate(operand(words, of), np.ones((b, t, 1)), of).total.reshape(b, p, 1)
    total = encode(at("row_sum", sums, powers=powers), to)
    stages = {
        "row_maximum": encode(top, to),
        "exp_input": shifted,
        "exp_output": words,
        "row_sum": total,
    }
    if declared.get("normalise", "reciprocal") == "divide":
        return stages, at("weight", decode(encode(powers / decode(total), to)))
    inverse = at("reciprocal", evaluate(reciprocal, decode(total), tensors))
    stages["reciprocal"] = encode(inverse, default_cast(reciprocal.format))
    weight = decode(encode(powers * decode(stages["reciprocal"]), to))
    return stages, at("weight", weight, powers=powers, total=decode(total))


def softmax_integer(
    scores: Array, inside: Array, declared: Attributes, tensors: Tensors, at: Probe
) -> Stages:
    """``refimpl.bitexact.softmax.softmax_integer`` with a bug; the last stage is probabilities."""
    bits, places = declared.get("index_bits", 8), declared.get("reciprocal_bits", 30)
    last = 2**bits - 1
    seen = np.where(inside, scores, LOWEST)
    top = at("row_maximum", seen.max(axis=2, keepdims=True), scores=seen)
    below = np.where(inside, top - scores, 0)
    multiplier, shift = (
        at(f"softmax_{name}", tensors[f"softmax_{name}"].astype(np.int64))
        for name in ("multiplier", "shift")
    )
    rule = at("softmax_rounding", rounding_rule(declared.get("rounding", "half_up")))
    whole = rule(below * multiplier, shift)  # of 33 bits by 30: within 64
    index = at("difference", np.clip(whole, 0, last), whole=whole, last=last)
    table = at("table", integers_of(tensors[declared.get("table", "exp_table")]))
    powers = at("exponential", np.where(inside, table[index], 0))
    total = at("total", powers.sum(axis=2, keepdims=True), powers=powers)
    divisor = np.maximum(total, 1)  # a bug may leave 0; hardware does not trap
    inverse = at("inverse", (2**places + total // 2) // divisor, total=divisor, places=places)
    certain = denominator_of(declared)
    share = (powers * inverse * certain + 2 ** (places - 1)) >> places
    share = at("share", share, parts=powers * inverse, places=places, certain=certain)
    return {
        "row_maximum": to_integers(top, "int32"),
        "exp_input": to_integers(index, "uint16"),
        "exp_output": to_integers(powers, "uint16"),
        "row_sum": to_integers(total, "int64"),
        "reciprocal": to_integers(inverse, "int64"),
        "probabilities": at("probabilities", to_integers(share, declared.get("format", "uint8"))),
    }
