"""Gradients of PSSA and X-volution in integers, every stage between.

    pssa_backward       shift_product as forward ; dw, db: of ∂y and the product (or the wide one)
                        dproduct   accumulator = Σ_{o,u,v} w·(∂y − z_∂y) ; rule + z_dT ; saturated
                        here       (dT − z_dT)·(x' − z_x)
                        there      shift((dT − z_dT)·(x − z_x), −d)
                        dx         accumulator = Σ_d here_d + there_d ; rule + z_dx ; saturated
    xvolution_backward  per branch, z its output (requantised, zero point 0) and s an integer gain
                        per channel, of the forward pass y = s_c·z_c + t_c + s_a·z_a + t_a:
                        ds = Σ (∂y − z_∂y)·z    dt = Σ (∂y − z_∂y)
                        wide_upstream = (∂y − z_∂y)·s ; rule + z_u ; upstream saturated ; then
                        conv2d_backward, pssa_backward, their dx with zero point 0 and saturated
                        dx = conv_dx + attention_dx + z_dx, saturated

dT, the gradient of the product, has a factor per channel ("d_multiplier", "d_shift"), dx one per
channel of x; the shares of a pixel are summed direction by direction, here before there, in
"accumulator_shares". dw, db, ds and dt stay in "accumulator_dw". Saturation and rounding pass a
gradient on as though they were not there (straight through).

Sources: the adjoints of the definitions in ``refimpl.ops``; Bengio, Léonard and Courville,
arXiv:1308.3432 (2013), for the straight-through estimate; the cuts are stated here.
"""

from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.backward_integer import (
    accumulator_of,
    conv2d_backward_integer,
    input_gradient,
    rescaled,
    weight_gradients,
)
from refimpl.bitexact.call import Attributes, Stages, Tensors, branch, prefixed, reached, repeated
from refimpl.bitexact.formats import format_of, integer_format, integers_of, to_integers
from refimpl.bitexact.gradients import in_order, weight_rows
from refimpl.bitexact.integer_operators import (
    SHARED,
    centre,
    centred_product,
    clip,
    conv2d_integer,
    pssa_integer,
    shift_product_integer,
)
from refimpl.bitexact.integer_sum import sum_integers
from refimpl.bitexact.requantise import factor_of, requantise
from refimpl.ops.shift import shift

BRANCHES = (("c", "conv"), ("a", "attention"))


def pssa_backward_integer(tensors: Tensors, attributes: Attributes) -> Stages:
    """Pull integer ``dy`` back to ``x``, ``w`` and the bias, through the product."""
    stages = shift_product_integer(tensors, attributes)
    dy, w = centre(tensors["dy"], attributes["dy_zero"]), tensors["w"]
    product, name = centred_product(stages, attributes), format_of(tensors["x"]).name
    total = input_gradient(dy, w, product.shape, attributes)
    zero = attributes.get("dproduct_zero", 0)
    before = rescaled(total, tensors, attributes, zero, prefix="d_")
    dproduct = to_dproduct(before, attributes, name)
    here = share_here(dproduct, stages["shifted"], attributes)
    there = share_there(dproduct, tensors["x"], attributes)
    shares = summed_shares(here, there, attributes)
    dx = rescaled(shares, tensors, attributes, attributes["dx_zero"], which="shares")
    return {
        **stages,
        **weight_gradients(dy, product, w, attributes),
        "dproduct_accumulator": total,
        "dproduct_before_clip": before,
        "dproduct": dproduct,
        "here": here,
        "there": there,
        "dx_accumulator": shares,
        "dx_before_clip": dx,
        "dx": clip(integers_of(dx), attributes, name),
    }


def xvolution_backward_integer(tensors: Tensors, attributes: Attributes) -> Stages:
    """Pull integer ``dy`` back through both branches and their gains."""
    forward = alone(attributes) | {"y_zero": 0}
    inner = alone(attributes) | {"dy_zero": attributes["upstream_zero"], "dx_zero": 0}
    dy, name = centre(tensors["dy"], attributes["dy_zero"]), format_of(tensors["x"]).name
    stages: Stages = {}
    for which, prefix in BRANCHES:
        own = branch(tensors, which, SHARED)
        run, back = (
            (conv2d_integer, conv2d_backward_integer)
            if which == "c"
            else (pssa_integer, pssa_backward_integer)
        )
        found = run(own, forward)
        wide = gained(tensors["dy"], own["s"], attributes)
        before = upstream_before_clip(wide, own, attributes)
        upstream = to_integers(integers_of(before), name)
        factor = {key.removeprefix("dx_"): own[key] for key in own if key.startswith("dx_")}
        pulled = back({**own, **factor, "dy": upstream}, inner)
        found |= {
            "ds": channel_sums(dy, integers_of(found["output"]), attributes),
            "dt": channel_sums(dy, None, attributes),
            "wide_upstream": wide,
            "upstream_before_clip": before,
            "upstream": upstream,
        }
        stages |= prefixed(f"{prefix}_", found | pulled)
    total = integers_of(stages["conv_dx"]) + integers_of(stages["attention_dx"])
    before = to_integers(total + attributes["dx_zero"], "int32")
    stages |= {"dx_before_clip": before, "dx": clip(integers_of(before), attributes, name)}
    return stages


def alone(attributes: Attributes) -> dict[str, Any]:
    """Attributes of one branch: limits of a fused activation are not its own."""
    return {key: value for key, value in attributes.items() if key != "clip"}


def to_dproduct(before: Array, attributes: Attributes, name: str) -> Array:
    """Saturate the gradient of a product to "dproduct_format", ``name`` unless declared."""
    into = integer_format(attributes.get("dproduct_format", name), "dproduct_format")
    return to_integers(integers_of(before), into.name)


def share_here(dproduct: Array, copies: Array, attributes: Attributes) -> Array:
    """What the pixel itself gets of its products: their gradient times the shifted copies."""
    there = integers_of(copies) - attributes["x_zero"]
    return _exact(_centred(dproduct, attributes) * there, dproduct, copies)


def share_there(dproduct: Array, x: Array, attributes: Attributes) -> Array:
    """What the pixel that was read gets: the gradient times ``x``, shifted back."""
    centred = repeated(integers_of(x) - attributes["x_zero"], attributes)
    offsets = reached(attributes)
    shares = np.split(_centred(dproduct, attributes) * centred, len(offsets), axis=1)
    moved = [
        shift(share, offset=(-down, -right), boundary=attributes["boundary"])
        for (down, right), share in zip(offsets, shares, strict=True)
    ]
    return _exact(np.concatenate(moved, axis=1), dproduct, x)


def summed_shares(here: Array, there: Array, attributes: Attributes) -> Array:
    """The accumulator of dx: direction by direction, here before there."""
    of, many = accumulator_of(attributes, "shares"), len(attributes["directions"])
    n, channels, *sides = here.shape
    own = (n, many, channels // many, *sides)
    both = np.stack([integers_of(each).reshape(own) for each in (here, there)], axis=2)
    ones = np.ones((1, 2 * many), np.int64)
    total = sum_integers(ones, both.reshape(n, 2 * many, -1), of).total
    return to_integers(total.reshape(n, channels // many, *sides), of.carrier)


def gained(dy: Array, s: Array, attributes: Attributes) -> Array:
    """(∂y − z_∂y)·s per channel, exact."""
    centred = integers_of(dy) - attributes["dy_zero"]
    return _exact(centred * integers_of(s)[:, None, None], dy, s)


def upstream_before_clip(wide: Array, tensors: Tensors, attributes: Attributes) -> Array:
    """The gradient of a branch's output, scaled as "u_multiplier" and "u_shift" say."""
    before = requantise(
        integers_of(wide),
        factor_of(tensors, "u_"),
        rounding=attributes["rounding"],
        zero_point=attributes["upstream_zero"],
        bits=32 if format_of(wide).name == "int32" else 34,  # a product of two int16 differences
    )
    return to_integers(before, "int32")


def channel_sums(dy: Array, by: Array | None, attributes: Attributes) -> Array:
    """Σ over n, i, j of ``dy``, or of it times another image, per channel; both are centred."""
    of = accumulator_of(attributes, "dw")
    sizes = dict(zip("nij", (len(dy), *dy.shape[2:]), strict=True))
    rows = in_order(weight_rows(dy), 1, sizes, of.order, dict(of.tiles))
    other = np.ones_like(rows)
    if by is not None:
        other = in_order(weight_rows(by), 1, sizes, of.order, dict(of.tiles))
    total = sum_integers(rows[:, None], other[:, :, None], of).total
    return to_integers(total.reshape(-1), of.carrier)


def _centred(dproduct: Array, attributes: Attributes) -> Array:
    return integers_of(dproduct) - attributes.get("dproduct_zero", 0)


def _exact(values: Array, *factors: Array) -> Array:
    """Products of differences of two numbers, in the format that holds all of them."""
    bits = sum(format_of(each).bits + 1 for each in factors)
    return to_integers(values, "int32" if bits <= 32 else "int64")
