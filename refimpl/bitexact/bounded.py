"""Numbers with all that a device of a class of adders may make of them: the algebra of bounds.

    |device − y| ≤ γ_m·M + e·(1 + γ_m)        γ_m = m·v/(1 − m·v) ≥ (1 + v)^m − 1

y is the exact value, m the roundings on the longest path to it, v the relative error of one step of
the class (``adders.py``), M the same expression on absolute values. e bounds what is lost
absolutely: a rounded product may underflow by η, half of the smallest subnormal (all of it if
truncated), sums never do; where subnormals are flushed, every operation may lose λ, the smallest
normal number, and so may every operand. The rules, of operands with m, A, e and n, B, f:

    a·b         γ_m+n(+1) on A·B                 e·B + f·(A + e) + η
    Σ a·b       the same, and one rounding per addition on the path
    a + b       max(m, n) + 1 on A + B           e + f (+ λ)
    cast        y becomes c = cast(y), m = 0     e the farthest cast of any number within the bound:
                                                 a cast is monotone, so none is beyond
    1/√a        m = 1 on 1/√y                    ρ/√y, ρ ≥ (1 − r)^−½ − 1 the relative error of a

A product of 8 and 11 significant bits is exact in 24; then it rounds nothing. Everything is
evaluated in binary64: its own error, at most (1 + 2⁻⁵³)^(2m) − 1 of M (2m·L for steps of L
products), is added, and bounds are inflated by 1 + 2⁻³² ≥ their own evaluation error for m < 2²⁰.
Where M may overflow the accumulator, or m·v reaches 1/2, the bound is infinite: no verdict but
exact equality.

Source: Higham, "Accuracy and Stability of Numerical Algorithms" (2002), sections 3.1 to 3.4 for γ
and any order of summation; the underflow terms as in its (2.8); the composition is derived here.
"""

from typing import NamedTuple

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulate import sum_float64
from refimpl.bitexact.adders import Adders
from refimpl.bitexact.formats import Cast, decode, encode, format_named, format_of

INFLATE = 1 + 2.0**-32
MOST_GROWTH = 0.5  # ours: beyond it the bound says nothing
MOST_RELATIVE = 0.5  # ours: an error of more than half of a radicand says nothing


class Bounded(NamedTuple):
    """A binary64 value, the same on absolute values, roundings on the longest path, what is lost.

    All but ``roundings`` have the value's shape; it may be one number. A magnitude that may
    overflow is infinite, and so is what is computed from it. ``digits`` are the significant bits of
    the device's number.
    """

    value: Array
    magnitude: Array
    roundings: Array
    underflow: Array
    digits: int

    def each(self, *moved: Array) -> "Bounded":
        """The same roundings of other arrays: value, magnitude and underflow, moved alike."""
        return self._replace(value=moved[0], magnitude=moved[1], underflow=moved[2])

    @property
    def parts(self) -> tuple[Array, Array, Array]:
        """What has the value's shape."""
        return self.value, self.magnitude, self.underflow


def exact(x: Array, adders: Adders) -> Bounded:
    """A labelled tensor as a device reads it."""
    of, wide = format_of(x), decode(x)
    flushed = max(adders.flushed, 2.0 ** (of.least + of.fraction))
    size = np.abs(wide)
    lost = np.where(size < flushed, size, 0.0) if adders.flushes_subnormals else np.zeros_like(wide)
    return Bounded(wide, size, np.zeros(()), lost, of.digits)


def constant(value: float, adders: Adders) -> Bounded:
    """A real number, rounded once to the accumulator's format."""
    wide = np.array(value, np.float64)
    return Bounded(wide, np.abs(wide), np.ones(()), np.zeros(()), adders.precision)


def in_range(magnitude: Array, adders: Adders) -> Array:
    """Replace what may overflow by infinity."""
    return np.where(magnitude < adders.overflow, magnitude, np.inf)


def reach(of: Bounded, adders: Adders) -> Array:
    """How far from the value the device's number may be; infinite where nothing is known."""
    roundings = np.asarray(of.roundings, np.float64)
    share = roundings * adders.step
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = share / (1 - share)  # γ_m ≥ (1 + v)^m − 1, without a library function
        own = 2.0 * roundings * adders.products_per_step * 2.0**-53
        far = ((growth + own) * of.magnitude + of.underflow * (1 + growth)) * INFLATE
    return np.where(np.isfinite(far) & (share < MOST_GROWTH), far, np.inf)


def multiplied(a: Bounded, b: Bounded, adders: Adders) -> Bounded:
    """R(a·b), elementwise."""
    with np.errstate(invalid="ignore", over="ignore"):  # 0 · ∞ is unknown, and becomes ∞
        magnitude = in_range(a.magnitude * b.magnitude, adders)
        lost = a.underflow * b.magnitude + b.underflow * (a.magnitude + a.underflow)
        value = a.value * b.value
    own: Array | float = adders.lost_product
    if exact_products(a, b, adders) and _is_exact(a) and _is_exact(b):
        normal = np.abs(value) >= 2.0**adders.smallest_exponent
        own = np.where(normal | (value == 0), 0.0, own)
    roundings = a.roundings + b.roundings + (0 if exact_products(a, b, adders) else 1)
    return Bounded(value, magnitude, roundings, lost + own, adders.precision)


def added(a: Bounded, b: Bounded, adders: Adders) -> Bounded:
    """R(a + b), elementwise; where both are exact the error is relative to the sum itself."""
    magnitude = in_range(a.magnitude + b.magnitude, adders)
    value = a.value + b.value
    if adders.kind == "rounded" and _is_exact(a) and _is_exact(b):
        magnitude = np.where(np.isfinite(magnitude), np.abs(value), np.inf)
    roundings = np.maximum(a.roundings, b.roundings) + 1
    lost = a.underflow + b.underflow + adders.flushed
    return Bounded(value, magnitude, roundings, lost, adders.precision)


def split(of: Bounded, groups: int, axis: int) -> list[Bounded]:
    """The groups of channels along an axis, each with the roundings of all."""
    pieces = zip(*(np.split(part, groups, axis=axis) for part in of.parts), strict=True)
    return [of.each(*each) for each in pieces]


def joined(parts: list[Bounded], axis: int) -> Bounded:
    """Groups one after another; a path is at most as long as the longest of any group."""
    whole = (
        np.concatenate(each, axis=axis) for each in zip(*(p.parts for p in parts), strict=True)
    )
    deepest = np.maximum.reduce([np.asarray(part.roundings) for part in parts])
    return parts[0].each(*whole)._replace(roundings=deepest)


def negated(a: Bounded) -> Bounded:
    """−a."""
    return a._replace(value=-a.value)


def summed(a: Bounded, b: Bounded, adders: Adders, inside: Array) -> Bounded:
    """Σ_k a·b in any order: (o, k) by (n, k, p), or (n, o, k) by (n, k, p), to (n, o, p).

    ``inside`` counts the terms that are no products with a padding's 0; it broadcasts.
    """
    terms = b.value.shape[1]
    additions = adders.additions(inside, terms)
    lost = sums(a.magnitude, b.underflow) + inside * adders.lost_product
    if adders.flushes_subnormals:
        lost = lost + additions * adders.flushed
    if a.underflow.any():
        lost = lost + sums(a.underflow, b.magnitude + b.underflow)
    rounded = 0 if exact_products(a, b, adders) else int(adders.products_rounded)
    deepest = np.max(a.roundings, initial=0) + np.max(b.roundings, initial=0)
    return Bounded(
        sums(a.value, b.value),
        in_range(sums(a.magnitude, b.magnitude), adders),
        deepest + rounded + additions,
        lost,
        adders.precision,
    )


def sums(rows: Array, columns: Array) -> Array:
    """Σ_k in binary64, k in order: (o, k) or (n, o, k) by (n, k, p)."""
    if rows.ndim == 2:
        return sum_float64(rows, columns)
    total = np.zeros((len(columns), rows.shape[1], columns.shape[2]))
    with np.errstate(invalid="ignore", over="ignore"):
        for k in range(columns.shape[1]):
            total = total + rows[:, :, k, None] * columns[:, None, k]
    return total


def cast_to(of: Bounded, cast: Cast, adders: Adders) -> Bounded:
    """A declared cast of the device's number: the casts of all that it may be."""
    far = reach(of, adders)
    known = np.isfinite(far)
    apart = np.where(known, far, 0.0)
    below, above = (
        np.where(apart > 0, np.nextafter(of.value + sign * apart, sign * np.inf), of.value)
        for sign in (-1, 1)
    )
    low, middle, high = (decode(encode(each, cast)) for each in (below, of.value, above))
    form = format_named(cast.format)
    if adders.flushes_subnormals and form.kind == "float":
        near = np.minimum(np.abs(low), np.abs(high)) <= 2.0 ** (form.least + form.fraction)
        low, high = (
            np.where(near, np.minimum(low, 0), low),
            np.where(near, np.maximum(high, 0), high),
        )
    with np.errstate(invalid="ignore"):
        lost = np.maximum(high - middle, middle - low) * INFLATE
        known &= np.isfinite(lost) & np.isfinite(middle)
        magnitude = np.where(known, in_range(np.abs(middle), adders), np.inf)
    return Bounded(
        np.where(known, middle, of.value),
        magnitude,
        np.zeros(()),
        np.where(known, lost, np.inf),
        form.digits if form.kind == "float" else form.bits,
    )


def changes(cast: Cast, adders: Adders) -> bool:
    """Whether a cast may round, or lose, a number of the class's accumulator."""
    form = format_named(cast.format)
    if form.kind != "float":
        return True
    smallest = form.least + form.fraction
    narrower = form.digits < adders.precision or smallest > adders.smallest_exponent
    return narrower or form.largest < adders.overflow or cast.subnormals == "flushed"


def stored(of: Bounded, cast: Cast, adders: Adders) -> Bounded:
    """What is left in a tensor: cast, where the cast can change a number."""
    return cast_to(of, cast, adders) if changes(cast, adders) else of


def inverse_root(of: Bounded, adders: Adders) -> Bounded:
    """1/√ of numbers that must be positive: correctly rounded, to nearest or in the class's way."""
    far = reach(of, adders)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = far / of.value
        value = 1.0 / np.sqrt(np.where(of.value > 0, of.value, np.nan))
        known = (of.value > 0) & (relative < MOST_RELATIVE)
        # (1 − r)^−½ − 1 ≤ r for r ≤ ½; 2⁻⁵¹ for the root and the quotient of the value itself
        lost = np.where(known, value * (relative + 2.0**-51), np.inf)
    magnitude = np.where(known, in_range(value, adders), np.inf)
    lost = lost + adders.lost_product
    return Bounded(value, magnitude, np.ones(()), lost, adders.precision)


def exact_products(a: Bounded, b: Bounded, adders: Adders) -> bool:
    """Whether a product of two device's numbers fits the accumulator's significand."""
    return a.digits + b.digits <= adders.precision


def _is_exact(of: Bounded) -> bool:
    return not np.any(of.roundings) and not np.any(of.underflow)
