"""Biases solved against the sums they meet: ties, rounding edges, rails, huge numbers."""

from itertools import cycle, islice

import numpy as np

from refimpl.arrays import Array
from refimpl.score.ties import NEAR, differing, in_range
from refimpl.score.values import Draw

HUGE = (15, 19, 23, 27, 30, 31)  # powers of two that biases come near
LIMIT = 2**31 - 1
TWICE = ("tflite_double", "tosa_double")  # rules that round twice
MAGNITUDES = (*TWICE, "half_away", "toward_zero")  # rules that are symmetric about zero


def solved_biases(
    draw: Draw, end: str, sums: Array, factors: tuple[Array, Array], rounding: str
) -> Array:
    """int32 biases: drawn, or what brings one output of each channel to a solved accumulator."""
    outputs, scheme = sums.shape[1], draw.recipe.bias
    if scheme == "zero":
        return np.zeros(outputs, np.int32)
    if scheme == "huge":
        power = np.array(HUGE)[np.arange(outputs) % len(HUGE)]
        sign = 1 - 2 * (np.arange(outputs) // len(HUGE) % 2)
        near = sign * ((np.int64(1) << power) - draw.integers(f"b{end}", (outputs,), 1, 1 << 12))
        return near.astype(np.int32)
    if scheme == "random":
        reach = max(int(np.abs(sums).max()) // 2, 8)
        return draw.integers(f"b{end}", (outputs,), -reach, reach).astype(np.int32)
    flat = sums.reshape(*sums.shape[:2], -1)
    biases = np.zeros(outputs, np.int64)
    for channel in range(outputs):
        factor = int(factors[0][channel]), int(factors[1][channel])
        targets = _targets(scheme, *factor, 0 if end else draw.recipe.y_zero, rounding)
        if targets:
            target = next(islice(cycle(targets), channel, None))
            biases[channel] = target - flat[0, channel, channel % flat.shape[2]]
    return biases.astype(np.int32)


def _targets(scheme: str, multiplier: int, shift: int, zero: int, rounding: str) -> list[int]:
    """Accumulators worth meeting under this factor."""
    if scheme == "ties":
        return differing("half_up", "half_down", multiplier, shift, limit=LIMIT // 4)
    if scheme == "near-ties":
        return differing("half_up", "tflite_double", multiplier, shift, limit=LIMIT // 4)
    if scheme == "rails":
        beyond = 1 if rounding == "toward_zero" else 0  # half a step, which truncation takes back
        return [
            reaching(value - zero, multiplier, shift, beyond if value > zero else -beyond)
            for value in (127, 128, -128, -129)
        ]
    return rounding_edges(multiplier, shift, rounding)


def reaching(value: int, multiplier: int, shift: int, halves: int = 0) -> int:
    """The accumulator whose scaled value is nearest to ``value`` and so many halves."""
    return (((2 * value + halves) << (shift - 1)) + multiplier // 2) // multiplier


def rounding_edges(multiplier: int, shift: int, rounding: str) -> list[int]:
    """Accumulators whose scaled value lies as close above a step of the rule as can be solved for.

    A rule steps up at a tie, truncation at an integer, two roundings already 2³⁰ below a tie.
    """
    modulus, half = 1 << shift, 1 << (shift - 1)
    early = {"floor": half, "toward_zero": half, **dict.fromkeys(TWICE, NEAR if shift > 31 else 0)}
    edge, found = max(half - early.get(rounding, 0), 1), []
    for sign in (1, -1):
        mirrored = 1 if rounding in MAGNITUDES else sign
        residue = mirrored * multiplier % modulus
        for width in range(max(shift - 16, 1), shift - 4):
            first = next(in_range(residue, modulus, edge, edge + (1 << width)), None)
            if first is not None and 0 < first < LIMIT // 4:
                found.append(sign * first)
                break
    return found
