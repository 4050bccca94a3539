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
    summed,
)
from refimpl.bitexact.bounded_forward import (
    Expression,
    conv2d_sum,
    output_of,
    per_channel,
    pssa_sum,
)
from refimpl.bitexact.call import Attributes, Tensors, branch


def root_tables(attributes: Attributes) -> str:
    """Why a normalisation has no bound: its reciprocal root is no correctly rounded one of R."""
    declared = attributes.get("rsqrt") or {}
    kind = declared.get("kind", "correct")
    if kind != "correct":
        return f"its rsqrt is a {kind}, which may jump"
    form = accumulation_of(attributes, "accumulation_statistics", loops="nij").format
    own = declared.get("format", form)
    return "" if own == form else f"its rsqrt is in {own}, and the statistics in {form}"


def _batch_norm(tensors: Tensors, attributes: Attributes, adders: Adders) -> dict[str, Bounded]:
    x = exact(tensors["x"], adders)
    if attributes.get("statistics", "given") == "batch":
        mean, variance = _statistics(x, adders)
    else:
        mean, variance = (exact(tensors[name], adders) for name in ("mean", "var"))
    total = _normalised(x, (mean, variance), tensors, attributes, adders)
    return {"output": output_of(total, tensors, attributes, adders)}


def _training(tensors: Tensors, attributes: Attributes, adders: Adders) -> dict[str, Bounded]:
    branches = []
    for which, run in (("c", conv2d_sum), ("a", pssa_sum)):
        own = branch(tensors, which, ("x",))
        y = run(own, attributes, adders)
        branches.append(_normalised(y, _statistics(y, adders), own, attributes, adders))
    total = added(branches[0], branches[1], adders)
    return {"output": output_of(total, tensors, attributes, adders)}


def _normalised(
    x: Bounded,
    statistics: tuple[Bounded, Bounded],
    tensors: Tensors,
    attributes: Attributes,
    adders: Adders,
) -> Bounded:
    mean, variance = statistics
    gamma, beta = (exact(tensors[name], adders) for name in ("gamma", "beta"))
    raised = added(variance, constant(attributes["eps"], adders), adders)
    factor = multiplied(gamma, inverse_root(raised, adders), adders)
    centred = added(x, negated(per_channel(mean)), adders)
    scaled = multiplied(centred, per_channel(factor), adders)
    return added(scaled, per_channel(beta), adders)


def _statistics(x: Bounded, adders: Adders) -> tuple[Bounded, Bounded]:
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
    return mean, _vector(multiplied(squares, share, adders))


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
