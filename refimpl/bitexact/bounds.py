"""How far a device may be from the exact result, whatever the order it sums in.

For a device of a class of adders (``adders.py``) and a result y = Σ_k Π_k of products and addends
whose longest path at that pixel goes through m roundings (its additions, bias included, plus one
where products are rounded; taps in the padding add nothing),

    |device − y| ≤ γ_m·M + e·(1 + γ_m)        γ_m = m·v/(1 − m·v) ≥ (1 + v)^m − 1

v is the relative error of one step, u of a rounding; M = the same expression on absolute values. e
bounds what underflow adds: a rounded product may be off by half of the smallest subnormal beyond
the relative error (by all of it if truncated), sums never are; where subnormals are flushed, every
operation may lose λ, the smallest normal number, and so may every operand. e is carried through the
same expression: a product of w with a quantity of underflow e' has |w|·e' + η.

The checker compares with a binary64 reference of the same expression, so the reference's own error
((1 + 2⁻⁵³)^m − 1)·M (products of binary32 numbers are exact in binary64, those with a shift product
rounded once) and the rounding of the bound itself are added; M, e and the bound are inflated by
1 + 2⁻³² ≥ their own relative evaluation error for m < 2²⁰. Where M, or any intermediate magnitude
of the case, may overflow the accumulator, or m·v reaches 1/2, there is no bound: infinity, and no
verdict but exact equality.

Source: Higham, "Accuracy and Stability of Numerical Algorithms" (2002), section 3.1 and problem 3.2
for any order of summation; the underflow term as in its (2.8); the composition is derived here.
"""

from typing import NamedTuple

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulate import kernel_rows, patches, sum_float64
from refimpl.bitexact.adders import BINARY32, Adders
from refimpl.bitexact.operators import Attributes, Tensors, geometry_of
from refimpl.ops.shift import shift
from refimpl.ops.shift_product import offsets

INFLATE = 1 + 2.0**-32
MOST_GROWTH = 0.5  # ours: beyond it the bound says nothing
CLASS = BINARY32.text


class Bounded(NamedTuple):
    """A binary64 value, the same on absolute values, roundings on the longest path, underflow.

    All but ``roundings`` have the value's shape; it may be one number. A magnitude that may
    overflow is infinite, and so is what is computed from it.
    """

    value: Array
    magnitude: Array
    roundings: Array
    underflow: Array


class Bound(NamedTuple):
    """Binary64 reference, and how far from it a device of the class may be, per element."""

    reference: Array
    bound: Array


def bound_output(
    operator: str, tensors: Tensors, attributes: Attributes, adders: Adders = BINARY32
) -> Bound:
    """Reference and bound for the output of an fp32 operator, for a class of adders.

    Raises
    ------
    ValueError
        If the operator has no fp32 form.
    """
    if operator not in _EXPRESSIONS:
        raise ValueError(f"operator must be one of {', '.join(_EXPRESSIONS)}, not {operator!r}")
    return _bound(_EXPRESSIONS[operator](tensors, attributes, adders), adders)


def _bound(of: Bounded, adders: Adders) -> Bound:
    roundings = np.asarray(of.roundings, np.float64)
    share = roundings * adders.step
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = share / (1 - share)  # γ_m ≥ (1 + v)^m − 1, without a library function
        own = 2.0 * roundings * 2.0**-53
        reach = ((growth + own) * of.magnitude + of.underflow * (1 + growth)) * INFLATE
    known = np.isfinite(reach) & (share < MOST_GROWTH)
    return Bound(of.value, np.where(known, reach, np.inf))


def _in_range(magnitude: Array, adders: Adders) -> Array:
    """Replace what may overflow by infinity."""
    return np.where(magnitude < adders.overflow, magnitude, np.inf)


def _exact(x: Array, adders: Adders) -> Bounded:
    wide = x.astype(np.float64)
    return Bounded(wide, np.abs(wide), np.zeros(()), _lost_operand(wide, adders))


def _lost_operand(wide: Array, adders: Adders) -> Array:
    """What reading an operand loses: all of it where it is subnormal and flushed."""
    size = np.abs(wide)
    return np.where(size < adders.flushed, size, 0.0)


def _conv(x: Bounded, w: Array, b: Array | None, attributes: Attributes, adders: Adders) -> Bounded:
    geometry = geometry_of(x.value, w, attributes)
    shape = (len(x.value), len(w), *geometry.output)
    rows = kernel_rows(w, "cuv").astype(np.float64)

    def summed(weights: Array, of: Array) -> Array:
        return sum_float64(weights, patches(of, geometry, "cuv")).reshape(shape)

    ones = np.ones((1, *x.value.shape[1:]))
    inside = sum_float64(np.ones((1, rows.shape[1])), patches(ones, geometry, "cuv"))
    taps = inside.reshape(1, 1, *geometry.output)
    additions = adders.steps(np.maximum(taps - 1, 0))
    deepest = np.max(x.roundings, initial=0)
    lost = summed(np.abs(rows), x.underflow) + taps * adders.lost_product
    if adders.flushes_subnormals:
        lost = lost + additions * adders.flushed
        lost = lost + summed(_lost_operand(rows, adders), x.magnitude + x.underflow)
    total = Bounded(
        summed(rows, x.value),
        _in_range(summed(np.abs(rows), x.magnitude), adders),
        deepest + adders.products_rounded + additions,
        lost,
    )
    return total if b is None else _add_channel(total, b, adders)


def _add_channel(x: Bounded, b: Array, adders: Adders) -> Bounded:
    wide = b.astype(np.float64)[:, None, None]
    magnitude = _in_range(x.magnitude + np.abs(wide), adders)
    underflow = x.underflow + _lost_operand(wide, adders) + adders.flushed
    return Bounded(x.value + wide, magnitude, x.roundings + adders.steps(1), underflow)


def _scale_channel(x: Bounded, s: Array, adders: Adders) -> Bounded:
    wide = s.astype(np.float64)[:, None, None]
    with np.errstate(invalid="ignore"):  # 0 · ∞ is unknown, and becomes ∞
        magnitude = _in_range(x.magnitude * np.abs(wide), adders)
        lost = _lost_operand(wide, adders) * x.magnitude
    return Bounded(
        x.value * wide,
        magnitude,
        x.roundings + adders.products_rounded,
        x.underflow * np.abs(wide) + lost + adders.lost_product,
    )


def _shift_product(tensors: Tensors, attributes: Attributes, adders: Adders) -> Bounded:
    x = tensors["x"].astype(np.float64)
    reached = offsets([tuple(each) for each in attributes["directions"]], attributes["length"])
    boundary = attributes["boundary"]

    def product(left: Array, right: Array) -> Array:
        return np.concatenate(
            [left * shift(right, offset=d, boundary=boundary) for d in reached], axis=1
        )

    value = product(x, x)
    lost = np.full_like(value, adders.lost_product)
    if adders.flushes_subnormals:
        operand = _lost_operand(x, adders)
        lost = lost + product(operand, np.abs(x)) + product(np.abs(x), operand)
    return Bounded(value, _in_range(np.abs(value), adders), np.ones(()), lost)


def _pssa(tensors: Tensors, attributes: Attributes, adders: Adders) -> Bounded:
    products = _shift_product(tensors, attributes, adders)
    return _conv(products, tensors["w"], tensors.get("b"), attributes, adders)


def _xvolution(tensors: Tensors, attributes: Attributes, adders: Adders) -> Bounded:
    x = _exact(tensors["x"], adders)
    conv = _conv(x, tensors["w_c"], tensors.get("b_c"), attributes, adders)
    products = _shift_product(tensors, attributes, adders)
    attention = _conv(products, tensors["w_a"], tensors.get("b_a"), attributes, adders)
    conv, attention = (
        _add_channel(
            _scale_channel(branch, tensors[f"s_{which}"], adders), tensors[f"t_{which}"], adders
        )
        for branch, which in ((conv, "c"), (attention, "a"))
    )
    return Bounded(
        conv.value + attention.value,
        _in_range(conv.magnitude + attention.magnitude, adders),
        np.maximum(conv.roundings, attention.roundings) + adders.steps(1),
        conv.underflow + attention.underflow + adders.flushed,
    )


def _xvolution_fused(tensors: Tensors, attributes: Attributes, adders: Adders) -> Bounded:
    x, products = _exact(tensors["x"], adders), _shift_product(tensors, attributes, adders)
    augmented = Bounded(
        np.concatenate([x.value, products.value], axis=1),
        np.concatenate([x.magnitude, products.magnitude], axis=1),
        products.roundings,
        np.concatenate([x.underflow, products.underflow], axis=1),
    )
    return _conv(augmented, tensors["w"], tensors.get("b"), attributes, adders)


_EXPRESSIONS = {
    "conv2d": lambda tensors, attributes, adders: _conv(
        _exact(tensors["x"], adders), tensors["w"], tensors.get("b"), attributes, adders
    ),
    "shift_product": _shift_product,
    "pssa": _pssa,
    "xvolution": _xvolution,
    "xvolution_fused": _xvolution_fused,
}
