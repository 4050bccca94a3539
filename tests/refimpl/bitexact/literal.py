"""Every operator as loops over pixels and taps, in plain Python numbers: the judge of pipelines.

Written from the formulas in the documentation of each operator; shares no code with it. The int8
judges use Python integers, the fp32 judges scalar binary32 operations one at a time.
"""

from fractions import Fraction
from itertools import product
from math import floor

import numpy as np


def wrap32(value: int) -> int:
    return (value + 2**31) % 2**32 - 2**31


def clip(value: int, low: int = -128, high: int = 127) -> int:
    return max(low, min(high, value))


def _truncated_division(a: int, b: int) -> int:
    return abs(a) // b if a >= 0 else -(abs(a) // b)


def tflite_double(a: int, multiplier: int, shift: int) -> int:
    """TFLite's MultiplyByQuantizedMultiplier, whose shift is 31 minus ours.

    A shift to the left, gemmlowp's SaturatingRoundingDoublingHighMul, its RoundingDivideByPOT.
    """
    left, exponent = max(31 - shift, 0), max(shift - 31, 0)
    ab = (a << left) * multiplier
    high = _truncated_division(ab + (2**30 if ab >= 0 else 1 - 2**30), 2**31)
    mask = (1 << exponent) - 1
    remainder, threshold = high & mask, (mask >> 1) + (1 if high < 0 else 0)
    return (high >> exponent) + (1 if remainder > threshold else 0)


def _signed(of, magnitude):
    return magnitude if of >= 0 else -magnitude


def tosa_double(a, multiplier, shift):
    """TOSA's RESCALE with double rounding: 2^30 more, away from zero, where it shifts on."""
    more = 0 if shift <= 31 else _signed(a, 2**30)
    return (a * multiplier + 2 ** (shift - 1) + more) // 2**shift


RULES = {
    "half_up": lambda a, m, s: floor(Fraction(a * m, 2**s) + Fraction(1, 2)),
    "half_even": lambda a, m, s: round(Fraction(a * m, 2**s)),
    "floor": lambda a, m, s: floor(Fraction(a * m, 2**s)),
    "tflite_double": tflite_double,
    "half_away": lambda a, m, s: _signed(a, floor(Fraction(abs(a) * m, 2**s) + Fraction(1, 2))),
    "toward_zero": lambda a, m, s: int(Fraction(a * m, 2**s)),
    "tosa_double": tosa_double,
}


def sides(x, w, attributes):
    """Output positions, and a function from an output position and tap to a pixel or None."""
    k_h, k_w = w.shape[2:]
    stride = attributes.get("stride", (1, 1))
    apart = attributes.get("dilation", (1, 1))
    pad = attributes.get("padding")
    if pad is None:
        pad = (apart[0] * (k_h // 2), apart[1] * (k_w // 2))
    height, width = x.shape[2:]
    rows = (height + 2 * pad[0] - apart[0] * (k_h - 1) - 1) // stride[0] + 1
    cols = (width + 2 * pad[1] - apart[1] * (k_w - 1) - 1) // stride[1] + 1

    def pixel(i, j, u, v):
        y, z = i * stride[0] + u * apart[0] - pad[0], j * stride[1] + v * apart[1] - pad[1]
        return (y, z) if 0 <= y < height and 0 <= z < width else None

    return rows, cols, pixel


def first_channel(o, w, attributes):
    """The first input channel of the group that output o belongs to."""
    return o // (len(w) // attributes.get("groups", 1)) * w.shape[1]


def shifted_copies(x, attributes, outside):
    """Shifted copies of (n, c, h, w), direction first, pixel by pixel."""
    n, c, height, width = x.shape
    directions = attributes["directions"]
    shifted = np.empty((n, len(directions) * c, height, width), x.dtype)
    for d, (down, right) in enumerate(directions):
        for image, channel, y, z in np.ndindex(x.shape):
            row = y + down * attributes["length"]
            col = z + right * attributes["length"]
            inside = 0 <= row < height and 0 <= col < width
            if attributes["boundary"] == "circular" or inside:
                value = x[image, channel, row % height, col % width]
            else:
                value = outside
            shifted[image, d * c + channel, y, z] = value
    return shifted


def _each(function, *arrays):
    """Apply a function of Python integers elementwise."""
    out = np.empty(arrays[0].shape, object)
    for at in np.ndindex(out.shape):
        out[at] = function(*(int(array[at]) for array in arrays))
    return out


def _requantise(stages, tensors, attributes):
    rule, zero = RULES[attributes["rounding"]], attributes["y_zero"]
    accumulator = stages["accumulator"]
    biased = np.empty(accumulator.shape, object)
    before = np.empty(accumulator.shape, object)
    for at in np.ndindex(accumulator.shape):
        o = at[1]
        biased[at] = wrap32(accumulator[at] + int(tensors["b"][o]))
        scaled = rule(biased[at], int(tensors["multiplier"][o]), int(tensors["shift"][o]))
        before[at] = clip(scaled + zero, -(2**31), 2**31 - 1)
    return {**stages, "biased": biased, "before_clip": before, "output": _each(clip, before)}


def _accumulate(x, w, attributes):
    rows, cols, pixel = sides(x, w, attributes)
    sums = np.empty((len(x), len(w), rows, cols), object)
    for n, o, i, j in np.ndindex(sums.shape):
        total = 0
        for c, u, v in np.ndindex(w.shape[1:]):
            place = pixel(i, j, u, v)
            if place is not None:
                seen = x[n, first_channel(o, w, attributes) + c, *place]
                total = wrap32(total + int(w[o, c, u, v]) * int(seen))
        sums[n, o, i, j] = total
    return sums


def _conv_int8(centred, tensors, attributes):
    sums = {"accumulator": _accumulate(centred, tensors["w"], attributes)}
    return _requantise(sums, tensors, attributes)


def _centred(x, zero):
    return _each(lambda value: value - zero, x)


def conv2d_int8(tensors, attributes):
    return _conv_int8(_centred(tensors["x"], attributes["x_zero"]), tensors, attributes)


def shift_product_int8(tensors, attributes):
    x, zero = tensors["x"], attributes["x_zero"]
    shifted = _each(int, shifted_copies(x, attributes, zero))
    repeated = np.concatenate([x] * len(attributes["directions"]), axis=1)
    wide = _each(lambda here, there: (here - zero) * (there - zero), repeated, shifted)
    rule = RULES[attributes["rounding"]]
    multiplier, shift = int(tensors["t_multiplier"][0]), int(tensors["t_shift"][0])
    before = _each(lambda value: rule(value, multiplier, shift) + attributes["t_zero"], wide)
    return {
        "shifted": shifted,
        "wide_product": wide,
        "product_before_clip": before,
        "product": _each(clip, before),
    }


def pssa_int8(tensors, attributes):
    products = shift_product_int8(tensors, attributes)
    centred = _centred(products["product"], attributes["t_zero"])
    return {**products, **_conv_int8(centred, tensors, attributes)}


def xvolution_fused_int8(tensors, attributes):
    products = shift_product_int8(tensors, attributes)
    both = np.concatenate(
        [
            _centred(tensors["x"], attributes["x_zero"]),
            _centred(products["product"], attributes["t_zero"]),
        ],
        axis=1,
    )
    return {**products, **_conv_int8(both, tensors, attributes)}


def _of_branch(tensors, which):
    names = {"w": f"w_{which}", "b": f"b_{which}"}
    names |= {"multiplier": f"multiplier_{which}", "shift": f"shift_{which}"}
    return {key: tensors[name] for key, name in names.items() if name in tensors} | {
        key: tensors[key] for key in ("x", "t_multiplier", "t_shift") if key in tensors
    }


def _named(prefix, stages):
    return {prefix + name: array for name, array in stages.items()}


def xvolution_int8(tensors, attributes):
    unshifted = {**attributes, "y_zero": 0}
    conv = conv2d_int8(_of_branch(tensors, "c"), unshifted)
    attention = pssa_int8(_of_branch(tensors, "a"), unshifted)
    total = _each(
        lambda left, right: left + right + attributes["y_zero"],
        conv["output"],
        attention["output"],
    )
    return {
        **_named("conv_", conv),
        **_named("attention_", attention),
        "before_clip": total,
        "output": _each(clip, total),
    }


def _taps(shape, order):
    """Every (c, u, v) of a kernel, in the declared order."""
    channels, height, width = map(range, shape)
    if order == "cuv":
        return list(product(channels, height, width))
    return [(c, u, v) for u, v, c in product(height, width, channels)]


def _conv_fp32(x, tensors, attributes):
    w, b = tensors["w"], tensors.get("b")
    rows, cols, pixel = sides(x, w, attributes)
    sums = np.empty((len(x), len(w), rows, cols), np.float32)
    output = np.empty_like(sums)
    first = attributes.get("bias_at", "last") == "first"
    taps = _taps(w.shape[1:], attributes.get("order", "cuv"))
    for n, o, i, j in np.ndindex(sums.shape):
        total = b[o] if first and b is not None else np.float32(0)
        for c, u, v in taps:
            place = pixel(i, j, u, v)
            channel = first_channel(o, w, attributes) + c
            seen = np.float32(0) if place is None else x[n, channel, *place]
            rounded = np.float32(w[o, c, u, v] * seen)
            total = np.float32(total + rounded)
        sums[n, o, i, j] = total
        output[n, o, i, j] = total if first or b is None else np.float32(total + b[o])
    return {"accumulator": sums, "output": output}


def conv2d_fp32(tensors, attributes):
    return _conv_fp32(tensors["x"], tensors, attributes)


def shift_product_fp32(tensors, attributes):
    x = tensors["x"]
    shifted = shifted_copies(x, attributes, np.float32(0))
    c = x.shape[1]
    products = np.empty_like(shifted)
    for n, channel, y, z in np.ndindex(shifted.shape):
        products[n, channel, y, z] = x[n, channel % c, y, z] * shifted[n, channel, y, z]
    return {"shifted": shifted, "product": products}


def pssa_fp32(tensors, attributes):
    products = shift_product_fp32(tensors, attributes)
    return {**products, **_conv_fp32(products["product"], tensors, attributes)}


def xvolution_fused_fp32(tensors, attributes):
    products = shift_product_fp32(tensors, attributes)
    both = np.concatenate([tensors["x"], products["product"]], axis=1)
    return {**products, **_conv_fp32(both, tensors, attributes)}


def xvolution_fp32(tensors, attributes):
    conv = conv2d_fp32(_of_branch(tensors, "c"), attributes)
    attention = pssa_fp32(_of_branch(tensors, "a"), attributes)
    for which, branch in (("c", conv), ("a", attention)):
        scaled = np.empty_like(branch["output"])
        for at in np.ndindex(scaled.shape):
            times = np.float32(branch["output"][at] * tensors[f"s_{which}"][at[1]])
            scaled[at] = np.float32(times + tensors[f"t_{which}"][at[1]])
        branch["scaled"] = scaled
    output = np.empty_like(conv["scaled"])
    for at in np.ndindex(output.shape):
        output[at] = np.float32(conv["scaled"][at] + attention["scaled"][at])
    return {**_named("conv_", conv), **_named("attention_", attention), "output": output}


JUDGES = {
    ("conv2d", "int8"): conv2d_int8,
    ("shift_product", "int8"): shift_product_int8,
    ("pssa", "int8"): pssa_int8,
    ("xvolution", "int8"): xvolution_int8,
    ("xvolution_fused", "int8"): xvolution_fused_int8,
    ("conv2d", "fp32"): conv2d_fp32,
    ("shift_product", "fp32"): shift_product_fp32,
    ("pssa", "fp32"): pssa_fp32,
    ("xvolution", "fp32"): xvolution_fp32,
    ("xvolution_fused", "fp32"): xvolution_fused_fp32,
}
