"""Stages of softmax, each from the ones before it: in declared floats, or in integers by table."""

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulation import accumulation_of
from refimpl.bitexact.attention_float import read_by
from refimpl.bitexact.attention_integer import sums_of
from refimpl.bitexact.call import Attributes
from refimpl.bitexact.float_operators import operand
from refimpl.bitexact.formats import decode, default_cast, encode, format_of
from refimpl.bitexact.integer_operators import centre
from refimpl.bitexact.softmax import (
    below_maximum,
    functions_of,
    integer_index,
    integer_maximum,
    integer_powers,
    integer_probabilities,
    integer_reciprocal,
    integer_row_sum,
    probabilities,
    row_sums,
)
from refimpl.bitexact.tokens import Tokens, global_tokens, local_tokens
from refimpl.bitexact.transcendental import evaluate
from refimpl.vectors.case import Case
from refimpl.vectors.step import Compute, Step
from refimpl.vectors.sums import Arrays, is_integer

ARRANGE = {"global_attention": global_tokens, "local_attention": local_tokens}
QKV = ("q", "k", "v")
SOFTMAX = ("row_maximum", "exp_input", "exp_output", "row_sum", "reciprocal", "probabilities")


def tokens_of(case: Case, arrays: Arrays) -> Tokens:
    """Queries, keys and values as the operator arranges them."""
    if is_integer(case):
        parts = [centre(arrays[name], case.attributes[f"{name}_zero"]) for name in QKV]
    else:
        sums = read_by(case.attributes)
        parts = [operand(arrays[name], sums[name]) for name in QKV]
    return ARRANGE[case.operator](parts[0], parts[1], parts[2], case.attributes)


def inside(case: Case, arrays: Arrays) -> Array:
    """Which scores count, in their shape."""
    tokens = tokens_of(case, arrays)
    shape = (len(tokens.queries), -1, tokens.keys.shape[2])
    full = np.broadcast_to(tokens.inside, arrays["scores"].reshape(shape).shape)
    return full.reshape(tokens.scores)


def softmax_steps(case: Case) -> list[Step]:
    """Steps from the scores to the probabilities."""
    declared = case.attributes.get("softmax", {})
    if is_integer(case) and declared.get("kind", "float") == "integer":
        return [_integer_softmax(case, stage) for stage in SOFTMAX]
    form = declared.get("format", "fp32")
    to = default_cast(form)
    exp, reciprocal = functions_of(declared)
    mine = default_cast(exp.format)
    of = accumulation_of(declared, "sum", loops="t")

    def maximum(a: Arrays, _: Attributes) -> Array:
        seen = np.where(inside(case, a), decode(a["scaled_scores"]), -np.inf)
        own = default_cast(format_of(a["scaled_scores"]).name)
        return encode(seen.max(axis=-1, keepdims=True), own)

    def shifted(a: Arrays, _: Attributes) -> Array:
        scores, most = decode(a["scaled_scores"]), decode(a["row_maximum"])
        return below_maximum(scores, most, inside(case, a), mine)

    def powers(a: Arrays, _: Attributes) -> Array:
        values = evaluate(exp, decode(a["exp_input"]), a)
        return encode(np.where(inside(case, a), values, 0.0), mine)

    def total(a: Arrays, _: Attributes) -> Array:
        return encode(row_sums(a["exp_output"], of), to)

    def inverse(a: Arrays, _: Attributes) -> Array:
        own = default_cast(reciprocal.format)
        return encode(evaluate(reciprocal, decode(a["row_sum"]), a), own)

    def weights(a: Arrays, attributes: Attributes) -> Array:
        e = decode(a["exp_output"])
        divide = declared.get("normalise", "reciprocal") == "divide"
        exact = e / decode(a["row_sum"]) if divide else e * decode(a["reciprocal"])
        chosen = attributes.get("probabilities")
        if not is_integer(case):
            chosen = {"format": format_of(case.tensors["x"]).name, **(chosen or {})}
        return probabilities(decode(encode(exact, to)), chosen)

    last = "row_sum" if declared.get("normalise", "reciprocal") == "divide" else "reciprocal"
    named = (declared.get(name, {}).get("entries", "") for name in ("exp", "reciprocal"))
    tables = tuple(name for name in named if name)
    before = ("scores", *QKV)
    steps = [
        Step(stage="row_maximum", needs=("scaled_scores", *before), compute=maximum),
        Step(stage="exp_input", needs=("scaled_scores", "row_maximum", *before), compute=shifted),
        Step(stage="exp_output", needs=("exp_input", *before, *tables), compute=powers),
        Step(stage="row_sum", needs=("exp_output",), compute=total),
        Step(stage="reciprocal", needs=("row_sum", *tables), compute=inverse),
        Step(stage="probabilities", needs=("exp_output", last), compute=weights),
    ]
    return [step for step in steps if last == "reciprocal" or step.stage != "reciprocal"]


def _integer_softmax(case: Case, stage: str) -> Step:
    """One line of the integer softmax, from the lines before it."""
    declared = case.attributes["softmax"]
    factors = tuple(name for name in case.tensors if name.startswith("softmax_"))
    table = declared.get("table", "exp_table")
    bits = sums_of(case.attributes, "scores").bits

    lines: dict[str, tuple[tuple[str, ...], Compute]] = {
        "row_maximum": (
            ("scores", *QKV),
            lambda a, _: integer_maximum(a["scores"], inside(case, a)),
        ),
        "exp_input": (
            ("scores", "row_maximum", *QKV, *factors),
            lambda a, _: integer_index(
                a["scores"], a["row_maximum"], inside(case, a), declared, a, bits
            ),
        ),
        "exp_output": (
            ("exp_input", "scores", *QKV, table),
            lambda a, _: integer_powers(a["exp_input"], inside(case, a), declared, a),
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
