"""Bounded expressions of the operators that convolve and shift, forward.

Source: the composition of the definitions in ``float_operators``.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

import numpy as np

from refimpl.bitexact.accumulate import patches
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
from refimpl.bitexact.call import (
    Attributes,
    Tensors,
    branch,
    geometry_of,
    groups_of,
    reached,
    without_groups,
)
from refimpl.bitexact.formats import cast_of, format_of
from refimpl.ops.shift import shift

Found: TypeAlias = dict[str, Bounded]
"""Outputs of an operator, and the stages before them that depend on an order of summation."""
Expression: TypeAlias = Callable[[Tensors, Attributes, Adders], Found]


def output_of(
    total: Bounded, tensors: Tensors, attributes: Attributes, adders: Adders, key: str = "output"
) -> Bounded:
    """The declared cast of an output, by default to the format of x."""
    return stored(total, cast_of(attributes.get(key), format_of(tensors["x"]).name), adders)


def convolved(
    x: Bounded, w: Bounded, b: Bounded | None, attributes: Attributes, adders: Adders
) -> Bounded:
    """A convolution (n, o, h, w) of a bounded image, with its bias."""
    groups = groups_of(attributes)
    if groups > 1:
        alone = without_groups(attributes)
        own = zip(split(x, groups, 1), split(w, groups, 0), strict=True)
        whole = joined([convolved(*each, None, alone, adders) for each in own], 1)
        return whole if b is None else added(whole, per_channel(b), adders)
    geometry = geometry_of(x.value, w.value, attributes)
    shape = (len(x.value), len(w.value), *geometry.output)
    rows = w.each(*(part.reshape(len(part), -1) for part in w.parts))
    columns = x.each(*(patches(part, geometry, "cuv") for part in x.parts))
    ones = np.ones((1, *x.value.shape[1:]))
    inside = patches(ones, geometry, "cuv").sum(axis=1, keepdims=True)  # counts: exact
    of = summed(rows, columns, adders, inside)
    roundings = np.asarray(of.roundings).reshape(1, 1, *geometry.output)
    total = of.each(*(part.reshape(shape) for part in of.parts))._replace(roundings=roundings)
    return total if b is None else added(total, per_channel(b), adders)


def per_channel(of: Bounded) -> Bounded:
    """A vector (c,) beside an image (n, c, h, w)."""
    return of.each(*(part[:, None, None] for part in of.parts))


def product_of(tensors: Tensors, attributes: Attributes, adders: Adders) -> Bounded:
    """x·x' per direction: rounded by the class's multipliers, or cast as declared."""
    x = exact(tensors["x"], adders)
    boundary = attributes["boundary"]
    copies = [
        x.each(*(shift(part, offset=d, boundary=boundary) for part in x.parts))
        for d in reached(attributes)
    ]
    products = [multiplied(x, copy, adders) for copy in copies]
    joined = zip(*(each.parts for each in products), strict=True)
    product = products[0].each(*(np.concatenate(parts, axis=1) for parts in joined))
    return output_of(product, tensors, attributes, adders, "product_cast")


def given(tensors: Tensors, name: str, adders: Adders) -> Bounded | None:
    """A tensor that a call may leave out."""
    return exact(tensors[name], adders) if name in tensors else None


class Sums(NamedTuple):
    """A convolution's sum in the accumulator's format: as its stage shows it, and with its bias."""

    accumulator: Bounded
    biased: Bounded

    def shown(self, attributes: Attributes, adders: Adders, biased: str = "biased") -> Found:
        """Both as stages, the second under the name that it has there."""
        cast = accumulation_of(attributes).cast
        named = {"accumulator": self.accumulator, biased: self.biased}
        return {name: stored(of, cast, adders) for name, of in named.items()}


def _sums(x: Bounded, tensors: Tensors, attributes: Attributes, adders: Adders) -> Sums:
    """Of a bounded image; a bias that is declared to come first is in the accumulator."""
    alone = convolved(x, exact(tensors["w"], adders), None, attributes, adders)
    b = given(tensors, "b", adders)
    if b is None:
        return Sums(alone, alone)
    biased = added(alone, per_channel(b), adders)
    return Sums(biased if accumulation_of(attributes).bias == "first" else alone, biased)


def _finished(sums: Sums, tensors: Tensors, attributes: Attributes, adders: Adders) -> Found:
    output = output_of(sums.biased, tensors, attributes, adders)
    return sums.shown(attributes, adders) | {"output": output}


def _conv2d(tensors: Tensors, attributes: Attributes, adders: Adders) -> Found:
    return _finished(conv2d_sums(tensors, attributes, adders), tensors, attributes, adders)


def _product(tensors: Tensors, attributes: Attributes, adders: Adders) -> Found:
    return {"product": product_of(tensors, attributes, adders)}


def pssa_sums(tensors: Tensors, attributes: Attributes, adders: Adders) -> Sums:
    """The sum of PSSA, without and with its bias."""
    return _sums(product_of(tensors, attributes, adders), tensors, attributes, adders)


def conv2d_sums(tensors: Tensors, attributes: Attributes, adders: Adders) -> Sums:
    """The sum of a convolution, without and with its bias."""
    return _sums(exact(tensors["x"], adders), tensors, attributes, adders)


def _pssa(tensors: Tensors, attributes: Attributes, adders: Adders) -> Found:
    return _finished(pssa_sums(tensors, attributes, adders), tensors, attributes, adders)


def _xvolution(tensors: Tensors, attributes: Attributes, adders: Adders) -> Found:
    found: Found = {}
    branches = []
    for which, name, run in (("c", "conv", conv2d_sums), ("a", "attention", pssa_sums)):
        own = branch(tensors, which, ("x",))
        s, t = (per_channel(exact(own[each], adders)) for each in "st")
        sums = run(own, attributes, adders)
        scaled = added(multiplied(sums.biased, s, adders), t, adders)
        shown = sums.shown(attributes, adders, "output")
        shown["scaled"] = stored(scaled, accumulation_of(attributes).cast, adders)
        found |= {f"{name}_{stage}": of for stage, of in shown.items()}
        branches.append(scaled)
    total = added(branches[0], branches[1], adders)
    return found | {"output": output_of(total, tensors, attributes, adders)}


def _fused(tensors: Tensors, attributes: Attributes, adders: Adders) -> Found:
    x, products = exact(tensors["x"], adders), product_of(tensors, attributes, adders)
    both = [np.concatenate(parts, axis=1) for parts in zip(x.parts, products.parts, strict=True)]
    augmented = products.each(*both)._replace(digits=max(x.digits, products.digits))
    return _finished(_sums(augmented, tensors, attributes, adders), tensors, attributes, adders)


CONVOLVING: Mapping[str, Expression] = {
    "conv2d": _conv2d,
    "shift_product": _product,
    "pssa": _pssa,
    "xvolution": _xvolution,
    "xvolution_fused": _fused,
}
