"""Gradients of a convolution in integers: dx requantised, dw and db as accumulators.

    dx   accumulator = Σ_{o,u,v} w·(∂y − z_∂y) ; before_clip = rule + z_dx ; saturated
    dw   Σ_{n,i,j} (∂y − z_∂y)·(x − z_x)       db   Σ_{n,i,j} (∂y − z_∂y)

The factor of dx is per input channel. dw and db stay in their accumulators: a step of training adds
them to wider weights. "accumulator_dx" and "accumulator_dw" say what they are (``integer_sum``), by
default int32 that wraps.

Source: the adjoints of conv2d, as in ``refimpl.ops.conv2d``; the cuts are stated here.
"""

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.call import Attributes, Stages, Tensors, geometry_of, groups_of
from refimpl.bitexact.formats import format_of, integers_of, to_integers
from refimpl.bitexact.gradients import (
    image_by_group,
    in_order,
    input_columns,
    input_rows,
    weight_columns,
    weight_rows,
    weights_by_group,
)
from refimpl.bitexact.integer_operators import centre, clip
from refimpl.bitexact.integer_sum import IntegerAccumulator, integer_accumulator, sum_integers
from refimpl.bitexact.requantise import factor_of, requantise


def conv2d_backward_integer(tensors: Tensors, attributes: Attributes) -> Stages:
    """Pull integer ``dy`` back to ``x``, ``w`` and the bias."""
    dy, x = centre(tensors["dy"], attributes["dy_zero"]), centre(tensors["x"], attributes["x_zero"])
    total = input_gradient(dy, tensors["w"], x.shape, attributes)
    before = rescaled(total, tensors, attributes, attributes["dx_zero"])
    return {
        **weight_gradients(dy, x, tensors["w"], attributes),
        "dx_accumulator": total,
        "dx_before_clip": before,
        "dx": clip(integers_of(before), attributes, format_of(tensors["x"]).name),
    }


def accumulator_of(attributes: Attributes, which: str) -> IntegerAccumulator:
    """What sums a gradient: "dx" over o, u, v, "dw" over n, i, j, "shares" over directions d."""
    loops = {"dx": "ouv", "dw": "nij", "shares": "d"}[which]
    name = f"accumulator_{which}"
    return integer_accumulator(attributes.get(name), loops=loops, name=name)


def weight_gradients(dy: Array, x: Array, w: Array, attributes: Attributes) -> Stages:
    """Stages dw and db, of centred ``dy`` and ``x``; ``w`` gives the shape."""
    if groups_of(attributes) > 1:
        return weights_by_group(weight_gradients, dy, x, w, attributes)
    of, geometry = accumulator_of(attributes, "dw"), geometry_of(x, w, attributes)
    sizes = dict(zip("nij", (len(x), *geometry.output), strict=True))
    rows = in_order(weight_rows(dy), 1, sizes, of.order, dict(of.tiles))
    columns = in_order(weight_columns(x, geometry), 1, sizes, of.order, dict(of.tiles))
    ones = np.ones((1, rows.shape[1], 1), np.int64)
    return {
        "dw": to_integers(sum_integers(rows, columns, of).total.reshape(w.shape), of.carrier),
        "db": to_integers(sum_integers(rows, ones, of).total.reshape(-1), of.carrier),
    }


def input_gradient(dy: Array, w: Array, shape: tuple[int, ...], attributes: Attributes) -> Array:
    """The accumulator of what was convolved, an image of ``shape``, of centred ``dy``."""
    if groups_of(attributes) > 1:
        own = (shape[0], shape[1] // groups_of(attributes), *shape[2:])
        return image_by_group(lambda d, k, t: input_gradient(d, k, own, t), dy, w, attributes)
    of, wide = accumulator_of(attributes, "dx"), centre(w, 0)
    geometry = geometry_of(np.empty(shape, np.int8), wide, attributes)
    terms = dict(zip("ouv", (len(wide), *wide.shape[2:]), strict=True))
    seen = input_columns(dy, geometry, (shape[2], shape[3]))
    total = sum_integers(
        in_order(input_rows(wide), 1, terms, of.order, dict(of.tiles)),
        in_order(seen, 1, terms, of.order, dict(of.tiles)),
        of,
    ).total
    return to_integers(total.reshape(shape), of.carrier)


def rescaled(
    total: Array,
    tensors: Tensors,
    attributes: Attributes,
    zero: int,
    *,
    prefix: str = "",
    which: str = "dx",
) -> Array:
    """A gradient before its clip: the rule of its accumulator, per channel, plus a zero point."""
    before = requantise(
        integers_of(total),
        factor_of(tensors, prefix),
        rounding=attributes["rounding"],
        zero_point=zero,
        bits=accumulator_of(attributes, which).bits,
    )
    return to_integers(before, "int32")
