"""Batch normalisation of the bit-exact model, opened up, in int8 and binary32.

int8      x zero centred   g (gain)   product   accumulator, and the rest as in ``device.py``
binary32  x   mean var (as the rest meets them)   statistics_sums   part (1/m)   deviations
eps   gamma beta   inverse   centred   scaled   output
"""

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulation import Accumulation, accumulation_of
from refimpl.bitexact.call import Attributes, Stages, Tensors
from refimpl.bitexact.float_operators import operand, rounded
from refimpl.bitexact.formats import cast_of, decode, encode
from refimpl.bitexact.mac import accumulate, add_rounded
from refimpl.bitexact.normalisation import channel_rows, eps_of, inverse_root
from refimpl.score.device import requantised, wrap
from refimpl.score.site import Probe


def batch_norm_int8(tensors: Tensors, attributes: Attributes, at: Probe) -> Stages:
    """``refimpl.bitexact.normalisation.batch_norm_integer`` with a bug."""
    raw = at("x", tensors["x"].astype(np.int64))
    zero = at("zero", np.full(raw.shape[1], attributes["x_zero"], np.int64))[:, None, None]
    centred = at("centred", raw - zero, raw=raw, zero=zero)
    gain = at("w", tensors["g"].astype(np.int64))[:, None, None]
    total = at("accumulator", wrap(at("product", centred * gain), 32))
    return requantised(total.astype(np.int32), tensors, attributes, at)


def batch_norm_fp32(tensors: Tensors, attributes: Attributes, at: Probe) -> Stages:
    """``refimpl.bitexact.normalisation.batch_norm_float`` with a bug."""
    of = accumulation_of(attributes, "accumulation_statistics", loops="nij")
    x = operand(at("x", tensors["x"]), of)
    stages: Stages = {}
    if attributes.get("statistics", "given") == "batch":
        stages = _statistics(x, at("statistics_sums", of), at)
    known = {**tensors, **stages}
    mean, variance = (operand(at(name, known[name]), of) for name in ("mean", "var"))
    eps = at("eps", eps_of(attributes, of))
    raised = rounded(add_rounded(variance, eps, of), of)
    inverse = at("inverse", inverse_root(raised, tensors, attributes, of))
    factor = rounded(operand(at("gamma", tensors["gamma"]), of) * operand(inverse, of), of)
    centred = at("centred", rounded(add_rounded(x, -mean[:, None, None], of), of), x=x, of=of)
    product = rounded(decode(centred) * decode(factor)[:, None, None], of)
    beta = operand(at("b", tensors["beta"]), of)[:, None, None]
    total = at("biased", add_rounded(decode(product), beta, of), product=product, of=of)
    return stages | {
        "shifted_variance": raised,
        "inverse": inverse,
        "factor": factor,
        "centred": centred,
        "scaled": product,
        "output": at("output", encode(total, cast_of(attributes.get("output"), "fp32"))),
    }


def _statistics(x: Array, of: Accumulation, at: Probe) -> Stages:
    rows = at("rows", channel_rows(x, of), images=len(x))
    part = at("part", decode(rounded(np.array(1 / rows.shape[1]), of)), terms=rows.shape[1])
    ones = np.ones((1, rows.shape[1], 1))
    mean = rounded(accumulate(rows, ones, of).total[0, :, 0] * part, of)
    middle = at("middle", decode(mean))
    deviations = add_rounded(rows, -middle[:, None], of)
    squares = accumulate(deviations[:, None], deviations[:, :, None], of).total[:, 0, 0]
    return {"mean": mean, "var": rounded(squares * at("var_part", part, terms=rows.shape[1]), of)}
