"""How far a device may be from the exact result, whatever the order it sums in.

For a class of devices (binary32 operations rounded to nearest, subnormals kept, any order and tree
of additions, products rounded or fused) and a result y = Σ_k Π_k of products and addends whose
longest path goes through m roundings,

    |device − y| ≤ γ_m·M + e·(1 + γ_m)        γ_m = m·u/(1 − m·u) ≥ (1 + u)^m − 1,  u = 2⁻²⁴

M = the same expression on absolute values. e bounds what underflow adds: a rounded product may be
off by half of the smallest subnormal, η = 2⁻¹⁵⁰, beyond the relative error; sums never are. e is
carried through the same expression: a product of w with a quantity of underflow e' has |w|·e' + η.

The checker compares with a binary64 reference of the same expression, so the reference's own error
((1 + 2⁻⁵³)^m − 1)·M (products of binary32 numbers are exact in binary64, those with a shift product
rounded once) and the rounding of the bound itself are added; M, e and the bound are inflated by
1 + 2⁻³² ≥ their own relative evaluation error for m < 2²⁰. Where M, or any intermediate magnitude
of the case, may overflow binary32 there is no bound: infinity, and no verdict but exact equality.

Source: Higham, "Accuracy and Stability of Numerical Algorithms" (2002), section 3.1 and problem 3.2
for any order of summation; the underflow term as in its (2.8); the composition is derived here.
"""

from typing import NamedTuple

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulate import kernel_rows, patches, sum_float64
from refimpl.bitexact.operators import Attributes, Tensors, geometry_of
from refimpl.ops.shift import shift
from refimpl.ops.shift_product import offsets

UNIT = 2.0**-24
HALF_SUBNORMAL = 2.0**-150
INFLATE = 1 + 2.0**-32
OVERFLOW = 2.0**127
CLASS = (
    "binary32 multiply and add, round to nearest, subnormals kept; any order and tree of "
    "additions; products rounded or fused"
)


class Bounded(NamedTuple):
    """A binary64 value, the same on absolute values, roundings on the longest path, underflow.

    A magnitude that may overflow binary32 is infinite, and so is what is computed from it.
    """

    value: Array
    magnitude: Array
    roundings: int
    underflow: Array


class Bound(NamedTuple):
    """Binary64 reference, and how far from it a device of the class may be, per element."""

    reference: Array
    bound: Array


def bound_output(operator: str, tensors: Tensors, attributes: Attributes) -> Bound:
    """Reference and bound for the output of an fp32 operator.

    Raises
    ------
    ValueError
        If the operator has no fp32 form.
    """
    if operator not in _EXPRESSIONS:
        raise ValueError(f"operator must be one of {', '.join(_EXPRESSIONS)}, not {operator!r}")
    return _bound(_EXPRESSIONS[operator](tensors, attributes))


def _bound(of: Bounded) -> Bound:
    m = of.roundings
    growth = m * UNIT / (1 - m * UNIT)  # γ_m ≥ (1 + u)^m − 1, without a library function
    own = 2.0 * m * 2.0**-53
    reach = ((growth + own) * of.magnitude + of.underflow * (1 + growth)) * INFLATE
    return Bound(of.value, np.where(np.isfinite(reach), reach, np.inf))


def _in_range(magnitude: Array) -> Array:
    """Replace what may overflow, with a factor 2 to spare for the roundings, by infinity."""
    return np.where(magnitude < OVERFLOW, magnitude, np.inf)


def _exact(x: Array) -> Bounded:
    wide = x.astype(np.float64)
    return Bounded(wide, np.abs(wide), 0, np.zeros_like(wide))


def _conv(x: Bounded, w: Array, b: Array | None, attributes: Attributes) -> Bounded:
    geometry = geometry_of(x.value, w, attributes)
    shape = (len(x.value), len(w), *geometry.output)
    rows = kernel_rows(w, "cuv").astype(np.float64)
    value, magnitude, underflow = (
        sum_float64(signed, patches(of, geometry, "cuv")).reshape(shape)
        for signed, of in (
            (rows, x.value),
            (np.abs(rows), x.magnitude),
            (np.abs(rows), x.underflow),
        )
    )
    taps = rows.shape[1]
    summed = Bounded(
        value, _in_range(magnitude), x.roundings + 1 + taps, underflow + taps * HALF_SUBNORMAL
    )
    return summed if b is None else _add_channel(summed, b)


def _add_channel(x: Bounded, b: Array) -> Bounded:
    wide = b.astype(np.float64)[:, None, None]
    magnitude = _in_range(x.magnitude + np.abs(wide))
    return Bounded(x.value + wide, magnitude, x.roundings + 1, x.underflow)


def _scale_channel(x: Bounded, s: Array) -> Bounded:
    wide = s.astype(np.float64)[:, None, None]
    with np.errstate(invalid="ignore"):  # 0 · ∞ is unknown, and becomes ∞
        magnitude = _in_range(x.magnitude * np.abs(wide))
    return Bounded(
        x.value * wide,
        magnitude,
        x.roundings + 1,
        x.underflow * np.abs(wide) + HALF_SUBNORMAL,
    )


def _shift_product(tensors: Tensors, attributes: Attributes) -> Bounded:
    x = tensors["x"].astype(np.float64)
    reached = offsets([tuple(each) for each in attributes["directions"]], attributes["length"])
    boundary = attributes["boundary"]
    value = np.concatenate([x * shift(x, offset=d, boundary=boundary) for d in reached], axis=1)
    return Bounded(value, _in_range(np.abs(value)), 1, np.full_like(value, HALF_SUBNORMAL))


def _pssa(tensors: Tensors, attributes: Attributes) -> Bounded:
    return _conv(_shift_product(tensors, attributes), tensors["w"], tensors.get("b"), attributes)


def _xvolution(tensors: Tensors, attributes: Attributes) -> Bounded:
    conv = _conv(_exact(tensors["x"]), tensors["w_c"], tensors.get("b_c"), attributes)
    products = _shift_product(tensors, attributes)
    attention = _conv(products, tensors["w_a"], tensors.get("b_a"), attributes)
    conv, attention = (
        _add_channel(_scale_channel(branch, tensors[f"s_{which}"]), tensors[f"t_{which}"])
        for branch, which in ((conv, "c"), (attention, "a"))
    )
    return Bounded(
        conv.value + attention.value,
        _in_range(conv.magnitude + attention.magnitude),
        max(conv.roundings, attention.roundings) + 1,
        conv.underflow + attention.underflow,
    )


def _xvolution_fused(tensors: Tensors, attributes: Attributes) -> Bounded:
    x, products = _exact(tensors["x"]), _shift_product(tensors, attributes)
    augmented = Bounded(
        np.concatenate([x.value, products.value], axis=1),
        np.concatenate([x.magnitude, products.magnitude], axis=1),
        products.roundings,
        np.concatenate([x.underflow, products.underflow], axis=1),
    )
    return _conv(augmented, tensors["w"], tensors.get("b"), attributes)


_EXPRESSIONS = {
    "conv2d": lambda tensors, attributes: _conv(
        _exact(tensors["x"]), tensors["w"], tensors.get("b"), attributes
    ),
    "shift_product": _shift_product,
    "pssa": _pssa,
    "xvolution": _xvolution,
    "xvolution_fused": _xvolution_fused,
}
