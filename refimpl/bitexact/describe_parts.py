"""Parts of a call's description, each a line: a cast, a constant, a rule, limits, a softmax."""

from typing import Any

import numpy as np

from refimpl.bitexact.accumulation import accumulation_of
from refimpl.bitexact.call import Attributes
from refimpl.bitexact.formats import Cast, decode, default_cast, encode, format_named
from refimpl.bitexact.integer_operators import limits_of, output_format
from refimpl.bitexact.requantise import FORMULAS
from refimpl.bitexact.softmax import cast_of_weights, denominator_of, functions_of, softmax_of


def cast_text(cast: Cast) -> str:
    """One line on a cast of real numbers."""
    of = format_named(cast.format)
    if of.kind != "float":
        return f"to {cast.format}, {cast.rounding}, saturates to {list(of.limits)}"
    if of.name == "fp64":
        return "to fp64, as it is"
    end = f"beyond ±{of.largest:g}: {cast.overflow_text}"
    return f"to {cast.format}, {cast.rounding}, {end}, subnormals {cast.subnormals}"


def saturated_text(name: str) -> str:
    """What integers of an integer format saturate to."""
    return f"saturated to {name}, {list(format_named(name).limits)}"


def real_text(value: float, cast: Cast) -> str:
    """A declared real number as it is used: rounded to a format."""
    return repr(float(decode(encode(np.array([value], np.float64), cast))[0]))


def rule_text(rule: str) -> str:
    """A rounding rule with its formula."""
    if rule not in FORMULAS:
        raise ValueError(f"rounding must be one of {', '.join(FORMULAS)}, not {rule!r}")
    return f"{rule}: {FORMULAS[rule]}"


def limits_text(operator: str, arithmetic: str, attributes: Attributes) -> str:
    """What the output of an integer operator saturates to, its format first."""
    if operator == "shift_product":
        into = format_named(attributes.get("product_format", arithmetic))
        return f"{into.name}, {list(into.limits)}"
    into = output_format(attributes, arithmetic)
    return f"{into.name}, {list(limits_of(attributes, arithmetic))}"


def shift_text(attributes: Attributes) -> str:
    """Which pixels a shift product reads."""
    around = {
        "circular": "wraps around the image",
        "zero": "reads the real 0 outside the image",
    }[attributes["boundary"]]
    directions = [list(each) for each in attributes["directions"]]
    return (
        f"x' = x at p + L*d, L = {attributes['length']}, d = (down, right) of {directions} in turn;"
        f" {around}"
    )


def softmax_text(attributes: Attributes, form: str, *, integer: bool) -> dict[str, Any]:
    """How scaled scores become probabilities; ``form`` is the probabilities' default format."""
    declared = attributes.get("softmax", {})
    kind = "integer" if integer and declared.get("kind") == "integer" else "float"
    softmax_of(declared, kind)
    return _integer_softmax(declared) if kind == "integer" else _softmax(declared, attributes, form)


def _integer_softmax(declared: Attributes) -> dict[str, Any]:
    table = declared.get("table", "exp_table")
    return {
        "normalise": f"d = min(rule(max - z), last index) ; e = {table}[d] ; S = sum e ; "
        "r = floor((2^R + floor(S/2))/S) ; a = floor((e*r*D + 2^(R-1))/2^R)",
        "index_bits": declared.get("index_bits", 8),
        "rule": rule_text(declared.get("rounding", "half_up")),
        "reciprocal_bits": declared.get("reciprocal_bits", 30),
        "denominator": denominator_of(declared),
        "probabilities": saturated_text(declared.get("format", "uint8")),
    }


def _softmax(declared: Attributes, attributes: Attributes, form: str) -> dict[str, Any]:
    into = declared.get("format", "fp32")
    divide = declared.get("normalise", "reciprocal") == "divide"
    last = "a = R(e/S)" if divide else "r = reciprocal(S) ; a = R(e*r)"
    exp, reciprocal = functions_of(declared)
    chosen = {"format": form, **attributes.get("probabilities", {})}
    cast = cast_of_weights(chosen, form)
    said = {
        "normalise": f"t = R_{exp.format}(z - max) ; e = exp(t) ; S = R(sum of e) ; {last}",
        "softmax": f"R: {cast_text(default_cast(into))}",
        "exp": exp.formula,
        "row_sum": accumulation_of(declared, "sum", loops="t").recurrence(biased=False),
        "probabilities": f"a*{denominator_of(chosen)} {cast_text(cast)}",
    }
    if not divide:
        said["reciprocal"] = reciprocal.formula
    return said
