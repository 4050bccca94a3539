"""Gradients of PSSA and X-volution in the bit-exact model, opened up, in int8 and binary32.

Each part is one of ``gradients.py``, ``shifts.py`` and ``float_device.py`` in the scope "product",
"conv", "convolution" or "attention". Sites of their own:

    dproduct        ∂T, what the convolution gives its products
    back_offset     (down, right) of each direction, as shares are moved back
    here there      shares of the pixel itself, and of the pixel that was read
    shares          in the order in which dx adds them             (int8: "dx", as there)
    gain            s of each branch            ds dt             as they are left
    wide_upstream   ∂y·s                        upstream          as the branch is given it
    total           the sum of both branches' dx
"""

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulation import Accumulation, accumulation_of
from refimpl.bitexact.backward_integer import accumulator_of
from refimpl.bitexact.call import Attributes, Stages, Tensors, branch, prefixed, reached, repeated
from refimpl.bitexact.float_operators import operand, rounded
from refimpl.bitexact.formats import cast_of, decode, encode, to_integers
from refimpl.bitexact.gradients import in_order, weight_rows
from refimpl.bitexact.integer_sum import sum_integers
from refimpl.bitexact.mac import accumulate, add_rounded
from refimpl.ops.shift import shift
from refimpl.score.device import wrap
from refimpl.score.float_device import conv2d_fp32, pssa_fp32, shift_product_fp32
from refimpl.score.gradients import (
    centred,
    conv2d_backward_fp32,
    conv2d_backward_int8,
    input_gradient,
    input_sums,
    rescaled,
    weight_gradients,
    weight_sums,
)
from refimpl.score.shifts import conv2d_int8, pssa_int8, shift_product_int8
from refimpl.score.site import Probe

SCOPES = (("c", "conv", "convolution"), ("a", "attention", "attention"))
SHARED = ("x", "t_multiplier", "t_shift")


def pssa_backward_int8(tensors: Tensors, attributes: Attributes, at: Probe) -> Stages:
    """``refimpl.bitexact.backward_pixel_shift.pssa_backward_integer`` with a bug."""
    stages = shift_product_int8(tensors, attributes, at.inside("product"))
    conv = at.inside("conv")
    dy, w = centred(tensors, "dy", attributes, conv), conv("w", tensors["w"].astype(np.int64))
    t_zero = attributes["t_zero"]
    product = stages["product"].astype(np.int64) - conv("zero", np.int64(t_zero))
    zeros = np.full(product.shape[1], t_zero, np.int64)
    total = input_sums(dy, w, product.shape, attributes, conv)
    factor = tensors["d_multiplier"], tensors["d_shift"]
    zero = attributes.get("dproduct_zero", 0)
    dproduct = rescaled(total, factor, attributes, "dproduct", zero, at)
    upstream = at("dproduct", dproduct["dproduct"].astype(np.int64)) - zero
    copies = stages["shifted"].astype(np.int64) - attributes["x_zero"]
    own = repeated(tensors["x"].astype(np.int64) - attributes["x_zero"], attributes)
    here = at("here", upstream * copies)
    there = at("there", _moved(upstream * own, attributes, at))
    shares = _summed(here, there, attributes, at)
    into = tensors["multiplier"], tensors["shift"]
    return {
        **stages,
        **weight_sums(dy, product, w, zeros, attributes, conv),
        "dproduct_accumulator": to_integers(total, accumulator_of(attributes, "dx").carrier),
        **dproduct,
        "here": to_integers(here, "int32"),
        "there": to_integers(there, "int32"),
        "dx_accumulator": to_integers(shares, accumulator_of(attributes, "shares").carrier),
        **rescaled(shares, into, attributes, "dx", attributes["dx_zero"], at),
    }


def xvolution_backward_int8(tensors: Tensors, attributes: Attributes, at: Probe) -> Stages:
    """``refimpl.bitexact.backward_pixel_shift.xvolution_backward_integer`` with a bug."""
    inner = {**attributes, "dy_zero": attributes["upstream_zero"], "dx_zero": 0}
    dy = centred(tensors, "dy", attributes, at)
    stages: Stages = {}
    for which, prefix, scope in SCOPES:
        own, probe = branch(tensors, which, SHARED), at.inside(scope)
        run, back = (
            (conv2d_int8, conv2d_backward_int8) if which == "c" else (pssa_int8, pssa_backward_int8)
        )
        found = run(own, {**attributes, "y_zero": 0}, probe.inside("forward"))
        gain = probe("gain", own["s"].astype(np.int64))
        wide = probe("wide_upstream", dy * gain[:, None, None])
        into = own["u_multiplier"], own["u_shift"]
        upstream = rescaled(wide, into, attributes, "upstream", attributes["upstream_zero"], probe)
        factor = {key.removeprefix("dx_"): own[key] for key in own if key.startswith("dx_")}
        given = probe("upstream", upstream["upstream"])
        pulled = back({**own, **factor, "dy": given}, inner, probe)
        ds = probe("ds", _channel_sums(dy, found["output"].astype(np.int64), attributes))
        dt = probe("dt", _channel_sums(dy, None, attributes))
        carrier = accumulator_of(attributes, "dw").carrier
        found |= {
            "ds": to_integers(ds, carrier), "dt": to_integers(dt, carrier),
            "wide_upstream": to_integers(wide, "int32"), **upstream,
        }  # fmt: skip
        stages |= prefixed(f"{prefix}_", found | pulled)
    total = stages["conv_dx"].astype(np.int64) + stages["attention_dx"]
    before = at("total", total + attributes["dx_zero"])
    dx = at("sum", np.clip(before, -128, 127), before=before)
    return stages | {
        "dx_before_clip": to_integers(before, "int32"), "dx": wrap(dx, 8).astype(np.int8),
    }  # fmt: skip


def pssa_backward_fp32(tensors: Tensors, attributes: Attributes, at: Probe) -> Stages:
    """``refimpl.bitexact.backward_float.pssa_backward_float`` with a bug."""
    of = at("shares_sums", accumulation_of(attributes, "accumulation_dx", loops="ouv"))
    stages = shift_product_fp32(tensors, attributes, at.inside("product"))
    product, conv = stages["product"], at.inside("conv")
    stages |= weight_gradients(tensors["dy"], product, tensors["w"], attributes, conv)
    found = input_gradient(tensors["dy"], product, tensors["w"], attributes, conv, "dproduct")
    stages["dproduct"] = found
    x, upstream = operand(tensors["x"], of), operand(at("dproduct", found), of)
    copies = at("copies", stages["shifted"])
    here = at("here", decode(rounded(upstream * operand(copies, of), of)))
    there = at(
        "there", _moved(decode(rounded(upstream * repeated(x, attributes), of)), attributes, at)
    )
    total = np.zeros(x.shape)
    for share in _in_turn(here, there, attributes, at):
        total = add_rounded(total, share, of)
    stages["dx"] = at("dx", encode(total, cast_of(attributes.get("dx"), "fp32")))
    return stages


def xvolution_backward_fp32(tensors: Tensors, attributes: Attributes, at: Probe) -> Stages:
    """``refimpl.bitexact.backward_float.xvolution_backward_float`` with a bug."""
    of = accumulation_of(attributes, "accumulation_dx", loops="ouv")
    sums = at("channel_sums", accumulation_of(attributes, "accumulation_dw", loops="nij"))
    stages: Stages = {}
    for which, prefix, scope in SCOPES:
        own, probe = branch(tensors, which, ("x", "dy")), at.inside(scope)
        run, back = (
            (conv2d_fp32, conv2d_backward_fp32) if which == "c" else (pssa_fp32, pssa_backward_fp32)
        )
        output = run(own, attributes, probe.inside("forward"))["output"]
        raw = at("dy", tensors["dy"])
        dy = operand(raw, sums)
        gain = operand(probe("gain", own["s"]), of)[:, None, None]
        upstream = probe("upstream", rounded(operand(raw, of) * gain, of))
        wide = operand(output, sums)
        found = {
            "output": output,
            "ds": probe("ds", _float_sums(dy, wide, attributes, sums)),
            "dt": probe("dt", _float_sums(dy, None, attributes, sums)),
            "upstream": upstream,
            **back({**own, "dy": upstream}, attributes, probe),
        }
        stages |= prefixed(f"{prefix}_", found)
    total = add_rounded(operand(stages["conv_dx"], of), operand(stages["attention_dx"], of), of)
    stages["dx"] = at("sum", encode(total, cast_of(attributes.get("dx"), "fp32")))
    return stages


def _moved(shares: Array, attributes: Attributes, at: Probe) -> Array:
    """Shares of each direction, moved back to the pixels that were read."""
    offsets = at("back_offset", [(-down, -right) for down, right in reached(attributes)])
    parts = np.split(shares, len(offsets), axis=1)
    boundary = at("back_boundary", attributes["boundary"])
    moved = [
        shift(part, offset=offset, boundary=boundary)
        for offset, part in zip(offsets, parts, strict=True)
    ]
    return np.concatenate(moved, axis=1)


def _in_turn(here: Array, there: Array, attributes: Attributes, at: Probe) -> list[Array]:
    """Shares in the order in which they are added: of each direction, here before there."""
    many = len(attributes["directions"])
    parts = zip(np.split(here, many, axis=1), np.split(there, many, axis=1), strict=True)
    ordered: list[Array] = at("shares", [share for pair in parts for share in pair])
    return ordered


def _summed(here: Array, there: Array, attributes: Attributes, at: Probe) -> Array:
    of = accumulator_of(attributes, "shares")
    shares = np.stack(_in_turn(here, there, attributes, at), axis=1)
    n, many = shares.shape[:2]
    ones = np.ones((1, many), np.int64)
    total = sum_integers(ones, shares.reshape(n, many, -1), of).total
    return at("dx_accumulator", total.reshape(n, *shares.shape[2:]))


def _channel_sums(dy: Array, by: Array | None, attributes: Attributes) -> Array:
    of = accumulator_of(attributes, "dw")
    sizes = dict(zip("nij", (len(dy), *dy.shape[2:]), strict=True))
    rows = in_order(weight_rows(dy), 1, sizes, of.order, dict(of.tiles))
    other = np.ones_like(rows)
    if by is not None:
        other = in_order(weight_rows(by), 1, sizes, of.order, dict(of.tiles))
    return sum_integers(rows[:, None], other[:, :, None], of).total.reshape(-1)


def _float_sums(dy: Array, by: Array | None, attributes: Attributes, of: Accumulation) -> Array:
    sizes = dict(zip("nij", (len(dy), *dy.shape[2:]), strict=True))
    rows = in_order(weight_rows(dy), 1, sizes, of.order, dict(of.tiles))
    other = np.ones_like(rows)
    if by is not None:
        other = in_order(weight_rows(by), 1, sizes, of.order, dict(of.tiles))
    total = accumulate(rows[:, None], other[:, :, None], of).total.reshape(-1)
    return encode(total, cast_of(attributes.get("dw"), of.format))
