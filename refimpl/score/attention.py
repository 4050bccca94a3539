"""Global and local attention of the bit-exact model, opened up, in int8 and binary32.

Each projection is a convolution of ``device.py`` or ``float_device.py`` in the scope "query", "key"
or "value"; the softmax is ``softmax.py``. Sites besides theirs, in order:

    q k v          images of queries, keys and values      q_zero k_zero v_zero
    arrangement    the attributes that say which keys a query meets
    queries keys values   as the array meets them: (b, p, d), (b, d, t), (b, t, v)
    inside         which keys count                        scores_sums context_sums   of floats
    scores         scale                                   word probabilities
    context        and the requantiser of the output in the scope "out"

Weights without a softmax ("normalise": "none") are not opened up.
"""

from collections.abc import Callable

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulation import accumulation_of
from refimpl.bitexact.call import Attributes, Stages, Tensors, branch, prefixed
from refimpl.bitexact.float_operators import operand, rounded, scalar
from refimpl.bitexact.formats import (
    cast_of,
    decode,
    default_cast,
    encode,
    integers_of,
    to_integers,
)
from refimpl.bitexact.integer_sum import integer_accumulator, sum_integers
from refimpl.bitexact.mac import accumulate
from refimpl.bitexact.operators import PIPELINES
from refimpl.bitexact.softmax import ROW_STAGES, probabilities
from refimpl.bitexact.tokens import Tokens, global_tokens, local_tokens, strided
from refimpl.score.device import clipped, scaled, wrap
from refimpl.score.float_device import convolve_fp32
from refimpl.score.shifts import conv2d_int8
from refimpl.score.site import Probe
from refimpl.score.softmax import softmax_float, softmax_integer

ARRANGE = {"global_attention": global_tokens, "local_attention": local_tokens}
SCOPES = {"q": "query", "k": "key", "v": "value"}


def attention_model(operator: str, arithmetic: str) -> Callable[..., Stages]:
    """The model of an operator: tensors, attributes and a probe to stages."""
    run = attention_int8 if arithmetic == "int8" else attention_fp32

    def model(tensors: Tensors, attributes: Attributes, at: Probe) -> Stages:
        if attributes.get("normalise", "softmax") != "softmax":
            return PIPELINES[operator, arithmetic](tensors, attributes)
        return run(tensors, attributes, at, operator)

    return model


def attention_int8(tensors: Tensors, attributes: Attributes, at: Probe, operator: str) -> Stages:
    """Every stage of attention in integers, under a probe."""
    stages: Stages = {}
    for which, scope in SCOPES.items():
        stages |= _projected(which, tensors, attributes, at.inside(scope))
    q, k, v = (
        at(which, integers_of(stages[which])) - at(f"{which}_zero", attributes[f"{which}_zero"])
        for which in SCOPES
    )
    tokens = _arranged(operator, q, k, v, attributes, at)
    of = integer_accumulator(attributes.get("accumulator_scores", {"order": "d"}))
    scores = at("scores", sum_integers(tokens.queries, tokens.keys, of).total)
    inside = np.broadcast_to(tokens.inside, scores.shape)
    declared = attributes.get("softmax", {})
    if declared.get("kind", "float") == "integer":
        found = softmax_integer(scores, inside, declared, tensors, at)
    else:
        scale = decode(encode(np.array(attributes["score_scale"]), default_cast("fp32")))
        real = decode(encode(scores.astype(np.float64), default_cast("fp32")))
        logits = encode(real * at("scale", scale), default_cast(declared.get("format", "fp32")))
        found, a = softmax_float(decode(logits), inside, declared, tensors, at)
        a = np.where(np.isnan(a), 0.0, a)  # which only a bug leaves; hardware does not trap
        words = at("word", probabilities(a, attributes.get("probabilities")), a=a)
        found = {"scaled_scores": logits, **found, "probabilities": at("probabilities", words)}
    stages["scores"] = to_integers(scores, of.carrier).reshape(tokens.scores)
    stages |= _shaped(found, tokens)
    return stages | _gathered(stages["probabilities"], tokens, tensors, attributes, at)


def attention_fp32(tensors: Tensors, attributes: Attributes, at: Probe, operator: str) -> Stages:
    """Every stage of attention in binary32, under a probe."""
    stages: Stages = {}
    for which, scope in SCOPES.items():
        x = strided(tensors["x"], attributes) if which == "q" else tensors["x"]
        alone = {key: attributes[key] for key in ("order",) if key in attributes}
        found = convolve_fp32(x, {"w": tensors[f"w_{which}"]}, alone, at.inside(scope))
        stages |= {f"{which}_accumulator": found["accumulator"], which: found["output"]}
    of = at("scores_sums", accumulation_of(attributes, "accumulation_scores", loops="d"))
    into = at("context_sums", accumulation_of(attributes, "accumulation_context", loops="t"))
    read_by = {"q": of, "k": of, "v": into}
    q, k, v = (at(which, operand(stages[which], read_by[which])) for which in SCOPES)
    tokens = _arranged(operator, q, k, v, attributes, at)
    scores = at("scores", accumulate(tokens.queries, tokens.keys, of).total)
    factor = at("scale", scalar(attributes["scale"], of))
    logits = rounded(scores * factor, of)
    stages["scores"] = rounded(scores, of).reshape(tokens.scores)
    stages["scaled_scores"] = logits.reshape(tokens.scores)
    inside = np.broadcast_to(tokens.inside, scores.shape)
    found, a = softmax_float(decode(logits), inside, attributes.get("softmax", {}), tensors, at)
    weights = probabilities(a, {"format": "fp32", **attributes.get("probabilities", {})})
    weights = at("probabilities", weights)
    stages |= _shaped({**found, "probabilities": weights}, tokens)
    context = tokens.image(accumulate(operand(weights, into), tokens.values, into).total)
    output = encode(context, cast_of(attributes.get("output"), "fp32"))
    return stages | {"context": rounded(context, into), "output": at("output", output)}


def _projected(which: str, tensors: Tensors, attributes: Attributes, at: Probe) -> Stages:
    own = branch(tensors, which, ())
    own["x"] = strided(tensors["x"], attributes) if which == "q" else tensors["x"]
    alone = {
        "x_zero": attributes["x_zero"],
        "y_zero": attributes[f"{which}_zero"],
        "rounding": attributes["rounding"],
    }
    found = conv2d_int8(own, alone, at)
    output = found.pop("output")
    return {**prefixed(f"{which}_", found), which: output}


def _arranged(
    operator: str, q: Array, k: Array, v: Array, attributes: Attributes, at: Probe
) -> Tokens:
    tokens = ARRANGE[operator](q, k, v, at("arrangement", attributes))
    return tokens._replace(
        queries=at("queries", tokens.queries),
        keys=at("keys", tokens.keys),
        values=at("values", tokens.values),
        inside=at("inside", tokens.inside),
    )


def _shaped(stages: Stages, tokens: Tokens) -> Stages:
    return {
        name: array.reshape(tokens.rows if name in ROW_STAGES else tokens.scores)
        for name, array in stages.items()
    }


def _gathered(
    words: Array, tokens: Tokens, tensors: Tensors, attributes: Attributes, at: Probe
) -> Stages:
    """Σ_t p·(v − z_v), and the output."""
    rows = integers_of(words).reshape(len(tokens.queries), -1, tokens.keys.shape[2])
    of = integer_accumulator(attributes.get("accumulator_context", {"order": "t"}))
    context = tokens.image(sum_integers(rows, tokens.values, of).total)
    context = wrap(at("context", context), 32)
    factor = tensors["multiplier"], tensors["shift"]
    own = at.inside("out")
    return {
        "context": to_integers(context, of.carrier),
        **clipped(scaled(context, factor, attributes, own), attributes, own),
    }
