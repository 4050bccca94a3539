"""Real tensors to integers: how scales and zero points are chosen. A stated rule, no calibration.

    activations  of a format [low, high]: scale = (max − min)/(high − low) with 0 inside [min, max];
                 zero = clip(round(low − min/scale), low, high)
    weights      per output channel, symmetric: scale = max|w|/high, zero point 0
    q            = clip(round(x/scale) + zero, low, high), ties to even

An arithmetic fixes the format of weights, and the widths of accumulators and multipliers.
Elementwise IEEE operations and exact maxima only, so the same bytes everywhere.

Source: Jacob et al., arXiv:1712.05877 (2018), section 2.1 (affine quantisation) and 3 (ranges).
"""

from math import frexp
from typing import NamedTuple

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.formats import format_named, to_integers


class Affine(NamedTuple):
    """real = scale · (q − zero_point)."""

    scale: float
    zero_point: int


class Widths(NamedTuple):
    """Of an integer arithmetic: the weights' format, the bits of accumulators and multipliers."""

    weights: str
    accumulator: int
    multiplier: int


WIDTHS = {
    "int8": Widths("int8", accumulator=32, multiplier=31),
    "int4": Widths("int4", accumulator=32, multiplier=31),
    "int16": Widths("int8", accumulator=48, multiplier=15),
}


class QuantisedWeights(NamedTuple):
    """Integer kernels, and the binary64 scale of each output channel."""

    w: Array
    scale: Array


def affine(x: Array, form: str = "int8") -> Affine:
    """Choose scale and zero point so that all of ``x``, and 0, are representable in a format.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    least, most = format_named(form).limits
    low, high = min(float(x.min(initial=0)), 0.0), max(float(x.max(initial=0)), 0.0)
    if not np.isfinite(high - low):
        raise ValueError("numbers must be finite to be quantised, not infinite or NaN")
    scale = (high - low) / (most - least) or 1.0
    return Affine(scale, int(np.clip(np.rint(least - low / scale), least, most)))


def quantise(x: Array, to: Affine, form: str = "int8") -> Array:
    """Round to the nearest representable integer, ties to even, saturating."""
    steps = np.rint(x.astype(np.float64) / to.scale) + to.zero_point
    return to_integers(np.clip(steps, *format_named(form).limits).astype(np.int64), form)


def quantise_weights(w: Array, form: str = "int8") -> QuantisedWeights:
    """Quantise kernels (o, …) symmetrically, one scale per output channel."""
    wide, most = w.astype(np.float64), format_named(form).limits[1]
    largest = np.abs(wide).reshape(len(w), -1).max(axis=1, initial=0)
    scale = np.where(largest > 0, largest / most, 1.0)
    steps = np.rint(wide / scale.reshape(-1, *[1] * (w.ndim - 1)))
    return QuantisedWeights(to_integers(np.clip(steps, -most, most).astype(np.int64), form), scale)


def quantise_bias(b: Array, scale: Array) -> Array:
    """Round a bias to int32 in the accumulator's scale, ties to even.

    Raises
    ------
    ValueError
        If it does not fit: the scales are then of no use for this layer.
    """
    steps = np.rint(b.astype(np.float64) / scale)
    if np.abs(steps).max(initial=0) >= 2**31:
        raise ValueError("a quantised bias must fit in int32; the scales of this layer do not suit")
    return steps.astype(np.int32)


def lost_bits(w: Array, channels: int) -> int:
    """Whole bits of weight precision that one scale for two channel groups costs the smaller group.

    ``w`` (o, c, …) holds real kernels whose first ``channels`` input channels form one group and
    the rest the other. The group with the smaller max|w| then uses only that share of the weights'
    range: ⌊log₂(larger/smaller)⌋, at its worst over the outputs that use both.
    """
    groups = (w[:, :channels], w[:, channels:])
    largest = np.stack([np.abs(part).reshape(len(w), -1).max(axis=1) for part in groups])
    both = largest[:, largest.min(axis=0) > 0]
    ratio = (both.max(axis=0) / both.min(axis=0)).max(initial=1.0)
    return frexp(float(ratio))[1] - 1
