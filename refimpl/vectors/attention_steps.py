"""Stages of global and local attention, each from the ones before it.

Projections are judged from x; scores from q and k; every line of the softmax from the lines before
it; the context from the probabilities and v.
"""

from collections.abc import Callable

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulation import accumulation_of
from refimpl.bitexact.call import Attributes
from refimpl.bitexact.float_operators import operand, rounded
from refimpl.bitexact.formats import (
    Cast,
    cast_of,
    decode,
    default_cast,
    encode,
    format_of,
    integers_of,
    to_integers,
)
from refimpl.bitexact.integer_operators import centre, scaled
from refimpl.bitexact.integer_sum import integer_accumulator, sum_integers
from refimpl.bitexact.mac import accumulate
from refimpl.bitexact.operators import PIPELINES
from refimpl.bitexact.softmax import (
    integer_index,
    integer_maximum,
    integer_powers,
    integer_probabilities,
    integer_reciprocal,
    integer_row_sum,
    probabilities,
)
from refimpl.bitexact.tokens import Tokens, global_tokens, local_tokens
from refimpl.bitexact.transcendental import evaluate, function_of
from refimpl.vectors.case import Case
from refimpl.vectors.step import Compute, Step
from refimpl.vectors.sums import Arrays, is_integer

ARRANGE = {"global_attention": global_tokens, "local_attention": local_tokens}
QKV = ("q", "k", "v")
SOFTMAX = ("row_maximum", "exp_input", "exp_output", "row_sum", "reciprocal", "probabilities")


def attention_steps(case: Case) -> list[Step]:
    """Steps of attention that normalises; without, its weights are judged as a whole."""
    run = PIPELINES[case.operator, case.arithmetic]
    shown = list(run(case.tensors, case.attributes))
    own = _own(case)
    inputs = tuple(case.tensors)

    def whole(stage: str) -> Callable[[Arrays, Attributes], Array]:
        return lambda a, t: run({name: a[name] for name in inputs}, t)[stage]

    return [
        own[stage] if stage in own else Step(stage=stage, needs=inputs, compute=whole(stage))
        for stage in shown
    ]


def _own(case: Case) -> dict[str, Step]:
    """Steps that have stages of their own to be computed of."""
    steps = [*_scores(case)]
    if case.attributes.get("normalise", "softmax") == "softmax":
        steps += _softmax(case)
        steps += _gathered(case)
    return {step.stage: step for step in steps}


def _tokens(case: Case, arrays: Arrays) -> Tokens:
    """Queries, keys and values as the operator arranges them."""
    of = accumulation_of(case.attributes, "accumulation_scores", loops="d")
    if is_integer(case):
        parts = [centre(arrays[name], case.attributes[f"{name}_zero"]) for name in QKV]
    else:
        parts = [operand(arrays[name], of) for name in QKV]
    return ARRANGE[case.operator](parts[0], parts[1], parts[2], case.attributes)


def _scores(case: Case) -> list[Step]:
    integer = is_integer(case)

    def scores(arrays: Arrays, attributes: Attributes) -> Array:
        tokens = _tokens(case, arrays)
        if integer:
            of = integer_accumulator(attributes.get("accumulator_scores", {"order": "d"}))
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
        factor = decode(encode(np.array(attributes["scale"]), to))
        declared = accumulation_of(attributes, "accumulation_scores", loops="d")
        return rounded(decode(arrays["scores"]) * factor, declared)

    return [
        Step(stage="scores", needs=QKV, compute=scores),
        Step(stage="scaled_scores", needs=("scores",), compute=logits),
    ]


def _softmax(case: Case) -> list[Step]:
    declared = case.attributes.get("softmax", {})
    if declared.get("kind", "float") == "integer":
        return [_integer_softmax(case, stage) for stage in SOFTMAX]
    form = declared.get("format", "fp32")
    to = default_cast(form)
    of = accumulation_of(declared, "sum", loops="t")

    def inside(arrays: Arrays) -> Array:
        tokens = _tokens(case, arrays)
        shape = (len(tokens.queries), -1, tokens.keys.shape[2])
        full = np.broadcast_to(tokens.inside, arrays["scores"].reshape(shape).shape)
        return full.reshape(tokens.scores)

    def maximum(a: Arrays, _: Attributes) -> Array:
        seen = np.where(inside(a), decode(a["scaled_scores"]), -np.inf)
        return encode(seen.max(axis=-1, keepdims=True), to)

    def shifted(a: Arrays, _: Attributes) -> Array:
        apart = decode(a["scaled_scores"]) - decode(a["row_maximum"])
        return encode(np.where(inside(a), apart, 0.0), to)

    def powers(a: Arrays, _: Attributes) -> Array:
        values = evaluate(function_of(declared.get("exp"), "exp", form), decode(a["exp_input"]), a)
        return encode(np.where(inside(a), values, 0.0), to)

    def total(a: Arrays, _: Attributes) -> Array:
        rows = decode(a["exp_output"]).reshape(1, -1, a["exp_output"].shape[-1])
        sums = accumulate(rows, np.ones((1, rows.shape[2], 1)), of).total
        return encode(sums.reshape(*a["exp_output"].shape[:-1], 1), to)

    def inverse(a: Arrays, _: Attributes) -> Array:
        function = function_of(declared.get("reciprocal"), "reciprocal", form)
        return encode(evaluate(function, decode(a["row_sum"]), a), to)

    def weights(a: Arrays, attributes: Attributes) -> Array:
        e = decode(a["exp_output"])
        divide = declared.get("normalise", "reciprocal") == "divide"
        exact = e / decode(a["row_sum"]) if divide else e * decode(a["reciprocal"])
        chosen = attributes.get("probabilities")
        if not is_integer(case):
            chosen = {"format": format_of(case.tensors["x"]).name, **(chosen or {})}
        return probabilities(decode(encode(exact, to)), chosen)

    last = "row_sum" if declared.get("normalise", "reciprocal") == "divide" else "reciprocal"
    tables = tuple(name for name in case.tensors if name.endswith("table"))
    before = ("scores", *QKV)
    return [
        Step(stage="row_maximum", needs=("scaled_scores", *before), compute=maximum),
        Step(stage="exp_input", needs=("scaled_scores", "row_maximum", *before), compute=shifted),
        Step(stage="exp_output", needs=("exp_input", *before, *tables), compute=powers),
        Step(stage="row_sum", needs=("exp_output",), compute=total),
        Step(stage="reciprocal", needs=("row_sum", *tables), compute=inverse),
        Step(stage="probabilities", needs=("exp_output", last), compute=weights),
    ]


def _integer_softmax(case: Case, stage: str) -> Step:
    """One line of the integer softmax, from the lines before it."""
    declared = case.attributes["softmax"]
    factors = tuple(name for name in case.tensors if name.startswith("softmax_"))
    table = declared.get("table", "exp_table")

    def inside(a: Arrays) -> Array:
        tokens = _tokens(case, a)
        rows = (len(tokens.queries), -1, tokens.keys.shape[2])
        shape = a["scores"].reshape(rows).shape
        return np.broadcast_to(tokens.inside, shape).reshape(tokens.scores)

    lines: dict[str, tuple[tuple[str, ...], Compute]] = {
        "row_maximum": (
            ("scores", *QKV),
            lambda a, _: integer_maximum(a["scores"], inside(a)),
        ),
        "exp_input": (
            ("scores", "row_maximum", *QKV, *factors),
            lambda a, _: integer_index(a["scores"], a["row_maximum"], inside(a), declared, a),
        ),
        "exp_output": (
            ("exp_input", "scores", *QKV, table),
            lambda a, _: integer_powers(a["exp_input"], inside(a), declared, a),
        ),
        "row_sum": (("exp_output",), lambda a, _: integer_row_sum(a["exp_output"])),
        "reciprocal": (("row_sum",), lambda a, _: integer_reciprocal(a["row_sum"], declared)),
        "probabilities": (
            ("exp_output", "reciprocal"),
            lambda a, _: integer_probabilities(a["exp_output"], a["reciprocal"], declared),
        ),
    }
    needs, compute = lines[stage]
    return Step(stage=stage, needs=needs, compute=compute)


def _gathered(case: Case) -> list[Step]:
    if is_integer(case):
        return _gathered_integers(case)
    name = format_of(case.tensors["x"]).name

    def context(arrays: Arrays, attributes: Attributes) -> Array:
        tokens = _tokens(case, arrays)
        of = accumulation_of(attributes, "accumulation_context", loops="t")
        rows = operand(arrays["probabilities"], of)
        rows = rows.reshape(len(tokens.queries), -1, tokens.keys.shape[2])
        return rounded(tokens.image(accumulate(rows, tokens.values, of).total), of)

    return [
        Step(stage="context", needs=("probabilities", *QKV), compute=context),
        Step(
            stage="output",
            needs=("context",),
            compute=lambda a, t: encode(decode(a["context"]), cast_of(t.get("output"), name)),
        ),
    ]


def _gathered_integers(case: Case) -> list[Step]:
    name = format_of(case.tensors["x"]).name
    kept = case.attributes.get("probabilities") or {}
    if kept.get("format", "uint8").startswith(("fp", "bf")):
        return []  # summed in floats: judged as a whole

    def context(arrays: Arrays, attributes: Attributes) -> Array:
        tokens = _tokens(case, arrays)
        of = integer_accumulator(attributes.get("accumulator_context", {"order": "t"}))
        rows = integers_of(arrays["probabilities"])
        rows = rows.reshape(len(tokens.queries), -1, tokens.keys.shape[2])
        total = sum_integers(rows, tokens.values, of).total
        return to_integers(tokens.image(total), of.carrier)

    factors = tuple(key for key in ("multiplier", "shift") if key in case.tensors)

    def tail(stage: str) -> Callable[[Arrays, Attributes], Array]:
        return lambda a, t: scaled(integers_of(a["context"]), a, t, name)[stage]

    return [
        Step(stage="context", needs=("probabilities", *QKV), compute=context),
        Step(stage="before_clip", needs=("context", *factors), compute=tail("before_clip")),
        Step(stage="output", needs=("context", *factors), compute=tail("output")),
    ]
