"""Softmax of rows as a machine computes it: in declared floats, or in integers with a table.

    float     t = F(z − max)   e = exp(t)   S = Σ e as declared   r = reciprocal(S)   a = R(e·r)
              (or "normalise": "divide": a = R(e/S), one rounding)
    integer   d = min(rule(max − z), 2^index_bits − 1)   e = table[d]   S = Σ e, exact
              r = ⌊(2^R + ⌊S/2⌋)/S⌋    a = min(⌊(e·r·D + 2^(R−1))/2^R⌋, largest)

z are the scores of one query, R (float) rounds to "format", exp and reciprocal are functions of
``transcendental.py``, each in a format of its own ("format" unless it declares another): t and e
are numbers of exp's, to which F rounds, and r is one of the reciprocal's. S is summed in binary32
unless "sum" declares another format, then R(S). In integers the rule and its factor are those of a
requantisation, the table is a tensor, R = "reciprocal_bits", D = "denominator". Where a score is
masked, e is 0 and it does not enter the maximum. Every line is a stage.

Sources: Milakov and Gimelshein, arXiv:1805.02867 (2018), section 2, for the shifted form; the
integer form is stated here, after the table and reciprocal units of integer accelerators.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulation import Accumulation, accumulation_of
from refimpl.bitexact.call import Attributes, Stages, Tensors
from refimpl.bitexact.float_operators import operand
from refimpl.bitexact.formats import (
    Cast,
    cast_of,
    decode,
    default_cast,
    encode,
    format_named,
    format_of,
    integer_format,
    integers_of,
    to_integers,
)
from refimpl.bitexact.mac import accumulate
from refimpl.bitexact.requantise import factor_of, requantise
from refimpl.bitexact.rounding import sum_odd
from refimpl.bitexact.transcendental import Function, evaluate, function_of, must_fit

ROW_STAGES = frozenset({"row_maximum", "row_sum", "reciprocal"})  # one number a row
SPLIT = 2.0**27 + 1  # Veltkamp's, of a binary64 number
MOST_RECIPROCAL_BITS = 38  # e·r·D stays below 2⁶³ with e < 2¹⁶ and e·r ≤ 2^R


FIELDS = {
    "float": ("kind", "format", "exp", "sum", "normalise", "reciprocal"),
    "integer": ("kind", "table", "index_bits", "rounding", "reciprocal_bits", "denominator",
                "format"),
}  # fmt: skip


def softmax_of(declared: Attributes, kind: str) -> Attributes:
    """The record of a softmax, checked to be one of this kind.

    Raises
    ------
    ValueError
        If it is of another kind, or has a field or a value that there is not.
    """
    if declared.get("kind", "float") != kind:
        raise ValueError(f"the softmax here must be of kind {kind}, not {declared['kind']!r}")
    unknown = set(declared) - set(FIELDS[kind])
    if unknown:
        raise ValueError(
            f"a softmax of kind {kind} must have the fields {', '.join(FIELDS[kind])}, not "
            f"{', '.join(sorted(unknown))}"
        )
    if declared.get("normalise", "reciprocal") not in ("reciprocal", "divide"):
        raise ValueError(
            f"a softmax must normalise by reciprocal or divide, not {declared['normalise']!r}"
        )
    if kind == "integer":
        integer_format(declared.get("format", "uint8"), "softmax.format of kind integer")
    return declared


def softmax_float(
    scores: Array, inside: Array, declared: Attributes, tensors: Tensors
) -> tuple[Stages, Array]:
    """Stages of the softmax of rows (b, p, t), and a in binary64; ``inside`` says what counts.

    Scores are labelled: their maximum is one of them, and has their format.
    """
    softmax_of(declared, "float")
    labelled, scores = scores, decode(scores)
    form = declared.get("format", "fp32")
    to = default_cast(form)
    exp, reciprocal = functions_of(declared)
    own = default_cast(exp.format)
    maximum = np.where(inside, scores, -np.inf).max(axis=2, keepdims=True)
    shifted = below_maximum(scores, maximum, inside, own)
    powers = encode(np.where(inside, evaluate(exp, decode(shifted), tensors), 0.0), own)
    total = row_sums(powers, accumulation_of(declared, "sum", loops="t"))
    stages = {
        "row_maximum": encode(maximum, default_cast(format_of(labelled).name)),
        "exp_input": shifted,
        "exp_output": powers,
        "row_sum": encode(total, to),
    }
    total, e = decode(stages["row_sum"]), decode(powers)
    if declared.get("normalise", "reciprocal") == "divide":
        return stages, decode(encode(e / total, to))
    inverse = evaluate(reciprocal, total, tensors)
    stages["reciprocal"] = encode(inverse, default_cast(reciprocal.format))
    return stages, decode(encode(e * inverse, to))


def functions_of(declared: Attributes) -> tuple[Function, Function]:
    """Exp and reciprocal of a softmax in floats, by default in its format.

    Raises
    ------
    ValueError
        If one is in fp64 and the softmax is not: their product would be rounded twice.
    """
    form = declared.get("format", "fp32")
    exp = function_of(declared.get("exp"), "exp", form)
    reciprocal = function_of(declared.get("reciprocal"), "reciprocal", form)
    for each in (exp, reciprocal):
        must_fit(each, form, "softmax.format")
    return exp, reciprocal


def below_maximum(scores: Array, maximum: Array, inside: Array, to: Cast) -> Array:
    """How far each score is below its row's maximum, rounded once; 0 where it does not count."""
    apart = scores - maximum if to.format == "fp64" else sum_odd(scores, -maximum)
    return encode(np.where(inside, apart, 0.0), to)


def row_sums(powers: Array, of: Accumulation) -> Array:
    """Sum rows (…, t) in the declared way to (…, 1): products with 1, which are exact."""
    *rows, t = powers.shape
    e = operand(powers, of).reshape(1, -1, t)
    return accumulate(e, np.ones((1, t, 1)), of).total.reshape(*rows, 1)


def probabilities(a: Array, declared: Mapping[str, Any] | None) -> Array:
    """Probabilities as words: "denominator" D gives round(a·D), saturated; without, a cast.

    The default is uint8 over 255. Ties go to even.
    """
    chosen = {"format": "uint8", **(declared or {})}
    cast = cast_of_weights(chosen, "uint8")
    many = denominator_of(chosen)
    if many == 1:
        return encode(a, cast)
    high = (a * SPLIT) - (a * SPLIT - a)  # the first 26 bits of a: times D, they are exact
    return encode(sum_odd(high * many, (a - high) * many), cast)


def cast_of_weights(declared: Mapping[str, Any] | None, otherwise: str) -> Cast:
    """How "probabilities" are cast, whatever they are multiplied with before."""
    fields = {name: value for name, value in (declared or {}).items() if name != "denominator"}
    return cast_of(fields, otherwise)


def denominator_of(declared: Mapping[str, Any] | None) -> int:
    """What a probability of 1 is stored as: 255 for uint8 unless declared, 1 for floats."""
    chosen = declared or {}
    of = format_named(chosen.get("format", "uint8"))
    largest = 1 if of.kind == "float" else of.limits[1]
    return int(chosen.get("denominator", largest))


def softmax_integer(
    scores: Array, inside: Array, declared: Attributes, tensors: Tensors, bits: int = 32
) -> Stages:
    """Stages of the integer softmax of rows (…, t) of ``bits`` bits; the last one probabilities.

    Raises
    ------
    ValueError
        If the table has not 2^index_bits entries, or a width does not fit 64 bits.
    """
    softmax_of(declared, "integer")
    maximum = integer_maximum(scores, inside)
    index = integer_index(scores, maximum, inside, declared, tensors, bits)
    powers = integer_powers(index, inside, declared, tensors)
    total = integer_row_sum(powers)
    inverse = integer_reciprocal(total, declared)
    return {
        "row_maximum": maximum,
        "exp_input": index,
        "exp_output": powers,
        "row_sum": total,
        "reciprocal": inverse,
        "probabilities": integer_probabilities(powers, inverse, declared),
    }


def integer_maximum(scores: Array, inside: Array) -> Array:
    """The largest score of each row that counts, in the format of the scores."""
    seen = np.where(inside, integers_of(scores), -(2**62))
    return to_integers(seen.max(axis=-1, keepdims=True), format_of(scores).name)


def integer_index(
    scores: Array,
    maximum: Array,
    inside: Array,
    declared: Attributes,
    tensors: Tensors,
    bits: int = 32,
) -> Array:
    """How far each score of ``bits`` bits is below the maximum, in steps of the table, uint16."""
    below = np.where(inside, integers_of(maximum) - integers_of(scores), 0)
    index = requantise(
        below,
        factor_of(tensors, "softmax_"),
        rounding=declared.get("rounding", "half_up"),
        channel_axis=below.ndim - 1,
        bits=max(bits, 32) + 1,  # the difference of two
    )
    return to_integers(np.clip(index, 0, 2 ** declared.get("index_bits", 8) - 1), "uint16")


def integer_powers(index: Array, inside: Array, declared: Attributes, tensors: Tensors) -> Array:
    """Entries of the table, 0 where a score is masked, uint16."""
    bits = declared.get("index_bits", 8)
    table = integers_of(tensors[declared.get("table", "exp_table")])
    if table.shape != (2**bits,) or table.min() < 0 or table.max() >= 2**16:
        raise ValueError(f"exp_table must hold {2**bits} entries of 16 bits, not {table.shape}")
    at = np.minimum(integers_of(index), 2**bits - 1)  # a device's own may be any
    return to_integers(np.where(inside, table[at], 0), "uint16")


def integer_row_sum(powers: Array) -> Array:
    """Their sum, exact: far below 2⁶³."""
    return integers_of(powers).sum(axis=-1, keepdims=True)


def integer_reciprocal(total: Array, declared: Attributes) -> Array:
    """2^R over the sum, to nearest, ties upwards, int64."""
    places = _reciprocal_bits(declared)
    return (2**places + total // 2) // np.maximum(total, 1)


def integer_probabilities(powers: Array, inverse: Array, declared: Attributes) -> Array:
    """Each entry's share of its row times the denominator, saturated to the format."""
    places = _reciprocal_bits(declared)
    shares = integers_of(powers) * inverse * denominator_of(declared)
    return to_integers((shares + 2 ** (places - 1)) >> places, declared.get("format", "uint8"))


def _reciprocal_bits(declared: Attributes) -> int:
    places = int(declared.get("reciprocal_bits", 30))
    if not 8 <= places <= MOST_RECIPROCAL_BITS:
        raise ValueError(f"reciprocal_bits must be from 8 to {MOST_RECIPROCAL_BITS}, not {places}")
    return places


def exp_table(scale: float, index_bits: int, largest: int) -> Array:
    """Entries round(largest·e^(−d·scale)) of an integer softmax, as uint16; ties to even."""
    steps = np.arange(2**index_bits) * -scale
    exact = evaluate(
        function_of({"format": "fp32"}, "exp"), decode(encode(steps, Cast(format="fp32"))), {}
    )
    return encode(exact * largest, Cast(format="uint16"))
