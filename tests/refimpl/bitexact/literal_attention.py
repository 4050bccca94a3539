"""Attention and softmax in Python integers and exact fractions: the judge of both families.

Written from the formulas in the documentation; shares no code with the pipelines. The exponential
is mpmath's at 300 bits, rounded once.
"""

from fractions import Fraction

import mpmath
import numpy as np

from refimpl.bitexact.formats import FORMATS, decode
from tests.refimpl.bitexact.fractions_model import nearest
from tests.refimpl.bitexact.literal import RULES, clip, wrap32

FP32 = FORMATS["fp32"]


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


def softmax_row(row, r, *, divide=False):
    """Binary rounding r after every operation; None is masked."""
    top = max(each for each in row if each is not None)
    shifted = [None if each is None else r(each - top) for each in row]
    powers = [Fraction(0) if each is None else r(exact_exp(each)) for each in shifted]
    total = Fraction(0)
    for each in powers:
        total = r(total + each)
    if divide:
        return top, powers, total, None, [r(each / total) for each in powers]
    inverse = r(1 / total)
    return top, powers, total, inverse, [r(each * inverse) for each in powers]


def integer_softmax_row(row, tensors, declared):
    table = [int(each) for each in tensors["exp_table"]]
    bits, places = declared.get("index_bits", 8), declared.get("reciprocal_bits", 30)
    factor = int(tensors["softmax_multiplier"][0]), int(tensors["softmax_shift"][0])
    top = max(each for each in row if each is not None)
    rule = RULES[declared.get("rounding", "half_up")]
    index = [None if s is None else min(rule(top - s, *factor), 2**bits - 1) for s in row]
    powers = [0 if each is None else table[each] for each in index]
    total = sum(powers)
    inverse = (2**places + total // 2) // total
    largest = declared.get("denominator", 255)
    return [
        min((e * inverse * largest + 2 ** (places - 1)) // 2**places, 255) for e in powers
    ], powers, total, inverse  # fmt: skip


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
        biased = wrap32(total + int(tensors[f"b_{which}"][o]))
        factor = int(tensors[f"multiplier_{which}"][o]), int(tensors[f"shift_{which}"][o])
        out.append(
            clip(RULES[attributes["rounding"]](biased, *factor) + attributes[f"{which}_zero"])
        )
    return out


def attention_integer(tensors, attributes, *, local):
    """Scores, weights, context and output of global or local attention, by loops."""
    x = tensors["x"]
    rows, cols = queries_of(x, attributes)
    heads = 1 if local else attributes.get("heads", 1)
    v_all, d_all = len(tensors["w_v"]), len(tensors["w_q"])
    output = np.empty((len(x), v_all, rows, cols), object)
    context = np.empty_like(output)
    scores, weights = [], []
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
                    else sum(
                        (q[d] - attributes["q_zero"]) * (key[d] - attributes["k_zero"]) for d in own
                    )
                    for key in keys
                ]
                p = weights_of(row, tensors, attributes)
                scores.append([each or 0 for each in row])
                weights.append(p)
                for o in range(head * v_all // heads, (head + 1) * v_all // heads):
                    total = sum(
                        a * (value[o] - attributes["v_zero"])
                        for a, value in zip(p, values, strict=True)
                        if value is not None
                    )
                    context[n, o, i, j] = wrap32(total)
                    factor = int(tensors["multiplier"][o]), int(tensors["shift"][o])
                    scaled = RULES[attributes["rounding"]](wrap32(total), *factor)
                    output[n, o, i, j] = clip(scaled + attributes["y_zero"])
    return scores, weights, context, output


def weights_of(row, tensors, attributes):
    if attributes.get("normalise") == "none":
        factor = int(tensors["weights_multiplier"][0]), int(tensors["weights_shift"][0])
        rule = RULES[attributes["rounding"]]
        return [0 if s is None else clip(rule(s, *factor)) for s in row]
    declared = attributes.get("softmax", {})
    if declared.get("kind") == "integer":
        return integer_softmax_row(row, tensors, declared)[0]

    def r(value):
        return nearest(value, FP32)

    factor = r(Fraction(attributes["score_scale"]))
    logits = [None if s is None else r(r(Fraction(s)) * factor) for s in row]
    *_, a = softmax_row(logits, r, divide=declared.get("normalise") == "divide")
    chosen = attributes.get("probabilities", {"format": "uint8"})
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
            *_, a = softmax_row(logits, r)
            a = [nearest(each, form) for each in a]
        for o in range(head * v_all // heads, (head + 1) * v_all // heads):
            column = [Fraction(0) if value is None else value[o] for value in values]
            output[n, o, i, j] = nearest(dot(a, column), form)
    return output
