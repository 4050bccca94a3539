"""Stages of global and local attention, each from the ones before it.

A projection's accumulator is judged from x, and what follows it line by line; scores from q and k;
every line of the softmax from the lines before it (``softmax_steps.py``); the context from the
weights and v, and the output from what is before it.
"""

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulation import accumulation_of
from refimpl.bitexact.attention_float import projected as projected_float
from refimpl.bitexact.attention_integer import of_context, scores_before_clip, sums_of
from refimpl.bitexact.attention_integer import projected as projected_integer
from refimpl.bitexact.call import Attributes
from refimpl.bitexact.float_operators import operand, rounded, scalar
from refimpl.bitexact.formats import (
    Cast,
    cast_of,
    decode,
    default_cast,
    encode,
    format_named,
    format_of,
    integers_of,
    to_integers,
)
from refimpl.bitexact.integer_operators import clip, scaled
from refimpl.bitexact.integer_sum import sum_integers
from refimpl.bitexact.mac import accumulate
from refimpl.bitexact.softmax import cast_of_weights
from refimpl.vectors.case import Case
from refimpl.vectors.integer_steps import requantised_steps
from refimpl.vectors.softmax_steps import QKV, inside, softmax_steps, tokens_of
from refimpl.vectors.step import Step
from refimpl.vectors.sums import Arrays, is_integer


def attention_steps(case: Case) -> list[Step]:
    """Steps of attention, in the order of computation."""
    softmax = case.attributes.get("normalise", "softmax") == "softmax"
    return [
        *(step for which in QKV for step in _projected(case, which)),
        *_scores(case),
        *(softmax_steps(case) if softmax else _unnormalised(case)),
        *_gathered(case, "probabilities" if softmax else "weights"),
    ]


def _projected(case: Case, which: str) -> list[Step]:
    """A 1×1 convolution of x: its accumulator, and what becomes of it."""
    name, total = format_of(case.tensors["x"]).name, f"{which}_accumulator"
    inputs = ("x", *(key for key in case.tensors if key.endswith(f"_{which}")))

    def accumulator(arrays: Arrays, attributes: Attributes) -> Array:
        tensors = {key: arrays[key] for key in inputs}
        if is_integer(case):
            return projected_integer(which, tensors, attributes)[total]
        return projected_float(which, tensors, attributes, name)[total]

    def own(attributes: Attributes) -> Attributes:
        return {
            "rounding": attributes["rounding"],
            "y_zero": attributes[f"{which}_zero"],
            "accumulator": attributes.get("accumulator"),
        }

    def output(arrays: Arrays, _: Attributes) -> Array:
        return encode(decode(arrays[total]), cast_of(None, name))

    after = (
        requantised_steps(case, own, prefix=f"{which}_", suffix=f"_{which}", output=which)
        if is_integer(case)
        else [Step(stage=which, needs=(total,), compute=output)]
    )
    return [Step(stage=total, needs=inputs, compute=accumulator), *after]


def _scores(case: Case) -> list[Step]:
    integer = is_integer(case)

    def scores(arrays: Arrays, attributes: Attributes) -> Array:
        tokens = tokens_of(case, arrays)
        if integer:
            of = sums_of(attributes, "scores")
            total = sum_integers(tokens.queries, tokens.keys, of).total
            return to_integers(total, of.carrier).reshape(tokens.scores)
        declared = accumulation_of(attributes, "accumulation_scores", loops="d")
        total = accumulate(tokens.queries, tokens.keys, declared).total
        return rounded(total, declared).reshape(tokens.scores)

    def logits(arrays: Arrays, attributes: Attributes) -> Array:
        to = Cast(format="fp32")
        if integer:
            real = decode(encode(integers_of(arrays["scores"]).astype(np.float64), to))
            scale = decode(encode(np.array(attributes["score_scale"]), to))
            form = attributes.get("softmax", {}).get("format", "fp32")
            return encode(real * scale, default_cast(form))
        declared = accumulation_of(attributes, "accumulation_scores", loops="d")
        factor = scalar(attributes["scale"], declared)
        return rounded(operand(arrays["scores"], declared) * factor, declared)

    first = Step(stage="scores", needs=QKV, compute=scores)
    if integer and not _softmax_in_floats(case):
        return [first]
    return [first, Step(stage="scaled_scores", needs=("scores",), compute=logits)]


def _softmax_in_floats(case: Case) -> bool:
    attributes = case.attributes
    softmax = attributes.get("normalise", "softmax") == "softmax"
    return softmax and attributes.get("softmax", {}).get("kind", "float") == "float"


def _unnormalised(case: Case) -> list[Step]:
    """Weights that are the scores themselves."""
    name, before = format_of(case.tensors["x"]).name, "weights_before_clip"

    def scores(a: Arrays, t: Attributes) -> Array:
        masked = np.where(inside(case, a), decode(a["scaled_scores"]), 0.0)
        return encode(masked, cast_of_weights(t.get("probabilities"), name))

    def scaled_scores(a: Arrays, t: Attributes) -> Array:
        value = scores_before_clip(integers_of(a["scores"]), {key: a[key] for key in factors}, t)
        return to_integers(np.where(inside(case, a), value, 0), "int32")

    if not is_integer(case):
        return [Step(stage="weights", needs=("scaled_scores", "scores", *QKV), compute=scores)]
    factors = tuple(key for key in ("weights_multiplier", "weights_shift") if key in case.tensors)
    return [
        Step(stage=before, needs=("scores", *QKV, *factors), compute=scaled_scores),
        Step(
            stage="weights",
            needs=(before,),
            compute=lambda a, _: to_integers(integers_of(a[before]), name),
        ),
    ]


def _gathered(case: Case, weights: str) -> list[Step]:
    """What each query gathers with its weights, and the output."""
    kept = {"format": "uint8", **(case.attributes.get("probabilities") or {})}
    if weights == "probabilities" and is_integer(case) and _is_float(kept["format"]):
        return [_sum_of_floats(case, weights), *_from_floats(case)]
    if is_integer(case):
        return _gathered_integers(case, weights)
    name = format_of(case.tensors["x"]).name
    return [
        _sum_of_floats(case, weights),
        Step(
            stage="output",
            needs=("context",),
            compute=lambda a, t: encode(decode(a["context"]), cast_of(t.get("output"), name)),
        ),
    ]


def _is_float(name: str) -> bool:
    return format_named(name).kind == "float"


def _sum_of_floats(case: Case, weights: str) -> Step:
    """The context as a sum of floats; integer values are exact in them."""

    def context(arrays: Arrays, attributes: Attributes) -> Array:
        tokens = tokens_of(case, arrays)
        of = accumulation_of(attributes, "accumulation_context", loops="t")
        kept = arrays[weights]
        rows = operand(kept, of).reshape(len(tokens.queries), -1, tokens.keys.shape[2])
        values = tokens.values.astype(np.float64)
        return rounded(tokens.image(accumulate(rows, values, of).total), of)

    return Step(stage="context", needs=(weights, *QKV), compute=context)


def _from_floats(case: Case) -> list[Step]:
    """An integer output of a context that was summed in floats."""
    name = format_of(case.tensors["x"]).name

    def scaled_context(a: Arrays, t: Attributes) -> Array:
        of = accumulation_of(t, "accumulation_context", loops="t")
        return rounded(operand(a["context"], of) * scalar(t["output_factor"], of), of)

    def before(a: Arrays, t: Attributes) -> Array:
        whole = encode(decode(a["scaled_context"]), Cast(format="int32"))
        return to_integers(integers_of(whole) + t["y_zero"], "int32")

    return [
        Step(stage="scaled_context", needs=("context",), compute=scaled_context),
        Step(stage="before_clip", needs=("scaled_context",), compute=before),
        Step(
            stage="output",
            needs=("before_clip",),
            compute=lambda a, t: clip(integers_of(a["before_clip"]), t, name),
        ),
    ]


def _gathered_integers(case: Case, weights: str) -> list[Step]:
    name = format_of(case.tensors["x"]).name

    def context(arrays: Arrays, attributes: Attributes) -> Array:
        tokens = tokens_of(case, arrays)
        of = sums_of(attributes, "context")
        rows = integers_of(arrays[weights])
        rows = rows.reshape(len(tokens.queries), -1, tokens.keys.shape[2])
        total = sum_integers(rows, tokens.values, of).total
        return to_integers(tokens.image(total), of.carrier)

    factors = tuple(key for key in ("multiplier", "shift") if key in case.tensors)

    def before(a: Arrays, t: Attributes) -> Array:
        tensors = {key: a[key] for key in factors}
        return scaled(integers_of(a["context"]), tensors, of_context(t), name)["before_clip"]

    def clipped(a: Arrays, t: Attributes) -> Array:
        return clip(integers_of(a["before_clip"]), t, name)

    return [
        Step(stage="context", needs=(weights, *QKV), compute=context),
        Step(stage="before_clip", needs=("context", *factors), compute=before),
        Step(stage="output", needs=("before_clip",), compute=clipped),
    ]
