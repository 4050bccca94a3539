"""X-volution's training form on integers: integer sums, statistics of the batch in floats.

    per branch     accumulator   of the convolution (of x, of the product), as in inference
                   dequantised   R(fl32(accumulator)·scale), scale binary32 per output channel
                   norm_…        ``batch_norm_float`` of it: mean and variance of the batch, rsqrt,
                                 factor, centred, scaled, output, all in the format of R
    sum            R(conv_norm_output + attention_norm_output)
    scaled_sum     R(sum·output_factor), output_factor = 1/scale of the output, as binary32
    before_clip    scaled_sum to the nearest integer, ties to even, plus z_y ; output saturated

R rounds to the format of "accumulation_statistics" (binary32 unless declared), which also gives the
order of the sums over n, i, j.

Why floats: the square of an accumulator of 32 bits, summed over a batch, does not fit 64, and any
narrower integer variance would first need a scale that depends on the batch. Two statistics and one
rsqrt a channel are few; a device that trains in integers has binary32 for these. What is multiplied
many times, the convolutions, stays in integers.

Sources: Ioffe and Szegedy, arXiv:1502.03167 (2015), Algorithm 1; Jacob et al., arXiv:1712.05877
(2018), Eq. 4, for the accumulator's scale; the cuts are stated here.
"""

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulation import Accumulation, accumulation_of
from refimpl.bitexact.call import Attributes, Stages, Tensors, branch, prefixed
from refimpl.bitexact.float_operators import operand, rounded, scalar
from refimpl.bitexact.formats import Cast, decode, encode, format_of, integers_of, to_integers
from refimpl.bitexact.integer_operators import (
    SHARED,
    centre,
    centred_product,
    clip,
    shift_product_integer,
    summed,
)
from refimpl.bitexact.mac import add_rounded
from refimpl.bitexact.normalisation import batch_norm_float


def xvolution_training_integer(tensors: Tensors, attributes: Attributes) -> Stages:
    """Normalise both branches with the batch's own statistics, then add and requantise them."""
    of = statistics_of(attributes)
    own = {which: branch(tensors, which, SHARED) for which in "ca"}
    products = shift_product_integer(own["a"], attributes)
    conv = summed(centre(tensors["x"], attributes["x_zero"]), own["c"], attributes)
    attention = summed(centred_product(products, attributes), own["a"], attributes)
    stages: Stages = {}
    for which, name, sums in (("c", "conv", conv), ("a", "attention", products | attention)):
        real = dequantised(sums["accumulator"], own[which]["scale"], of)
        stages |= prefixed(f"{name}_", sums | {"dequantised": real})
        stages |= prefixed(f"{name}_norm_", normalised(real, own[which], attributes))
    left, right = (operand(stages[f"{each}_norm_output"], of) for each in ("conv", "attention"))
    total = add_rounded(left, right, of)
    stages["sum"] = rounded(total, of)
    stages["scaled_sum"] = scaled_sum(stages["sum"], attributes)
    stages["before_clip"] = sum_before_clip(stages["scaled_sum"], attributes)
    name = format_of(tensors["x"]).name
    return stages | {"output": clip(integers_of(stages["before_clip"]), attributes, name)}


def statistics_of(attributes: Attributes) -> Accumulation:
    """How the statistics are summed, and the format of everything between sums and output."""
    return accumulation_of(attributes, "accumulation_statistics", loops="nij")


def dequantised(accumulator: Array, scale: Array, of: Accumulation) -> Array:
    """Real numbers of accumulators (n, o, h, w), with a scale per output or one."""
    real = decode(encode(integers_of(accumulator).astype(np.float64), Cast(format="fp32")))
    return rounded(real * operand(scale, of)[:, None, None], of)


def normalised(real: Array, tensors: Tensors, attributes: Attributes) -> Stages:
    """Stages of a branch's normalisation by the statistics of the batch."""
    wide = {**attributes, "output": {"format": format_of(real).name}, "statistics": "batch"}
    return batch_norm_float({**tensors, "x": real}, wide)


def scaled_sum(total: Array, attributes: Attributes) -> Array:
    """The sum of both branches in steps of the output."""
    of = statistics_of(attributes)
    return rounded(operand(total, of) * scalar(attributes["output_factor"], of), of)


def sum_before_clip(real: Array, attributes: Attributes) -> Array:
    """Its nearest integer, ties to even, plus the output's zero point."""
    steps = integers_of(encode(decode(real), Cast(format="int32")))
    return to_integers(steps + attributes["y_zero"], "int32")
