"""Attention and softmax in Python integers and exact fractions: the judge of both families.

Written from the formulas in the documentation; shares no code with the pipelines. The exponential
is mpmath's at 300 bits, rounded once.
"""

from fractions import Fraction
from math import floor

import mpmath
import numpy as np

from refimpl.bitexact.formats import FORMATS, decode
from tests.refimpl.bitexact.fractions_model import nearest
from tests.refimpl.bitexact.literal import RULES
from tests.refimpl.bitexact.literal import clip as clipped

FP32 = FORMATS["fp32"]
LOG2_E = Fraction(round(mpmath.mpf(2) ** 100 / mpmath.log(2)), 2**100)  # needs 24 bits of it


def held(total, attributes, name):
    """A sum in the accumulator that is declared under a name: int32 unless it says otherwise."""
    half = 2 ** (attributes.get(name, {}).get("bits", 32) - 1)
    return (total + half) % (2 * half) - half


def clip(value, tensors):
    """Saturated to the format of the image."""
    return clipped(value, *FORMATS[tensors["x"].dtype.name].limits)


def exact_exp(x):
    with mpmath.workprec(300):
        sign, mantissa, exponent, _ = mpmath.exp(mpmath.mpf(x.numerator) / x.denominator)._mpf_
    return Fraction(mantissa) * Fraction(2) ** exponent * (-1 if sign else 1)


def seen_by(shape, at, attributes, *, local):
    """Pixels that the query at (i, j) meets, in order; None outside the image."""
    height, width = shape[2:]
    down, right = attributes.get("stride", (1, 1))
    if not local:
        return [divmod(pixel, width) for pixel in range(height * width)]
    (k_h, k_w), (d_h, d_w) = attributes.get("kernel", (3, 3)), attributes.get("dilation", (1, 1))
    seen = []
    for u in range(k_h):
        for v in range(k_w):
            y = at[0] * down + (u - k_h // 2) * d_h
            z = at[1] * right + (v - k_w // 2) * d_w
            seen.append((y, z) if 0 <= y < height and 0 <= z < width else None)
    return seen


def queries_of(x, attributes):
    down, right = attributes.get("stride", (1, 1))
    return -(-x.shape[2] // down), -(-x.shape[3] // right)


def table_place(x, declared):
    """Where a table reads: index and rest, exact; [-16, 0] and binary32 unless declared."""
    low, high = Fraction(declared.get("low", -16)), Fraction(declared.get("high", 0))
    many = 2 ** declared.get("index_bits", 8)
    place = (min(max(x, low), high) - low) * many / (high - low)
    at = min(int(place), many - 1)
    return low, (high - low) / many, at, place - at


def exp_of(x, declared, tensors, form):
    """The declared exponential of one number, in the function's own format."""

    def r(value):
        return nearest(value, form)

    x, kind = r(x), declared.get("kind", "correct")
    if kind == "correct":
        return r(exact_exp(x))
    if kind == "pow2_shift":
        t = r(x * r(LOG2_E))
        n = floor(t)
        return r(Fraction(2) ** n * (1 + t - n))
    low, width, at, rest = table_place(x, declared)

    def entry(place):
        if kind == "user_table":
            return Fraction(float(decode(tensors[declared["entries"]])[place]))
        exact = exact_exp(low + place * width)
        return nearest(exact, form, declared.get("rounding", "nearest_even"))

    if kind == "piecewise":
        slope = r((entry(at + 1) - entry(at)) / width)
        return r(r(slope * rest * width) + entry(at))
    taken = declared.get("interpolation", "nearest")
    if taken == "truncated":
        return entry(at + (1 if rest == 1 else 0))
    if taken == "linear":
        step = nearest(entry(at + 1) - entry(at), FORMATS["fp64"])
        rise = nearest(step * rest, FORMATS["fp64"])
        return r(nearest(entry(at) + rise, FORMATS["fp64"]))
    return entry(at + (1 if rest >= Fraction(1, 2) else 0))


def softmax_row(row, r, *, divide=False, exp=None, into=None, inverted=None):
    """Stages of a row; binary rounding r after every operation; None is masked.

    ``into`` rounds to the exponential's own format, ``inverted`` to the reciprocal's.
    """
    power = exp or (lambda x: r(exact_exp(x)))
    into, inverted = into or r, inverted or r
    top = max(each for each in row if each is not None)
    shifted = [Fraction(0) if each is None else into(each - top) for each in row]
    powers = [
        Fraction(0) if each is None else power(below)
        for each, below in zip(row, shifted, strict=True)
    ]
    total = Fraction(0)
    for each in powers:
        # products with 1, and their sum, in binary32; then of the softmax's format
        total = nearest(total + nearest(each, FP32), FP32)
    total = r(total)
    stages = {"row_maximum": [top], "exp_input": shifted, "exp_output": powers, "row_sum": [total]}
    if divide:
        return stages | {"a": [r(each / total) for each in powers]}
    inverse = inverted(1 / inverted(total))
    return stages | {"reciprocal": [inverse], "a": [r(each * inverse) for each in powers]}


def integer_softmax_row(row, tensors, declared):
    """Stages of a row with a table of integers; None is masked."""
    table = [int(each) for each in tensors["exp_table"]]
    bits, places = declared.get("index_bits", 8), declared.get("reciprocal_bits", 30)
    factor = int(tensors["softmax_multiplier"][0]), int(tensors["softmax_shift"][0])
    top = max(each for each in row if each is not None)
    rule = RULES[declared.get("rounding", "half_up")]
    index = [0 if s is None else min(rule(top - s, *factor), 2**bits - 1) for s in row]
    powers = [0 if s is None else table[each] for s, each in zip(row, index, strict=True)]
    total = sum(powers)
    inverse = (2**places + total // 2) // total
    largest = declared.get("denominator", 255)
    shares = [min((e * inverse * largest + 2 ** (places - 1)) // 2**places, 255) for e in powers]
    return {
        "row_maximum": [top],
        "exp_input": index,
        "exp_output": powers,
        "row_sum": [total],
        "reciprocal": [inverse],
        "probabilities": shares,
    }


def project_integer(which, tensors, attributes, pixel):
    """One projected pixel (n, y, z): its channels, requantised."""
    n, y, z = pixel
    x, w = tensors["x"], tensors[f"w_{which}"]
    out = []
    for o in range(len(w)):
        total = sum(
            (int(x[n, c, y, z]) - attributes["x_zero"]) * int(w[o, c, 0, 0])
            for c in range(w.shape[1])
        )
        biased = held(total + int(tensors[f"b_{which}"][o]), attributes, "accumulator")
        factor = int(tensors[f"multiplier_{which}"][o]), int(tensors[f"shift_{which}"][o])
        scaled = RULES[attributes["rounding"]](biased, *factor) + attributes[f"{which}_zero"]
        out.append(clip(scaled, tensors))
    return out


def attention_integer(tensors, attributes, *, local):
    """Rows of scores and of each softmax stage, context and output, by loops."""
    x = tensors["x"]
    rows, cols = queries_of(x, attributes)
    heads = 1 if local else attributes.get("heads", 1)
    v_all, d_all = len(tensors["w_v"]), len(tensors["w_q"])
    output = np.empty((len(x), v_all, rows, cols), object)
    context = np.empty_like(output)
    shown = []
    down, right = attributes.get("stride", (1, 1))
    for n in range(len(x)):
        for head in range(heads):
            for i, j in np.ndindex(rows, cols):
                q = project_integer("q", tensors, attributes, (n, i * down, j * right))
                seen = seen_by(x.shape, (i, j), attributes, local=local)
                keys = [p and project_integer("k", tensors, attributes, (n, *p)) for p in seen]
                values = [p and project_integer("v", tensors, attributes, (n, *p)) for p in seen]
                own = range(head * d_all // heads, (head + 1) * d_all // heads)
                row = [
                    None
                    if key is None
                    else held(
                        sum(
                            (q[d] - attributes["q_zero"]) * (key[d] - attributes["k_zero"])
                            for d in own
                        ),
                        attributes,
                        "accumulator_scores",
                    )
                    for key in keys
                ]
                stages = weights_of(row, tensors, attributes)
                shown.append({"scores": [each or 0 for each in row]} | stages)
                p = stages["weights" if attributes.get("normalise") == "none" else "probabilities"]
                for o in range(head * v_all // heads, (head + 1) * v_all // heads):
                    column = [0 if v is None else v[o] - attributes["v_zero"] for v in values]
                    at = (n, o, i, j)
                    context[at], output[at] = gathered(p, column, o, tensors, attributes)
    return shown, context, output


def gathered(p, column, o, tensors, attributes):
    """Context and output of one query and channel; of bf16 probabilities in binary32."""
    if attributes.get("probabilities", {}).get("format") == "bf16":
        total = Fraction(0)
        for a, v in zip(p, column, strict=True):
            total = nearest(total + nearest(a * v, FP32), FP32)
        factor = nearest(Fraction(attributes["output_factor"]), FP32)
        return total, clip(round(nearest(total * factor, FP32)) + attributes["y_zero"], tensors)
    total = sum(a * v for a, v in zip(p, column, strict=True))
    total = held(total, attributes, "accumulator_context")
    factor = int(tensors["multiplier"][o]), int(tensors["shift"][o])
    scaled = RULES[attributes["rounding"]](total, *factor) + attributes["y_zero"]
    return total, clip(scaled, tensors)


def weights_of(row, tensors, attributes):
    """Stages from a row of scores to its weights."""
    if attributes.get("normalise") == "none":
        factor = int(tensors["weights_multiplier"][0]), int(tensors["weights_shift"][0])
        rule = RULES[attributes["rounding"]]
        before = [0 if s is None else rule(s, *factor) for s in row]
        return {"weights_before_clip": before, "weights": [clip(each, tensors) for each in before]}
    declared = attributes.get("softmax", {})
    if declared.get("kind") == "integer":
        return integer_softmax_row(row, tensors, declared)
    form = FORMATS[declared.get("format", "fp32")]
    own, inverse = (
        FORMATS[declared.get(each, {}).get("format", form.name)] for each in ("exp", "reciprocal")
    )

    def r(value):
        return nearest(value, form)

    factor = nearest(Fraction(attributes["score_scale"]), FP32)
    logits = [None if s is None else r(nearest(Fraction(s), FP32) * factor) for s in row]
    stages = softmax_row(
        logits,
        r,
        divide=declared.get("normalise") == "divide",
        exp=lambda x: exp_of(x, declared.get("exp", {}), tensors, own),
        into=lambda x: nearest(x, own),
        inverted=lambda x: nearest(x, inverse),
    )
    a = stages.pop("a")
    shown = {"scaled_scores": [Fraction(0) if each is None else each for each in logits]}
    return shown | stages | {"probabilities": stored(a, attributes.get("probabilities"))}


def stored(a, declared):
    """Probabilities as words: over a denominator, or as bf16."""
    chosen = declared or {"format": "uint8"}
    if chosen["format"] == "bf16":
        return [nearest(each, FORMATS["bf16"]) for each in a]
    largest = FORMATS[chosen["format"]].limits[1]
    return [min(round(each * chosen.get("denominator", largest)), largest) for each in a]


def attention_float(tensors, attributes, name, *, local):
    """Output of attention in floats: binary32 sums, casts to the format ``name``."""
    x = tensors["x"]
    rows, cols = queries_of(x, attributes)
    heads = 1 if local else attributes.get("heads", 1)
    wide = {key: decode(array) for key, array in tensors.items()}
    down, right = attributes.get("stride", (1, 1))
    form = FORMATS[name]

    def r(value):
        return nearest(value, FP32)

    def dot(left, others):
        total = Fraction(0)
        for a, b in zip(left, others, strict=True):
            total = r(total + r(a * b))
        return total

    def project(which, n, y, z):
        pixel = [Fraction(each) for each in wide["x"][n, :, y, z]]
        return [
            nearest(dot([Fraction(c) for c in kernel[:, 0, 0]], pixel), form)
            for kernel in wide[f"w_{which}"]
        ]

    scale = r(Fraction(attributes["scale"]))
    d_all, v_all = len(wide["w_q"]), len(wide["w_v"])
    output = np.empty((len(x), v_all, rows, cols), object)
    for n, head, i, j in np.ndindex(len(x), heads, rows, cols):
        q = project("q", n, i * down, j * right)
        own = slice(head * d_all // heads, (head + 1) * d_all // heads)
        seen = seen_by(x.shape, (i, j), attributes, local=local)
        keys = [p and project("k", n, *p)[own] for p in seen]
        values = [p and project("v", n, *p) for p in seen]
        logits = [None if key is None else r(dot(q[own], key) * scale) for key in keys]
        if attributes.get("normalise") == "none":
            a = [Fraction(0) if each is None else nearest(each, form) for each in logits]
        else:
            a = [nearest(each, form) for each in softmax_row(logits, r)["a"]]
        for o in range(head * v_all // heads, (head + 1) * v_all // heads):
            column = [Fraction(0) if value is None else value[o] for value in values]
            output[n, o, i, j] = nearest(dot(a, column), form)
    return output
