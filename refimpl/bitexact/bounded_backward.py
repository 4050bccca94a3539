"""Bounded expressions of the gradients of conv2d, PSSA and X-volution.

Every gradient of an image is a sum over the taps that reached the pixel, every gradient of a
parameter one over images and pixels; through a product go two shares per direction.

Source: the composition of the definitions in ``backward_float``.
"""

from collections.abc import Mapping
from functools import reduce
from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulation import accumulation_of
from refimpl.bitexact.adders import Adders
from refimpl.bitexact.bounded import (
    Bounded,
    added,
    exact,
    joined,
    multiplied,
    split,
    stored,
    summed,
)
from refimpl.bitexact.bounded_forward import (
    Expression,
    Found,
    conv2d_sums,
    output_of,
    per_channel,
    product_of,
    pssa_sums,
)
from refimpl.bitexact.call import (
    Attributes,
    Tensors,
    branch,
    geometry_of,
    groups_of,
    reached,
    without_groups,
)
from refimpl.bitexact.formats import cast_of
from refimpl.bitexact.gradients import input_columns, input_rows, weight_columns, weight_rows
from refimpl.ops.shift import shift


def _conv2d(tensors: Tensors, attributes: Attributes, adders: Adders) -> Found:
    dy, x, w = (exact(tensors[name], adders) for name in ("dy", "x", "w"))
    total = _of_image(dy, w, x.value, attributes, adders)
    return {
        **_of_weights(dy, x, w, attributes, adders),
        "dx": output_of(total, tensors, attributes, adders, "dx"),
    }


def _pssa(tensors: Tensors, attributes: Attributes, adders: Adders) -> Found:
    dy, w = (exact(tensors[name], adders) for name in ("dy", "w"))
    found, total = _through_pssa(dy, w, tensors, attributes, adders)
    return found | {"dx": output_of(total, tensors, attributes, adders, "dx")}


def _xvolution(tensors: Tensors, attributes: Attributes, adders: Adders) -> Found:
    found: Found = {}
    totals = []
    for which, prefix in (("c", "conv"), ("a", "attention")):
        own = branch(tensors, which, ("x", "dy"))
        parts, total = _of_branch(own, attributes, adders, attention=which == "a")
        found |= {f"{prefix}_{name}": of for name, of in parts.items()}
        totals.append(total)
    both = added(totals[0], totals[1], adders)
    return found | {"dx": output_of(both, tensors, attributes, adders, "dx")}


def _of_branch(
    own: Tensors, attributes: Attributes, adders: Adders, *, attention: bool
) -> tuple[Found, Bounded]:
    """Gradients and stages of one branch, and its dx in the accumulator's format."""
    dy, x, w, s = (exact(own[name], adders) for name in ("dy", "x", "w", "s"))
    output = (pssa_sums if attention else conv2d_sums)(own, attributes, adders).biased
    of = accumulation_of(attributes, "accumulation_dx", loops="ouv")
    found = {
        "output": stored(output, cast_of(None, accumulation_of(attributes).format), adders),
        "ds": _channel_sums(dy, output, attributes, adders),
        "dt": _channel_sums(dy, None, attributes, adders),
    }
    upstream = multiplied(dy, per_channel(s), adders)
    if attention:
        gradients, total = _through_pssa(upstream, w, own, attributes, adders)
    else:
        gradients = _of_weights(upstream, x, w, attributes, adders)
        total = _of_image(upstream, w, x.value, attributes, adders)
    shown = {
        "upstream": stored(upstream, of.cast, adders),
        "dx": stored(total, cast_of(None, of.format), adders),
    }
    return found | gradients | shown, total


def _through_pssa(
    dy: Bounded, w: Bounded, tensors: Tensors, attributes: Attributes, adders: Adders
) -> tuple[Found, Bounded]:
    """Dw, db and the product's gradient, and the sum of the shares of x."""
    x, product = exact(tensors["x"], adders), product_of(tensors, attributes, adders)
    of = accumulation_of(attributes, "accumulation_dx", loops="ouv")
    spread = _of_image(dy, w, product.value, attributes, adders)
    spread = stored(spread, cast_of(attributes.get("dproduct"), of.format), adders)
    offsets, boundary = reached(attributes), attributes["boundary"]
    channels = x.value.shape[1]
    deepest = np.max(spread.roundings, initial=0)
    shares = []
    for at, (down, right) in enumerate(offsets):
        mine = np.s_[:, at * channels : (at + 1) * channels]
        part = spread.each(*(each[mine] for each in spread.parts))._replace(roundings=deepest)
        there = _moved(x, (down, right), boundary)
        shares.append(multiplied(part, there, adders))
        back = multiplied(part, x, adders)
        shares.append(_moved(back, (-down, -right), boundary))
    total = reduce(lambda one, other: added(one, other, adders), shares)
    return _of_weights(dy, product, w, attributes, adders) | {"dproduct": spread}, total


def _moved(of: Bounded, offset: tuple[int, int], boundary: Any) -> Bounded:
    return of.each(*(shift(part, offset=offset, boundary=boundary) for part in of.parts))


def _of_image(dy: Bounded, w: Bounded, x: Array, attributes: Attributes, adders: Adders) -> Bounded:
    """Σ_{o,u,v} w·dy of what was convolved, an image of the shape of ``x``."""
    groups = groups_of(attributes)
    if groups > 1:
        alone, images = without_groups(attributes), np.split(x, groups, axis=1)
        own = zip(split(dy, groups, 1), split(w, groups, 0), images, strict=True)
        return joined([_of_image(*each, alone, adders) for each in own], 1)
    geometry, size = geometry_of(x, w.value, attributes), (x.shape[2], x.shape[3])

    def gathered(part: Array) -> Array:
        return input_columns(part, geometry, size)

    inside = gathered(np.ones((1, *dy.value.shape[1:]))).sum(axis=1, keepdims=True)
    rows = w.each(*(input_rows(part) for part in w.parts))
    columns = dy.each(*(gathered(part) for part in dy.parts))
    total = summed(rows, columns, adders, inside)
    roundings = np.asarray(total.roundings).reshape(1, 1, *size)
    return total.each(*(part.reshape(x.shape) for part in total.parts))._replace(
        roundings=roundings
    )


def _of_weights(
    dy: Bounded, x: Bounded, w: Bounded, attributes: Attributes, adders: Adders
) -> Found:
    groups, alone = groups_of(attributes), without_groups(attributes)
    own = zip(split(dy, groups, 1), split(x, groups, 1), split(w, groups, 0), strict=True)
    dw = joined([_of_kernels(*each, alone, adders) for each in own], 0)
    return {
        "dw": _kept(dw, attributes, adders),
        "db": _channel_sums(dy, None, attributes, adders),
    }


def _of_kernels(
    dy: Bounded, x: Bounded, w: Bounded, attributes: Attributes, adders: Adders
) -> Bounded:
    """Σ_{n,i,j} dy·x of the kernels of one group."""
    geometry = geometry_of(x.value, w.value, attributes)
    rows = dy.each(*(weight_rows(part) for part in dy.parts))
    columns = x.each(*(weight_columns(part, geometry) for part in x.parts))
    inside = weight_columns(np.ones_like(x.value), geometry).sum(axis=1, keepdims=True)
    dw = summed(rows, columns, adders, inside)
    dw = dw.each(*(part.reshape(w.value.shape) for part in dw.parts))
    roundings = np.broadcast_to(np.asarray(dw.roundings), (1, 1, inside.size))
    return dw._replace(roundings=roundings.reshape(1, *w.value.shape[1:]))


def _channel_sums(
    dy: Bounded, by: Bounded | None, attributes: Attributes, adders: Adders
) -> Bounded:
    """Σ over n, i, j of dy, or of it times another image, per channel (c,)."""
    one = np.ones_like(dy.value)
    other = by or Bounded(one, one, np.zeros(()), np.zeros_like(one), 0)
    left, right = (
        each.each(*(weight_rows(part) for part in each.parts))._replace(
            roundings=np.max(each.roundings, initial=0)
        )
        for each in (dy, other)
    )
    count = np.full((1, 1, 1), left.value.shape[1])
    total = summed(
        left.each(*(part[:, None, :] for part in left.parts)),
        right.each(*(part[:, :, None] for part in right.parts)),
        adders,
        count,
    )
    flat = total.each(*(part.reshape(-1) for part in total.parts))
    return _kept(flat._replace(roundings=np.max(total.roundings)), attributes, adders)


def _kept(of: Bounded, attributes: Attributes, adders: Adders) -> Bounded:
    """What belongs to parameters stays in its accumulator's format unless declared."""
    own = accumulation_of(attributes, "accumulation_dw", loops="nij").format
    return stored(of, cast_of(attributes.get("dw"), own), adders)


GRADIENTS: Mapping[str, Expression] = {
    "conv2d_backward": _conv2d,
    "pssa_backward": _pssa,
    "xvolution_backward": _xvolution,
}
