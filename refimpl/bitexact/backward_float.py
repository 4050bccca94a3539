"""Gradients of conv2d, PSSA and X-volution in floats, every stage between.

    conv2d_backward     dx, dw, db: the sums of ``gradients.py``, as "accumulation_dx" (loops
                        o, u, v) and "accumulation_dw" (loops n, i, j) declare, then cast
    pssa_backward       product ; dproduct = dx of the convolution ; dw ; db
                        per direction d in turn: acc ← R(acc + R(dT_d·x'))
                                                 acc ← R(acc + shift(R(dT_d·x), −d))
                        dx = cast(acc)
    xvolution_backward  per branch: ds = Σ dy·z (z its output), dt = Σ dy, upstream = R(dy·s),
                        then conv2d_backward and pssa_backward; dx = cast(R(dx_c + dx_a))

R rounds to the format of "accumulation_dx". "dx" and "dw" are casts: by default dx has the format
of x, and what belongs to weights (dw, db, ds, dt) the format of its accumulator.

Source: the adjoints of the definitions in ``refimpl.ops``; the order is stated here.
"""

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulation import Accumulation, accumulation_of
from refimpl.bitexact.call import (
    Attributes,
    Stages,
    Tensors,
    branch,
    geometry_of,
    groups_of,
    prefixed,
    reached,
)
from refimpl.bitexact.float_operators import (
    conv2d_float,
    operand,
    pssa_float,
    rounded,
    shift_product_float,
)
from refimpl.bitexact.formats import cast_of, decode, encode, format_of
from refimpl.bitexact.gradients import (
    image_by_group,
    in_order,
    input_columns,
    input_rows,
    weight_columns,
    weight_rows,
    weights_by_group,
)
from refimpl.bitexact.mac import accumulate, add_rounded
from refimpl.ops.shift import shift


def conv2d_backward_float(tensors: Tensors, attributes: Attributes) -> Stages:
    """Pull ``dy`` back to ``x``, ``w`` and the bias."""
    name = format_of(tensors["x"]).name
    return {
        **weight_gradients(tensors["dy"], tensors["x"], tensors["w"], attributes),
        "dx": input_gradient(tensors["dy"], tensors["x"], tensors["w"], attributes, name),
    }


def pssa_backward_float(tensors: Tensors, attributes: Attributes) -> Stages:
    """Pull ``dy`` back to ``x``, ``w`` and the bias, through the product."""
    of = accumulation_of(attributes, "accumulation_dx", loops="ouv")
    x, dy, w = tensors["x"], tensors["dy"], tensors["w"]
    stages = shift_product_float(tensors, attributes)
    product = stages["product"]
    stages |= weight_gradients(dy, product, w, attributes)
    stages["dproduct"] = input_gradient(dy, product, w, attributes, of.format, "dproduct")
    total = through_product(operand(stages["dproduct"], of), operand(x, of), attributes, of)
    stages["dx"] = encode(total, cast_of(attributes.get("dx"), format_of(x).name))
    return stages


def xvolution_backward_float(tensors: Tensors, attributes: Attributes) -> Stages:
    """Pull ``dy`` back through both branches and their scales."""
    of = accumulation_of(attributes, "accumulation_dx", loops="ouv")
    sums = accumulation_of(attributes, "accumulation_dw", loops="nij")
    forward = {**attributes, "output": {"format": accumulation_of(attributes).format}}
    wide = {**attributes, "dx": {"format": of.format}}
    stages: Stages = {}
    for which, name, run, back in (
        ("c", "conv", conv2d_float, conv2d_backward_float),
        ("a", "attention", pssa_float, pssa_backward_float),
    ):
        own = branch(tensors, which, ("x", "dy"))
        output = run(own, forward)["output"]
        dy = operand(tensors["dy"], of)
        upstream = rounded(dy * operand(own["s"], of)[:, None, None], of)
        found = {
            "output": output,
            "ds": channel_sums(tensors["dy"], output, attributes, sums),
            "dt": channel_sums(tensors["dy"], None, attributes, sums),
            "upstream": upstream,
            **back({**own, "dy": upstream}, wide),
        }
        stages |= prefixed(f"{name}_", found)
    total = add_rounded(operand(stages["conv_dx"], of), operand(stages["attention_dx"], of), of)
    stages["dx"] = encode(total, cast_of(attributes.get("dx"), format_of(tensors["x"]).name))
    return stages


def input_gradient(
    dy: Array, x: Array, w: Array, attributes: Attributes, name: str, key: str = "dx"
) -> Array:
    """Gradient of what was convolved, cast as ``key`` declares; of ``x`` only the shape counts."""
    if groups_of(attributes) > 1:
        part = x[:, : x.shape[1] // groups_of(attributes)]
        return image_by_group(
            lambda d, k, t: input_gradient(d, part, k, t, name, key), dy, w, attributes
        )
    of = accumulation_of(attributes, "accumulation_dx", loops="ouv")
    geometry = geometry_of(x, w, attributes)
    sizes = dict(zip("ouv", (len(w), *w.shape[2:]), strict=True))
    tiles = dict(of.tiles)
    columns = input_columns(operand(dy, of), geometry, (x.shape[2], x.shape[3]))
    sums = accumulate(
        in_order(input_rows(operand(w, of)), 1, sizes, of.order, tiles),
        in_order(columns, 1, sizes, of.order, tiles),
        of,
    )
    return encode(sums.total.reshape(x.shape), cast_of(attributes.get(key), name))


def weight_gradients(dy: Array, x: Array, w: Array, attributes: Attributes) -> Stages:
    """Gradients of kernels and bias; of ``w`` only the shape counts."""
    if groups_of(attributes) > 1:
        return weights_by_group(weight_gradients, dy, x, w, attributes)
    of = accumulation_of(attributes, "accumulation_dw", loops="nij")
    geometry = geometry_of(x, w, attributes)
    sizes = dict(zip("nij", (len(x), *geometry.output), strict=True))
    tiles = dict(of.tiles)
    rows = in_order(weight_rows(operand(dy, of)), 1, sizes, of.order, tiles)
    columns = in_order(weight_columns(operand(x, of), geometry), 1, sizes, of.order, tiles)
    cast = cast_of(attributes.get("dw"), of.format)
    ones = np.ones((1, rows.shape[1], 1))
    return {
        "dw": encode(accumulate(rows, columns, of).total.reshape(w.shape), cast),
        "db": encode(accumulate(rows, ones, of).total.reshape(-1), cast),
    }


def channel_sums(dy: Array, by: Array | None, attributes: Attributes, of: Accumulation) -> Array:
    """Σ over n, i, j of dy, or of dy times another image, per channel."""
    sizes = dict(zip("nij", (len(dy), *dy.shape[2:]), strict=True))
    rows = in_order(weight_rows(operand(dy, of)), 1, sizes, of.order, dict(of.tiles))
    other = np.ones_like(rows)
    if by is not None:
        other = in_order(weight_rows(operand(by, of)), 1, sizes, of.order, dict(of.tiles))
    total = accumulate(rows[:, None], other[:, :, None], of).total.reshape(-1)
    return encode(total, cast_of(attributes.get("dw"), of.format))


def through_product(upstream: Array, x: Array, attributes: Attributes, of: Accumulation) -> Array:
    """Both factors' shares of x, direction by direction."""
    boundary = attributes["boundary"]
    offsets = reached(attributes)
    total = np.zeros(x.shape)
    for (down, right), part in zip(offsets, np.split(upstream, len(offsets), axis=1), strict=True):
        there = shift(x, offset=(down, right), boundary=boundary)
        total = add_rounded(total, decode(rounded(part * there, of)), of)
        share = shift(decode(rounded(part * x, of)), offset=(-down, -right), boundary=boundary)
        total = add_rounded(total, share, of)
    return total
