"""X-volution in training on integers, pixel by pixel: Python integers, then exact fractions.

Written from the formulas of the documentation; shares no code with the pipeline. Statistics are
binary32, summed over n, i, j one after another.
"""

from fractions import Fraction

import numpy as np

from refimpl.bitexact.formats import FORMATS
from tests.refimpl.bitexact.fractions_model import nearest
from tests.refimpl.bitexact.literal import clip, shift_product_int8, sides, wrap32
from tests.refimpl.bitexact.literal_backward import inverse_root, r, statistics


def sums(x, w, attributes):
    """Accumulators that wrap at 32 bits; x is centred."""
    rows, cols, pixel = sides(x, w, attributes)
    out = np.empty((len(x), len(w), rows, cols), object)
    for n, o, i, j in np.ndindex(out.shape):
        total = 0
        for c, u, v in np.ndindex(w.shape[1:]):
            place = pixel(i, j, u, v)
            if place is not None:
                total += int(w[o, c, u, v]) * int(x[n, c, *place])
        out[n, o, i, j] = wrap32(total)
    return out


def branch(total, tensors, end, eps):
    """Stages of one branch from its accumulators on, each a fraction."""
    real, stages = np.empty(total.shape, object), {}
    for at in np.ndindex(total.shape):
        scale = Fraction(float(tensors[f"scale{end}"][at[1]]))
        real[at] = r(r(Fraction(total[at])) * scale)
    mean, var = statistics(real)
    raised = [r(each + r(Fraction(eps))) for each in var]
    inverse = [inverse_root(each) for each in raised]
    gamma, beta = (
        [Fraction(float(each)) for each in tensors[f"{name}{end}"]] for name in ("gamma", "beta")
    )
    factor = [r(g * i) for g, i in zip(gamma, inverse, strict=True)]
    centred, scaled, output = (np.empty(total.shape, object) for _ in range(3))
    for at in np.ndindex(total.shape):
        centred[at] = r(real[at] - mean[at[1]])
        scaled[at] = r(centred[at] * factor[at[1]])
        output[at] = r(scaled[at] + beta[at[1]])
    stages = {"mean": mean, "var": var, "shifted_variance": raised, "inverse": inverse}
    stages |= {"factor": factor, "centred": centred, "scaled": scaled, "output": output}
    return {"accumulator": total, "dequantised": real} | {
        f"norm_{name}": np.array(each, object) for name, each in stages.items()
    }


def xvolution_training(tensors, attributes):
    """Every stage of the training form on int8."""
    x = tensors["x"].astype(object) - attributes["x_zero"]
    products = shift_product_int8(tensors, attributes)
    if attributes.get("product") == "wide":
        read = products["wide_product"]
    else:
        read = products["product"] - attributes["t_zero"]
    conv = branch(sums(x, tensors["w_c"], attributes), tensors, "_c", attributes["eps"])
    attention = branch(sums(read, tensors["w_a"], attributes), tensors, "_a", attributes["eps"])
    found = {f"conv_{name}": array for name, array in conv.items()}
    found |= {f"attention_{name}": array for name, array in (products | attention).items()}
    shape = conv["accumulator"].shape
    for name in ("sum", "scaled_sum", "before_clip", "output"):
        found[name] = np.empty(shape, object)
    factor = nearest(Fraction(attributes["output_factor"]), FORMATS["fp32"])
    low, high = attributes.get("clip", (-128, 127))
    for at in np.ndindex(shape):
        total = r(conv["norm_output"][at] + attention["norm_output"][at])
        steps = r(total * factor)
        before = round(steps) + attributes["y_zero"]
        found["sum"][at], found["scaled_sum"][at] = total, steps
        found["before_clip"][at], found["output"][at] = before, clip(before, low, high)
    return found
