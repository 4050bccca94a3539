"""Global and local attention in integers, every stage between.

    q, k, v        1×1 convolutions of x, each requantised (stages q_accumulator … q)
    scores         Σ_d (q − z_q)·(k − z_k), in "accumulator_scores"
    softmax        "float": z = R(fl32(scores)·score_scale), then ``softmax`` in declared floats
                   and probabilities over a denominator; "integer": ``softmax`` with a table
                   normalise "none": weights = rule(scores·m/2^s), saturated, zero point 0
    context        Σ_t p·(v − z_v), in "accumulator_context"
    output         rule(context·m/2^s) + z_y, saturated; p's denominator is in the factor

The sums are int32 that wraps unless declared otherwise; a sum of products of int16 needs more, and
seeded cases declare 48 bits.

With floating probabilities (bf16) the context is summed in floats as "accumulation_context"
declares, of values v − z_v, which are exact; output = cast(R(context·output_factor) + z_y).

Sources: Jacob et al., arXiv:1712.05877 (2018), for the affine numbers; Vaswani et al.,
arXiv:1706.03762 (2017), Eq. 1; the composition and its defaults are stated here.
"""

from collections.abc import Callable

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulation import accumulation_of
from refimpl.bitexact.call import Attributes, Stages, Tensors, branch, prefixed
from refimpl.bitexact.float_operators import must_hold, operand, rounded, scalar
from refimpl.bitexact.formats import (
    Cast,
    decode,
    default_cast,
    encode,
    format_of,
    integers_of,
    to_integers,
)
from refimpl.bitexact.integer_operators import centre, clip, conv2d_integer, scaled
from refimpl.bitexact.integer_sum import IntegerAccumulator, integer_accumulator, sum_integers
from refimpl.bitexact.mac import accumulate
from refimpl.bitexact.requantise import factor_of, requantise
from refimpl.bitexact.softmax import ROW_STAGES, probabilities, softmax_float, softmax_integer
from refimpl.bitexact.tokens import Tokens, global_tokens, local_tokens, strided


def global_attention_integer(tensors: Tensors, attributes: Attributes) -> Stages:
    """Let every (strided) pixel attend to all pixels."""
    return _attention(tensors, attributes, global_tokens)


def local_attention_integer(tensors: Tensors, attributes: Attributes) -> Stages:
    """Let every (strided) pixel attend to a window around it."""
    return _attention(tensors, attributes, local_tokens)


def _attention(
    tensors: Tensors,
    attributes: Attributes,
    arrange: Callable[[Array, Array, Array, Attributes], Tokens],
) -> Stages:
    stages: Stages = {}
    for which in "qkv":
        stages |= projected(which, tensors, attributes)
    q, k, v = (centre(stages[which], attributes[f"{which}_zero"]) for which in "qkv")
    tokens = arrange(q, k, v, attributes)
    of = sums_of(attributes, "scores")
    scores = to_integers(sum_integers(tokens.queries, tokens.keys, of).total, of.carrier)
    stages["scores"] = scores.reshape(tokens.scores)
    stages |= _weights(scores, tokens, tensors, attributes)
    last = "weights" if attributes.get("normalise", "softmax") == "none" else "probabilities"
    return stages | _gathered(stages[last], tokens, tensors, attributes)


def projected(which: str, tensors: Tensors, attributes: Attributes) -> Stages:
    """A 1×1 convolution with its own scale and zero point; queries at strided pixels."""
    own = branch(tensors, which, ())
    own["x"] = strided(tensors["x"], attributes) if which == "q" else tensors["x"]
    alone = {
        "x_zero": attributes["x_zero"],
        "y_zero": attributes[f"{which}_zero"],
        "rounding": attributes["rounding"],
        "accumulator": attributes.get("accumulator"),
    }
    found = conv2d_integer(own, alone)
    shown = {name: found[name] for name in ("accumulator", "biased", "before_clip")}
    return {**prefixed(f"{which}_", shown), which: found["output"]}


def sums_of(attributes: Attributes, which: str) -> IntegerAccumulator:
    """What sums the "scores" over channels d, or the "context" over keys t."""
    loops = {"scores": "d", "context": "t"}[which]
    name = f"accumulator_{which}"
    return integer_accumulator(attributes.get(name), loops=loops, name=name)


def of_context(attributes: Attributes) -> Attributes:
    """Attributes of what follows the context: its accumulator is the one that is scaled."""
    return {**attributes, "accumulator": attributes.get("accumulator_context")}


def _weights(scores: Array, tokens: Tokens, tensors: Tensors, attributes: Attributes) -> Stages:
    """What each query gives each key, from the scores: stages, the last one the weights."""
    if attributes.get("normalise", "softmax") == "none":
        before = np.where(tokens.inside, scores_before_clip(scores, tensors, attributes), 0)
        name = format_of(tensors["x"]).name
        return {
            "weights_before_clip": to_integers(before, "int32").reshape(tokens.scores),
            "weights": to_integers(before, name).reshape(tokens.scores),
        }
    declared = attributes.get("softmax", {})
    inside = np.broadcast_to(tokens.inside, scores.shape)
    if declared.get("kind", "float") == "integer":
        bits = sums_of(attributes, "scores").bits
        return _shaped(softmax_integer(scores, inside, declared, tensors, bits), tokens)
    to = default_cast(declared.get("format", "fp32"))
    real = decode(encode(scores.astype(np.float64), Cast(format="fp32")))
    scale = decode(encode(np.array(attributes["score_scale"]), Cast(format="fp32")))
    logits = encode(real * scale, to)
    found, a = softmax_float(logits, inside, declared, tensors)
    stages: Stages = {"scaled_scores": logits, **found}
    stages["probabilities"] = probabilities(a, attributes.get("probabilities"))
    return _shaped(stages, tokens)


def scores_before_clip(scores: Array, tensors: Tensors, attributes: Attributes) -> Array:
    """Scores as weights, before they are clipped to the format of x."""
    return requantise(
        scores,
        factor_of(tensors, "weights_"),
        rounding=attributes["rounding"],
        bits=max(sums_of(attributes, "scores").bits, 32),
    )


def _shaped(stages: Stages, tokens: Tokens) -> Stages:
    """Give each stage the shape of scores, or of rows."""
    return {
        name: array.reshape(tokens.rows if name in ROW_STAGES else tokens.scores)
        for name, array in stages.items()
    }


def _gathered(a: Array, tokens: Tokens, tensors: Tensors, attributes: Attributes) -> Stages:
    """Σ_t p·(v − z_v), and the output."""
    weights = a.reshape(len(tokens.queries), -1, tokens.keys.shape[2])
    name = format_of(tensors["x"]).name
    if format_of(a).kind == "float":
        return _gathered_in_floats(weights, tokens, attributes, name)
    of = sums_of(attributes, "context")
    context = tokens.image(sum_integers(integers_of(weights), tokens.values, of).total)
    return {
        "context": to_integers(context, of.carrier),
        **scaled(context, tensors, of_context(attributes), name),
    }


def _gathered_in_floats(
    weights: Array, tokens: Tokens, attributes: Attributes, name: str
) -> Stages:
    of = accumulation_of(attributes, "accumulation_context", loops="t")
    must_hold(weights, of)
    total = accumulate(operand(weights, of), tokens.values.astype(np.float64), of).total
    context = tokens.image(total)
    real = rounded(context * scalar(attributes["output_factor"], of), of)
    before = encode(decode(real), Cast(format="int32"))
    total_before = integers_of(before) + attributes["y_zero"]
    return {
        "context": rounded(context, of),
        "scaled_context": real,
        "before_clip": to_integers(total_before, "int32"),
        "output": clip(total_before, attributes, name),
    }
