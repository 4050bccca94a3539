"""Seeded numbers that are the same on every machine.

A counter-based generator: word i of a tensor is mix(key + (i + 1)·φ) modulo 2⁶⁴, with φ the golden
ratio's odd 64-bit integer, mix the 64-bit finaliser of SplitMix, and key the first eight bytes of
sha256("case id/tensor name/GENERATOR"). Integer arithmetic only.

Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014, Fig.
16 (constants of mix64 variant 13, Stafford).
"""

from hashlib import sha256
from math import sqrt

import numpy as np

from refimpl.arrays import Array

GENERATOR = "splitmix64-1"
PHI = np.uint64(0x9E3779B97F4A7C15)
IRWIN_HALL_SD = sqrt(4 * (2.0**32 - 1) / 12)  # of the sum of four uniform 16-bit integers


def words(case: str, tensor: str, shape: tuple[int, ...]) -> Array:
    """Uniform 64-bit words."""
    digest = sha256(f"{case}/{tensor}/{GENERATOR}".encode()).digest()
    key = np.uint64(int.from_bytes(digest[:8], "little"))
    count = int(np.prod(shape, dtype=np.int64))
    z = np.arange(1, count + 1, dtype=np.uint64) * PHI + key
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (z ^ (z >> np.uint64(31))).reshape(shape)


def integers(case: str, tensor: str, shape: tuple[int, ...], low: int, high: int) -> Array:
    """Integers low … high (both included), int64; ranges below 2³² only.

    The top 32 bits are scaled by multiplication, so a value's probability is off by at most 2⁻³².
    """
    span = np.uint64(high - low + 1)
    top = words(case, tensor, shape) >> np.uint64(32)
    return ((top * span) >> np.uint64(32)).astype(np.int64) + low


def bell(case: str, tensor: str, shape: tuple[int, ...]) -> Array:
    """Bell-shaped binary64 numbers of mean 0 and variance 1, within ±3.47.

    The sum of the four 16-bit quarters of a word (Irwin-Hall of order 4), centred and scaled: close
    to a normal distribution, and without a logarithm or a cosine whose last bit a library chooses.
    """
    z = words(case, tensor, shape)
    quarters = z[..., None] >> np.arange(0, 64, 16, dtype=np.uint64) & np.uint64(0xFFFF)
    total = quarters.astype(np.int64).sum(axis=-1)
    return (total - 2 * (2**16 - 1)) / IRWIN_HALL_SD
