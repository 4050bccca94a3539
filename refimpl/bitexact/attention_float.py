"""Global and local attention in floats, every stage between.

    q, k, v        1×1 convolutions of x, summed as "accumulation" declares, cast to the format of x
    scores         Σ_d q·k as "accumulation_scores" declares (loop d)
    scaled_scores  R(scores·scale)
    softmax        ``softmax`` in declared floats; probabilities cast, by default to the format of x
                   normalise "none": weights = cast(scaled_scores)
    context        Σ_t p·v as "accumulation_context" declares (loop t)
    output         cast(context)

Sources: Vaswani et al., arXiv:1706.03762 (2017), Eq. 1; the composition is stated here.
"""

from collections.abc import Callable

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulation import Accumulation, accumulation_of
from refimpl.bitexact.call import Attributes, Stages, Tensors
from refimpl.bitexact.float_operators import convolve, must_hold, operand, rounded, scalar
from refimpl.bitexact.formats import cast_of, decode, encode, format_of
from refimpl.bitexact.mac import accumulate
from refimpl.bitexact.softmax import ROW_STAGES, cast_of_weights, probabilities, softmax_float
from refimpl.bitexact.tokens import Tokens, global_tokens, local_tokens, strided


def global_attention_float(tensors: Tensors, attributes: Attributes) -> Stages:
    """Let every (strided) pixel attend to all pixels."""
    return _attention(tensors, attributes, global_tokens)


def local_attention_float(tensors: Tensors, attributes: Attributes) -> Stages:
    """Let every (strided) pixel attend to a window around it."""
    return _attention(tensors, attributes, local_tokens)


def _attention(
    tensors: Tensors,
    attributes: Attributes,
    arrange: Callable[[Array, Array, Array, Attributes], Tokens],
) -> Stages:
    name = format_of(tensors["x"]).name
    stages: Stages = {}
    for which in "qkv":
        stages |= projected(which, tensors, attributes, name)
    of = accumulation_of(attributes, "accumulation_scores", loops="d")
    q, k, v = (operand(stages[which], sums) for which, sums in read_by(attributes).items())
    tokens = arrange(q, k, v, attributes)
    scores = accumulate(tokens.queries, tokens.keys, of).total
    logits = rounded(scores * scalar(attributes["scale"], of), of)
    stages["scores"] = rounded(scores, of).reshape(tokens.scores)
    stages["scaled_scores"] = logits.reshape(tokens.scores)
    inside = np.broadcast_to(tokens.inside, scores.shape)
    if attributes.get("normalise", "softmax") == "none":
        masked = np.where(inside, decode(logits), 0.0)
        weights = encode(masked, cast_of_weights(attributes.get("probabilities"), name))
        stages["weights"] = weights.reshape(tokens.scores)
    else:
        found, a = softmax_float(logits, inside, attributes.get("softmax", {}), tensors)
        for each, array in found.items():
            stages[each] = array.reshape(tokens.rows if each in ROW_STAGES else tokens.scores)
        declared = {"format": name, **attributes.get("probabilities", {})}
        weights = probabilities(a, declared)
        stages["probabilities"] = weights.reshape(tokens.scores)
    return stages | _gathered(weights, tokens, attributes, name)


def read_by(attributes: Attributes) -> dict[str, Accumulation]:
    """Which sum reads q, k and v: the scores', and v the context's."""
    scores = accumulation_of(attributes, "accumulation_scores", loops="d")
    context = accumulation_of(attributes, "accumulation_context", loops="t")
    return {"q": scores, "k": scores, "v": context}


def projected(which: str, tensors: Tensors, attributes: Attributes, name: str) -> Stages:
    """A 1×1 convolution; queries at strided pixels."""
    x = strided(tensors["x"], attributes) if which == "q" else tensors["x"]
    own = {"w": tensors[f"w_{which}"]}
    alone = {key: attributes[key] for key in ("accumulation", "order") if key in attributes}
    found = convolve(x, own, alone, name)
    return {f"{which}_accumulator": found["accumulator"], which: found["output"]}


def _gathered(weights: Array, tokens: Tokens, attributes: Attributes, name: str) -> Stages:
    of = accumulation_of(attributes, "accumulation_context", loops="t")
    must_hold(weights, of)
    total = accumulate(operand(weights, of), tokens.values, of).total
    context = tokens.image(total)
    return {
        "context": rounded(context, of),
        "output": encode(context, cast_of(attributes.get("output"), name)),
    }
