"""Gradients and normalisations by loops in exact fractions, one rounding after another.

Written from the formulas of the documentation; shares no code with the pipelines. Everything is
rounded to binary32, to nearest, in the canonical orders (o, u, v) and (n, i, j).
"""

from fractions import Fraction
from itertools import product
from math import isqrt

import numpy as np

from refimpl.bitexact.formats import FORMATS, decode
from tests.refimpl.bitexact.fractions_model import nearest
from tests.refimpl.bitexact.literal import RULES, clip, first_channel, sides, wrap32


def r(value):
    return nearest(Fraction(value), FORMATS["fp32"])


def cast(array, name):
    out = np.empty(array.shape, object)
    for at in np.ndindex(array.shape):
        out[at] = nearest(Fraction(array[at]), FORMATS[name])
    return out


def exact(array):
    wide = decode(array)
    out = np.empty(wide.shape, object)
    for at in np.ndindex(wide.shape):
        out[at] = Fraction(float(wide[at]))
    return out


def fma(total, a, b):
    return r(total + r(a * b))


def conv2d_backward(dy, x, w, attributes, add=fma, zero=Fraction(0)):
    """dx, dw and db before any cast; ``add`` is one step of a sum."""
    rows, cols, pixel = sides(x, w, attributes)
    outputs = list(np.ndindex(len(x), rows, cols))
    dx, dw = np.full(x.shape, zero, object), np.full(w.shape, zero, object)
    db = np.full(len(w), zero, object)
    for (o, u, v), (n, i, j) in product(np.ndindex(len(w), *w.shape[2:]), outputs):
        place = pixel(i, j, u, v)
        for c in range(w.shape[1] if place is not None else 0):
            at = (n, first_channel(o, w, attributes) + c, *place)
            dx[at] = add(dx[at], w[o, c, u, v], dy[n, o, i, j])
    for (o, c, u, v), (n, i, j) in product(np.ndindex(w.shape), outputs):
        place = pixel(i, j, u, v)
        if place is not None:
            seen = x[n, first_channel(o, w, attributes) + c, *place]
            dw[o, c, u, v] = add(dw[o, c, u, v], dy[n, o, i, j], seen)
    for o, (n, i, j) in product(range(len(w)), outputs):
        db[o] = add(db[o], dy[n, o, i, j], 1)
    return dx, dw, db


def conv2d_backward_integer(tensors, attributes):
    def integers(name, zero):
        array = tensors[name].astype(object)
        return array - zero

    def add(total, a, b):
        return wrap32(int(total) + int(a) * int(b))

    dx, dw, db = conv2d_backward(
        integers("dy", attributes["dy_zero"]),
        integers("x", attributes["x_zero"]),
        integers("w", 0),
        attributes,
        add,
        0,
    )
    output = np.empty(dx.shape, object)
    for at in np.ndindex(dx.shape):
        factor = int(tensors["multiplier"][at[1]]), int(tensors["shift"][at[1]])
        output[at] = clip(RULES[attributes["rounding"]](dx[at], *factor) + attributes["dx_zero"])
    return {"dx_accumulator": dx, "dx": output, "dw": dw, "db": db}


def neighbour(shape, y, z, offset, boundary):
    """Where a shifted copy reads; None outside a zero boundary."""
    row, col = y + offset[0], z + offset[1]
    if boundary == "circular":
        return row % shape[2], col % shape[3]
    return (row, col) if 0 <= row < shape[2] and 0 <= col < shape[3] else None


def product_of(x, attributes, name):
    n, c, height, width = x.shape
    directions = attributes["directions"]
    out = np.full((n, len(directions) * c, height, width), Fraction(0), object)
    for d, offset in enumerate(directions):
        for image, channel, y, z in np.ndindex(x.shape):
            there = neighbour(x.shape, y, z, offset, attributes["boundary"])
            if there is not None:
                out[image, d * c + channel, y, z] = nearest(
                    x[image, channel, y, z] * x[image, channel, *there], FORMATS[name]
                )
    return out


def pssa_backward(dy, x, w, attributes, name):
    """dx before its cast, dproduct, dw, db."""
    dproduct, dw, db = conv2d_backward(dy, product_of(x, attributes, name), w, attributes)
    dx = np.full(x.shape, Fraction(0), object)
    c = x.shape[1]
    for d, offset in enumerate(attributes["directions"]):
        for image, channel, y, z in np.ndindex(x.shape):
            at, own = (image, channel, y, z), (image, d * c + channel, y, z)
            there = neighbour(x.shape, y, z, offset, attributes["boundary"])
            if there is not None:
                dx[at] = fma(dx[at], dproduct[own], x[image, channel, *there])
        for image, channel, y, z in np.ndindex(x.shape):
            back = neighbour(x.shape, y, z, (-offset[0], -offset[1]), attributes["boundary"])
            if back is not None:
                share = r(dproduct[image, d * c + channel, *back] * x[image, channel, *back])
                dx[image, channel, y, z] = r(dx[image, channel, y, z] + share)
    return dx, dproduct, dw, db


def inverse_root(value):
    """1/√v rounded once to binary32: by integers, from a root with 200 bits to spare."""
    scaled = (Fraction(1) / value) * Fraction(4) ** 220
    root = isqrt(scaled.numerator // scaled.denominator)
    return r(Fraction(root, 2**220) + Fraction(1, 2**300))


def batch_norm(x, gamma, beta, mean, var, eps):
    out = np.empty(x.shape, object)
    for at in np.ndindex(x.shape):
        c = at[1]
        factor = r(gamma[c] * inverse_root(r(var[c] + r(eps))))
        out[at] = r(r(r(x[at] - mean[c]) * factor) + beta[c])
    return out


def statistics(x):
    count = x.size // x.shape[1]
    part, means, variances = r(Fraction(1, count)), [], []
    for c in range(x.shape[1]):
        values = [x[n, c, i, j] for n, i, j in np.ndindex(len(x), *x.shape[2:])]
        total = Fraction(0)
        for each in values:
            total = r(total + each)
        mean = r(total * part)
        squares = Fraction(0)
        for each in values:
            deviation = r(each - mean)
            squares = fma(squares, deviation, deviation)
        means.append(mean)
        variances.append(r(squares * part))
    return means, variances
