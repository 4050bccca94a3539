"""Gradients of PSSA and X-volution in Python integers: every product scattered where it belongs.

Written from the formulas of the documentation; shares no code with the pipelines, which gather.
Only accumulators of 32 bits that wrap: no order of terms can be seen.
"""

import numpy as np

from tests.refimpl.bitexact.literal import (
    RULES,
    _conv_int8,
    clip,
    conv2d_int8,
    first_channel,
    pssa_int8,
    shift_product_int8,
    sides,
    wrap32,
)
from tests.refimpl.bitexact.literal_backward import neighbour


def zeros(shape):
    return np.full(shape, 0, object)


def add(sums, at, value):
    sums[at] = wrap32(int(sums[at]) + int(value))


def scaled(array, tensors, names, rounding, zero):
    """Before the clip: the rule with a factor per channel (or one), plus a zero point."""
    multipliers, shifts = (tensors[name] for name in names)
    before = zeros(array.shape)
    for at in np.ndindex(array.shape):
        c = at[1] if len(multipliers) > 1 else 0
        value = RULES[rounding](int(array[at]), int(multipliers[c]), int(shifts[c])) + zero
        before[at] = clip(value, -(2**31), 2**31 - 1)
    return before


def clipped(array, low=-128, high=127):
    out = zeros(array.shape)
    for at in np.ndindex(array.shape):
        out[at] = clip(array[at], low, high)
    return out


def conv2d_backward(dy, x, w, attributes):
    """Sums of a convolution's gradients; dy and x are centred."""
    rows, cols, pixel = sides(x, w, attributes)
    dx, dw, db = zeros(x.shape), zeros(w.shape), zeros(len(w))
    for n, o, i, j in np.ndindex(len(x), len(w), rows, cols):
        add(db, o, dy[n, o, i, j])
        for c, u, v in np.ndindex(w.shape[1:]):
            place = pixel(i, j, u, v)
            if place is not None:
                at = (n, first_channel(o, w, attributes) + c, *place)
                add(dx, at, int(w[o, c, u, v]) * int(dy[n, o, i, j]))
                add(dw, (o, c, u, v), int(dy[n, o, i, j]) * int(x[at]))
    return dx, dw, db


def pssa_backward(tensors, attributes):
    x = tensors["x"].astype(object) - attributes["x_zero"]
    dy = tensors["dy"].astype(object) - attributes["dy_zero"]
    forward = shift_product_int8(tensors, attributes)
    if attributes.get("product") == "wide":
        product = forward["wide_product"]
    else:
        product = forward["product"] - attributes["t_zero"]
    total, dw, db = conv2d_backward(dy, product, tensors["w"], attributes)
    rule, zero = attributes["rounding"], attributes.get("dproduct_zero", 0)
    before = scaled(total, tensors, ("d_multiplier", "d_shift"), rule, zero)
    dproduct = clipped(before)
    dx, here, there = zeros(x.shape), zeros(total.shape), zeros(total.shape)
    c = x.shape[1]
    for d, (down, right) in enumerate(attributes["directions"]):
        offset = (down * attributes["length"], right * attributes["length"])
        for n, channel, y, z in np.ndindex(x.shape):
            read = neighbour(x.shape, y, z, offset, attributes["boundary"])
            if read is not None:
                upstream = dproduct[n, d * c + channel, y, z] - zero
                own = upstream * x[n, channel, *read]
                theirs = upstream * x[n, channel, y, z]
                here[n, d * c + channel, y, z] = own
                there[n, d * c + channel, *read] = theirs
                add(dx, (n, channel, y, z), own)
                add(dx, (n, channel, *read), theirs)
    last = scaled(dx, tensors, ("multiplier", "shift"), rule, attributes["dx_zero"])
    return forward | {
        "dw": dw,
        "db": db,
        "dproduct_accumulator": total,
        "dproduct_before_clip": before,
        "dproduct": dproduct,
        "here": here,
        "there": there,
        "dx_accumulator": dx,
        "dx_before_clip": last,
        "dx": clipped(last, *attributes.get("clip", (-128, 127))),
    }


def pssa(tensors, attributes):
    """PSSA forward; or, with the product kept wide, a convolution of that."""
    if attributes.get("product") != "wide":
        return pssa_int8(tensors, attributes)
    forward = shift_product_int8(tensors, attributes)
    return forward | _conv_int8(forward["wide_product"], tensors, attributes)


def of_branch(tensors, which):
    end = f"_{which}"
    shared = {key: tensors[key] for key in ("x", "t_multiplier", "t_shift")}
    return shared | {key[:-2]: array for key, array in tensors.items() if key.endswith(end)}


def xvolution_backward(tensors, attributes):
    inner = {key: value for key, value in attributes.items() if key != "clip"}
    rule, dy_zero = attributes["rounding"], attributes["dy_zero"]
    dy = tensors["dy"].astype(object) - dy_zero
    found = {}
    for which, prefix, run in (("c", "conv_", conv2d_int8), ("a", "attention_", pssa)):
        own = of_branch(tensors, which)
        outputs = len(own["w"])
        own.setdefault("b", np.zeros(outputs, np.int32))
        stages = run(own, inner | {"y_zero": 0})
        ds, dt, wide = zeros(outputs), zeros(outputs), zeros(dy.shape)
        for n, o, i, j in np.ndindex(dy.shape):
            add(ds, o, dy[n, o, i, j] * stages["output"][n, o, i, j])
            add(dt, o, dy[n, o, i, j])
            wide[n, o, i, j] = dy[n, o, i, j] * int(own["s"][o])
        zero = attributes["upstream_zero"]
        before = scaled(wide, own, ("u_multiplier", "u_shift"), rule, zero)
        upstream = clipped(before)
        stages |= {"ds": ds, "dt": dt, "wide_upstream": wide, "upstream_before_clip": before}
        stages["upstream"] = upstream
        back = inner | {"dy_zero": zero, "dx_zero": 0}
        own |= {"dy": upstream, "multiplier": own["dx_multiplier"], "shift": own["dx_shift"]}
        if which == "a":
            stages |= pssa_backward(own, back)
        else:
            x = own["x"].astype(object) - attributes["x_zero"]
            dx, dw, db = conv2d_backward(upstream - zero, x, own["w"], back)
            last = scaled(dx, own, ("multiplier", "shift"), rule, 0)
            stages |= {"dx_accumulator": dx, "dx_before_clip": last, "dx": clipped(last)}
            stages |= {"dw": dw, "db": db}
        found |= {prefix + name: array for name, array in stages.items()}
    total = found["conv_dx"] + found["attention_dx"] + attributes["dx_zero"]
    limits = attributes.get("clip", (-128, 127))
    return found | {"dx_before_clip": total, "dx": clipped(total, *limits)}
