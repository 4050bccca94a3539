"""Batch normalisation as a machine computes it, every stage between.

    float     mean, variance   given, or of the batch: R(Σ x/m), R(Σ (x − mean)²/m) as declared
              shifted_variance R(σ² + ε)      inverse   rsqrt of it, as declared
              factor           R(γ·inverse)   centred   R(x − μ)
              scaled           R(centred·factor)        output   cast(R(scaled + β))
    integer   accumulator (x − z_x)·g ; biased = accumulator + b ; before_clip = rule + z_y
              g and b are integers per channel, into which γ, β, μ and σ were folded

R rounds to the accumulator's format. Sums of the batch run over n, i, j in the declared order; 1/m
is rounded to that format before it is multiplied.

Source: Ioffe and Szegedy, arXiv:1502.03167 (2015), Algorithms 1 and 2; the cuts are stated here.
"""

from dataclasses import replace

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulation import Accumulation, accumulation_of, term_order
from refimpl.bitexact.call import Attributes, Stages, Tensors, branch, prefixed
from refimpl.bitexact.float_operators import conv2d_float, operand, pssa_float, rounded
from refimpl.bitexact.formats import cast_of, decode, encode, format_of, integers_of, to_integers
from refimpl.bitexact.integer_operators import centre, scaled
from refimpl.bitexact.integer_sum import integer_accumulator
from refimpl.bitexact.mac import accumulate, add_rounded
from refimpl.bitexact.transcendental import Function, evaluate, function_of, must_fit


def batch_norm_float(tensors: Tensors, attributes: Attributes) -> Stages:
    """Normalise ``x`` with given statistics, or with the batch's own."""
    of = accumulation_of(attributes, "accumulation_statistics", loops="nij")
    name = format_of(tensors["x"]).name
    x = operand(tensors["x"], of)
    stages: Stages = {}
    if attributes.get("statistics", "given") == "batch":
        stages = batch_statistics(x, of)
    known = {**tensors, **stages}
    mean, variance = (operand(known[each], of) for each in ("mean", "var"))
    return stages | _normalised(x, mean, variance, tensors, attributes, of, name)


def batch_norm_integer(tensors: Tensors, attributes: Attributes) -> Stages:
    """Scale and shift each channel of integers; requantise."""
    of = integer_accumulator(attributes.get("accumulator"))
    gain = integers_of(tensors["g"])[:, None, None]
    total = of.fit(centre(tensors["x"], attributes["x_zero"]) * gain)
    biased = of.fit(total + integers_of(tensors["b"])[:, None, None])
    return {
        "accumulator": to_integers(total, of.carrier),
        "biased": to_integers(biased, of.carrier),
        **scaled(biased, tensors, attributes, format_of(tensors["x"]).name),
    }


def xvolution_training_float(tensors: Tensors, attributes: Attributes) -> Stages:
    """Normalise both branches with the batch's own statistics, then add them."""
    of = accumulation_of(attributes)
    wide = {**attributes, "output": {"format": of.format}, "statistics": "batch"}
    stages: Stages = {}
    outputs = []
    for which, name, run in (("c", "conv", conv2d_float), ("a", "attention", pssa_float)):
        own = branch(tensors, which, ("x",))
        found = run(own, wide)
        normal = batch_norm_float({**own, "x": found["output"]}, wide)
        stages |= prefixed(f"{name}_", found) | prefixed(f"{name}_norm_", normal)
        outputs.append(operand(normal["output"], of))
    total = add_rounded(outputs[0], outputs[1], of)
    to = cast_of(attributes.get("output"), format_of(tensors["x"]).name)
    return stages | {"output": encode(total, to)}


def batch_statistics(x: Array, of: Accumulation) -> Stages:
    """Mean and biased variance of each channel of (n, c, h, w), summed as declared."""
    mean = batch_mean(x, of)
    return {"mean": mean, "var": batch_variance(x, mean, of)}


def batch_mean(x: Array, of: Accumulation) -> Array:
    """Mean of each channel of (n, c, h, w)."""
    rows = channel_rows(x, of)
    ones = np.ones((1, rows.shape[1], 1))
    return rounded(accumulate(rows, ones, of).total[0, :, 0] * _share(rows, of), of)


def batch_variance(x: Array, mean: Array, of: Accumulation) -> Array:
    """Biased variance of each channel about a ``mean`` (c,)."""
    rows = channel_rows(x, of)
    deviations = add_rounded(rows, -operand(mean, of)[:, None], of)
    squares = accumulate(deviations[:, None], deviations[:, :, None], of).total[:, 0, 0]
    return rounded(squares * _share(rows, of), of)


def rsqrt_of(attributes: Attributes, of: Accumulation) -> Function:
    """The reciprocal square root that attributes declare, by default in the format of the sums."""
    rsqrt = function_of(attributes.get("rsqrt"), "rsqrt", of.format)
    must_fit(rsqrt, of.format, "accumulation_statistics.format")
    return rsqrt


def inverse_root(
    raised: Array, tensors: Tensors, attributes: Attributes, of: Accumulation
) -> Array:
    """1/√ of a variance as declared, in the function's own format."""
    rsqrt = rsqrt_of(attributes, of)
    found = evaluate(rsqrt, operand(raised, of), tensors)
    return encode(found, replace(of.cast, format=rsqrt.format))


def eps_of(attributes: Attributes, of: Accumulation) -> Array:
    """What is added to a variance, rounded to the accumulator's format.

    Raises
    ------
    ValueError
        If it is no finite number of 0 or more.
    """
    eps = attributes["eps"]
    if isinstance(eps, bool) or not isinstance(eps, int | float) or not 0 <= eps < np.inf:
        raise ValueError(f"eps must be a finite number of 0 or more, not {eps!r}")
    return decode(rounded(np.array(eps, np.float64), of))


def _share(rows: Array, of: Accumulation) -> Array:
    """1/m, rounded to the accumulator's format."""
    return decode(rounded(np.array(1 / rows.shape[1]), of))


def channel_rows(x: Array, of: Accumulation) -> Array:
    """Numbers of each channel (c, n·h·w), in the declared order of the loops n, i, j."""
    rows = x.swapaxes(0, 1).reshape(x.shape[1], -1)
    sizes = dict(zip("nij", (len(x), *x.shape[2:]), strict=True))
    return np.ascontiguousarray(rows[:, term_order(sizes, of.order, of.tiles)])


def _normalised(
    x: Array,
    mean: Array,
    variance: Array,
    tensors: Tensors,
    attributes: Attributes,
    of: Accumulation,
    name: str,
) -> Stages:
    raised = rounded(add_rounded(variance, eps_of(attributes, of), of), of)
    inverse = inverse_root(raised, tensors, attributes, of)
    factor = rounded(operand(tensors["gamma"], of) * operand(inverse, of), of)
    centred = rounded(add_rounded(x, -mean[:, None, None], of), of)
    product = rounded(decode(centred) * decode(factor)[:, None, None], of)
    total = add_rounded(decode(product), operand(tensors["beta"], of)[:, None, None], of)
    return {
        "shifted_variance": raised,
        "inverse": inverse,
        "factor": factor,
        "centred": centred,
        "scaled": product,
        "output": encode(total, cast_of(attributes.get("output"), name)),
    }
