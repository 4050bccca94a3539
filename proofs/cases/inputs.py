"""Exact inputs for the cases: rationals, and those at which √ and the maximum behave."""

from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np

import refimpl as ref
from proofs.rings import rationals

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
HALF = Fraction(1, 2)
QUARTER = {"eps": Fraction(1, 4)}


def drawn(*shape: int, seed: int = 0) -> Array:
    """Small seeded rationals, other ones for other shapes."""
    return rationals(*shape, seed=seed + 17 * sum(shape))


def square_bn(channels: int, seed: int) -> ref.BatchNorm:
    """Normalisation whose var + eps (eps = 1/4) is the square of a rational, channel by channel."""
    roots = np.array([Fraction(3 + c + seed, 2 + c) for c in range(channels)], object)
    return ref.BatchNorm(
        drawn(channels, seed=seed),
        drawn(channels, seed=seed + 1),
        drawn(channels, seed=seed + 2),
        roots * roots - Fraction(1, 4),
    )


def balanced(*shape: int) -> Array:
    """Channels that all hold ±1/2 in equal number: biased variance 1/4, exactly."""
    rng = np.random.default_rng(5)
    n, channels, height, width = shape
    signs = np.resize([1, -1], n * height * width)
    rows = [rng.permutation(signs).reshape(n, height, width) for _ in range(channels)]
    return np.asarray(np.stack(rows, axis=1) * HALF, object)


def distinct(*shape: int) -> Array:
    """All different and none 0, where relu and the maximum have a derivative."""
    size = int(np.prod(shape))
    shuffled = np.random.default_rng(3).permutation(size) - size // 2
    return np.asarray(shuffled.reshape(shape).astype(object) + Fraction(1, 3), object)


def one_hot_rows(outputs: int, inputs: int, scale: Fraction) -> Array:
    """1×1 kernels that pick one channel each, times ``scale``."""
    w = np.full((outputs, inputs, 1, 1), Fraction(0), object)
    for o in range(outputs):
        w[o, o % inputs, 0, 0] = scale
    return w
