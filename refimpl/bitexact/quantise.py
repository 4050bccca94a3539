"""Real tensors to int8: how scales and zero points are chosen. A stated rule, not a calibration.

    activations  scale = (max − min)/255 with 0 inside [min, max]; zero = round(−128 − min/scale)
    weights      per output channel, symmetric: scale = max|w|/127, zero point 0
    q            = clip(round(x/scale) + zero, −128, 127), ties to even

Elementwise IEEE operations and exact maxima only, so the same bytes everywhere.

Source: Jacob et al., arXiv:1712.05877 (2018), section 2.1 (affine quantisation) and 3 (ranges).
"""

from math import frexp
from typing import NamedTuple

import numpy as np

from refimpl.arrays import Array


class Affine(NamedTuple):
    """real = scale · (q − zero_point)."""

    scale: float
    zero_point: int


class QuantisedWeights(NamedTuple):
    """int8 kernels, and the binary64 scale of each output channel."""

    w: Array
    scale: Array


def affine(x: Array) -> Affine:
    """Choose scale and zero point so that all of ``x``, and 0, are representable."""
    low, high = min(float(x.min(initial=0)), 0.0), max(float(x.max(initial=0)), 0.0)
    scale = (high - low) / 255 or 1.0
    return Affine(scale, int(np.clip(np.rint(-128 - low / scale), -128, 127)))


def quantise(x: Array, to: Affine) -> Array:
    """Round to the nearest representable int8, ties to even, saturating."""
    steps = np.rint(x.astype(np.float64) / to.scale) + to.zero_point
    return np.clip(steps, -128, 127).astype(np.int8)


def quantise_weights(w: Array) -> QuantisedWeights:
    """Quantise kernels (o, …) symmetrically, one scale per output channel."""
    wide = w.astype(np.float64)
    largest = np.abs(wide).reshape(len(w), -1).max(axis=1, initial=0)
    scale = np.where(largest > 0, largest / 127, 1.0)
    steps = np.rint(wide / scale.reshape(-1, *[1] * (w.ndim - 1)))
    return QuantisedWeights(np.clip(steps, -127, 127).astype(np.int8), scale)


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
    the rest the other. The group with the smaller max|w| then uses only that share of the int8
    range: ⌊log₂(larger/smaller)⌋, at its worst over the outputs that use both.
    """
    groups = (w[:, :channels], w[:, channels:])
    largest = np.stack([np.abs(part).reshape(len(w), -1).max(axis=1) for part in groups])
    both = largest[:, largest.min(axis=0) > 0]
    ratio = (both.max(axis=0) / both.min(axis=0)).max(initial=1.0)
    return frexp(float(ratio))[1] - 1
