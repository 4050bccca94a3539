"""Bounded expressions of batch normalisation, and of X-volution in training.

    batch_norm           (x − μ)·(γ/√(σ² + ε)) + β, in that order of operations
    xvolution_training   both branches, each with the mean and variance of its own batch

The variance of a batch is a sum of squares of differences from a mean that has its own error: its
bound is absolute, and becomes relative to σ² + ε under the root. Where that is more than a half
there is no bound.

Source: the composition of the definitions in ``normalisation``.
"""

from collections.abc import Mapping

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulation import accumulation_of
from refimpl.bitexact.adders import Adders
from refimpl.bitexact.bounded import (
    Bounded,
    added,
    constant,
    exact,
    inverse_root,
    multiplied,
    negated,
    stored,
    summed,
)
from refimpl.bitexact.bounded_forward import (
    Expression,
    Found,
    conv2d_sums,
    output_of,
    per_channel,
    pssa_sums,
)
from refimpl.bitexact.call import Attributes, Tensors, branch
from refimpl.bitexact.formats import cast_of


def root_tables(attributes: Attributes) -> str:
    """Why a normalisation has no bound: its reciprocal root is no correctly rounded one of R."""
    declared = attributes.get("rsqrt") or {}
    kind = declared.get("kind", "correct")
    if kind != "correct":
        return f"its rsqrt is a {kind}, which may jump"
    form = accumulation_of(attributes, "accumulation_statistics", loops="nij").format
    own = declared.get("format", form)
    return "" if own == form else f"its rsqrt is in {own}, and the statistics in {form}"


def _batch_norm(tensors: Tensors, attributes: Attributes, adders: Adders) -> Found:
    x = exact(tensors["x"], adders)
    if attributes.get("statistics", "given") == "batch":
        found = _statistics(x, adders)
    else:
        found = {name: exact(tensors[name], adders) for name in ("mean", "var")}
    total = found | _normalised(x, found, tensors, attributes, adders)
    shown = _shown(total, attributes, adders)
    return shown | {"output": output_of(total["output"], tensors, attributes, adders)}


def _training(tensors: Tensors, attributes: Attributes, adders: Adders) -> Found:
    found: Found = {}
    branches = []
    for which, name, run in (("c", "conv", conv2d_sums), ("a", "attention", pssa_sums)):
        own = branch(tensors, which, ("x",))
        sums = run(own, attributes, adders)
        statistics = _statistics(sums.biased, adders)
        normal = statistics | _normalised(sums.biased, statistics, own, attributes, adders)
        branches.append(normal["output"])
        shown = _shown(normal, attributes, adders)
        wide = cast_of(None, accumulation_of(attributes).format)
        shown["output"] = stored(normal["output"], wide, adders)
        for stage, of in sums.shown(attributes, adders, "output").items():
            found[f"{name}_{stage}"] = of
        found |= {f"{name}_norm_{stage}": of for stage, of in shown.items()}
    total = added(branches[0], branches[1], adders)
    return found | {"output": output_of(total, tensors, attributes, adders)}


def _shown(found: Found, attributes: Attributes, adders: Adders) -> Found:
    """Stages of a normalisation, in the format of its sums; its output has one of its own."""
    cast = accumulation_of(attributes, "accumulation_statistics", loops="nij").cast
    return {name: stored(of, cast, adders) for name, of in found.items() if name != "output"}


def _normalised(
    x: Bounded, statistics: Found, tensors: Tensors, attributes: Attributes, adders: Adders
) -> Found:
    mean, variance = (statistics[name] for name in ("mean", "var"))
    gamma, beta = (exact(tensors[name], adders) for name in ("gamma", "beta"))
    raised = added(variance, constant(attributes["eps"], adders), adders)
    inverse = inverse_root(raised, adders)
    factor = multiplied(gamma, inverse, adders)
    centred = added(x, negated(per_channel(mean)), adders)
    scaled = multiplied(centred, per_channel(factor), adders)
    return {
        "shifted_variance": raised,
        "inverse": inverse,
        "factor": factor,
        "centred": centred,
        "scaled": scaled,
        "output": added(scaled, per_channel(beta), adders),
    }


def _statistics(x: Bounded, adders: Adders) -> Found:
    """Mean and biased variance of each channel (c,)."""
    rows = x.each(*(_channel_rows(part) for part in x.parts))._replace(
        roundings=np.max(x.roundings, initial=0)
    )
    count = rows.value.shape[1]
    share, inside = constant(1 / count, adders), np.full((1, 1, 1), count)
    one = np.ones((1, count, 1))
    ones = Bounded(one, one, np.zeros(()), np.zeros_like(one), 0)
    mean = _vector(multiplied(summed(rows, ones, adders, inside), share, adders))
    minus = negated(mean.each(*(part[:, None] for part in mean.parts)))
    apart = added(rows, minus, adders)
    left = apart.each(*(part[:, None, :] for part in apart.parts))
    right = apart.each(*(part[:, :, None] for part in apart.parts))
    squares = summed(left, right, adders, inside)
    return {"mean": mean, "var": _vector(multiplied(squares, share, adders))}


def _channel_rows(x: Array) -> Array:
    return x.swapaxes(0, 1).reshape(x.shape[1], -1)


def _vector(of: Bounded) -> Bounded:
    return of.each(*(part.reshape(-1) for part in of.parts))._replace(
        roundings=np.max(of.roundings, initial=0)
    )


NORMALISING: Mapping[str, Expression] = {
    "batch_norm": _batch_norm,
    "xvolution_training": _training,
}
