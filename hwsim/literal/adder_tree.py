"""Adder trees, cycle by cycle: the judge of ``hwsim.cycles.adder_tree``.

Products of one pixel enter the leaves of every tree; each level adds pairs and hands them to the
next a cycle later; what leaves the root is added to the accumulator of its pixel and channel. A
value carries the number of its pixel and of its operation through the registers of the levels.
"""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hwsim.systolic import Simulation

Matrix: TypeAlias = NDArray[Any]


class _Operation(NamedTuple):
    """Values (pixel, input) to broadcast, weights (tree, input) to hold, and whose these are."""

    values: Matrix
    weights: Matrix
    channels: slice


class _Flight(NamedTuple):
    """Partial sums (tree, remaining inputs) on their way to the root, and where they belong."""

    sums: Matrix
    pixel: int
    channels: slice


def simulate(image: Matrix, weights: Matrix, inputs: int, trees: int, *, load: int) -> Simulation:
    """``image`` (tap, pixel, channel) · ``weights`` (tap, channel, out), over taps and channels.

    The product is (pixel, out). The image is given as the array sees it: one pixel per tap.
    ``load``: cycles in which the weights of an operation arrive.
    """
    operations = _operations(image, weights, inputs, trees)
    pixels = image.shape[1]
    product = np.zeros((pixels, weights.shape[2]), image.dtype)
    stages: list[_Flight | None] = [None] * (_levels(inputs) + 1)
    current, pixel = operations[0], pixels
    taken, arriving, due, cycles = 0, load, len(operations) * pixels, 0
    while due:
        if pixel == pixels and taken < len(operations) and not arriving:
            current, pixel, arriving = operations[taken], 0, load
            taken += 1
        root = stages[-1]
        if root is not None:
            product[root.pixel, root.channels] += root.sums[:, 0]
            due -= 1
        stages[1:] = [_pairs(flight) for flight in stages[:-1]]
        stages[0] = None
        if pixel < pixels:
            stages[0] = _Flight(current.weights * current.values[pixel], pixel, current.channels)
            pixel += 1
        arriving = max(0, arriving - 1)
        cycles += 1
    return Simulation(product, cycles)


def _operations(image: Matrix, weights: Matrix, inputs: int, trees: int) -> list[_Operation]:
    taps, channels, outs = weights.shape
    return [
        _Operation(
            image[tap, :, first : first + inputs],
            weights[tap, first : first + inputs, out : out + trees].T,
            slice(out, min(out + trees, outs)),
        )
        for out in range(0, outs, trees)
        for first in range(0, channels, inputs)
        for tap in range(taps)
    ]


def _pairs(flight: _Flight | None) -> _Flight | None:
    """One level nearer to the root: neighbours added, a last odd one passed on."""
    if flight is None:
        return None
    even, odd = flight.sums[:, ::2].copy(), flight.sums[:, 1::2]
    even[:, : odd.shape[1]] += odd
    return flight._replace(sums=even)


def _levels(inputs: int) -> int:
    levels = 0
    while inputs > 1:
        inputs, levels = (inputs + 1) // 2, levels + 1
    return levels
