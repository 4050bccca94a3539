"""Gradients of a convolution in integers: dx requantised, dw and db as accumulators.

    dx   accumulator = Σ_{o,u,v} w·(∂y − z_∂y) ; before_clip = rule + z_dx ; saturated
    dw   Σ_{n,i,j} (∂y − z_∂y)·(x − z_x)       db   Σ_{n,i,j} (∂y − z_∂y)

The factor of dx is per input channel. dw and db stay in their accumulators: a step of training adds
them to wider weights. "accumulator_dx" and "accumulator_dw" say what they are (``integer_sum``), by
default int32 that wraps.

Source: the adjoints of conv2d, as in ``refimpl.ops.conv2d``; the cuts are stated here.
"""

import numpy as np

from refimpl.bitexact.call import Attributes, Stages, Tensors, geometry_of
from refimpl.bitexact.formats import format_of, to_integers
from refimpl.bitexact.gradients import (
    in_order,
    input_columns,
    input_rows,
    weight_columns,
    weight_rows,
)
from refimpl.bitexact.integer_operators import centre, clip
from refimpl.bitexact.integer_sum import integer_accumulator, sum_integers
from refimpl.bitexact.requantise import factor_of, requantise


def conv2d_backward_integer(tensors: Tensors, attributes: Attributes) -> Stages:
    """Pull integer ``dy`` back to ``x``, ``w`` and the bias."""
    dy, x = centre(tensors["dy"], attributes["dy_zero"]), centre(tensors["x"], attributes["x_zero"])
    w = centre(tensors["w"], 0)
    geometry = geometry_of(x, w, attributes)
    of = integer_accumulator({"order": "nij", **attributes.get("accumulator_dw", {})})
    sizes = dict(zip("nij", (len(x), *geometry.output), strict=True))
    rows = in_order(weight_rows(dy), 1, sizes, of.order, dict(of.tiles))
    columns = in_order(weight_columns(x, geometry), 1, sizes, of.order, dict(of.tiles))
    ones = np.ones((1, rows.shape[1], 1), np.int64)
    into = integer_accumulator({"order": "ouv", **attributes.get("accumulator_dx", {})})
    terms = dict(zip("ouv", (len(w), *w.shape[2:]), strict=True))
    seen = input_columns(dy, geometry, (x.shape[2], x.shape[3]))
    total = sum_integers(
        in_order(input_rows(w), 1, terms, into.order, dict(into.tiles)),
        in_order(seen, 1, terms, into.order, dict(into.tiles)),
        into,
    ).total.reshape(x.shape)
    before = requantise(
        total,
        factor_of(tensors),
        rounding=attributes["rounding"],
        zero_point=attributes["dx_zero"],
        bits=into.bits,
    )
    return {
        "dw": to_integers(sum_integers(rows, columns, of).total.reshape(w.shape), of.carrier),
        "db": to_integers(sum_integers(rows, ones, of).total.reshape(-1), of.carrier),
        "dx_accumulator": to_integers(total, into.carrier),
        "dx_before_clip": to_integers(before, "int32"),
        "dx": clip(before, attributes, format_of(tensors["x"]).name),
    }
