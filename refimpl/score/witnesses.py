"""Operands that tell two devices apart: orders of summation, and edges of a circular shift.

Order. 2²⁴ + 1 is 2²⁴ in binary32, so of the three terms 2²⁴, 1, −2²⁴ an accumulator keeps the 1
only if it meets it before or after both large ones. Placed at three taps out of K they tell two
orders apart that do not agree about those three; where products are rounded or not, factors
1 + 2⁻¹² whose product needs 25 bits do. ``order_witness`` tries the placements one after another
and returns the first at which the two summations differ, which is checked by running them.

Edges. ``edge_image`` searches, seed after seed, an image whose products with its shifted copies
differ at *every* border pixel between a circular shift and each other way to treat an edge.
"""

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import NamedTuple

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact import random
from refimpl.score.shift_changes import clamped, linear, not_wrapped, reflected, wraps_early
from refimpl.score.shifts import neighbour
from refimpl.score.site import Probe
from refimpl.score.summation import Summation

BIG = np.float32(2.0**24)
SLIGHTLY_MORE = np.float32(1 + 2.0**-12)
MOST_TRIES = 20000
OTHER_EDGES = {
    "rows are not wrapped": Probe("wrapped", lambda v, **of: not_wrapped(v, of, axis="row")),
    "columns are not wrapped": Probe("wrapped", lambda v, **of: not_wrapped(v, of, axis="col")),
    "clamped": Probe("wrapped", lambda v, **of: clamped(v, of)),
    "linear": Probe("wrapped", lambda v, **of: linear(v, of)),
    "columns wrap early": Probe("wrapped", lambda v, **of: wraps_early(v, of, axis="col")),
    "rows wrap early": Probe("wrapped", lambda v, **of: wraps_early(v, of, axis="row")),
    "reflected": Probe("wrapped", lambda v, **of: reflected(v, of)),
}


class Witness(NamedTuple):
    """Kernel row and column of K taps, (K,) float32 each, and both sums."""

    weights: Array
    values: Array
    sums: tuple[float, float]


def order_witness(first: Summation, second: Summation, taps: int) -> Witness:
    """Operands at which two summations of ``taps`` products differ.

    Raises
    ------
    ValueError
        If none of the placements tells them apart: they may be the same sum.
    """
    for weights, values in _placements(taps):
        row, column = weights[None], values[None, :, None]
        sums = [float(sum_(row, column, None)[0, 0, 0]) for sum_ in (first, second)]
        if sums[0] != sums[1]:
            return Witness(weights, values, (sums[0], sums[1]))
    raise ValueError(
        f"two summations of {taps} products must differ at a placement of 2^24, 1 and -2^24 or of "
        "products of 25 bits to have a witness; these do not"
    )


def _placements(taps: int) -> Iterator[tuple[Array, Array]]:
    """Large, small and cancelling terms at every three taps; then inexact products at two."""
    for tries, (large, small, back) in enumerate(permutations(range(taps), 3)):
        if tries == MOST_TRIES:
            break
        for middle in (1, 3):  # 2²⁴ + 3 lies between two numbers and is rounded up or cut off
            weights, values = np.ones(taps, np.float32), np.zeros(taps, np.float32)
            values[[large, small, back]] = BIG, middle, -BIG
            yield weights, values
    for one, other in permutations(range(taps), 2):
        weights, values = np.zeros(taps, np.float32), np.zeros(taps, np.float32)
        weights[one] = values[one] = SLIGHTLY_MORE
        weights[other], values[other] = 1, -np.float32(SLIGHTLY_MORE * SLIGHTLY_MORE)
        yield weights, values
    tiny = np.full(taps, 2.0**-70, np.float32)  # 2⁻¹⁴⁰ is subnormal
    yield tiny, tiny


def edge_image(channels: int, height: int, width: int, offsets: Sequence[tuple[int, int]]) -> Array:
    """Centred values, int32 (1, channels, height, width) within ±127, that show every edge.

    Raises
    ------
    ValueError
        If the image is too small for the edges to differ (3×3 is enough), or no seed does.
    """
    if min(height, width) < 3:
        raise ValueError(f"an image whose edges show must be at least 3x3, not {height}x{width}")
    for seed in range(1000):
        image = random.integers(f"edges-{seed}", "x", (1, channels, height, width), 1, 127).astype(
            np.int32
        )
        image *= 1 - 2 * random.integers(f"edges-{seed}", "sign", image.shape, 0, 1).astype(
            np.int32
        )
        if all(shows_edges(image, offset) for offset in offsets):
            return image
    raise ValueError(f"no image of {height}x{width} was found whose every border pixel shows")


def shows_edges(image: Array, offset: tuple[int, int]) -> bool:
    """Whether each other treatment of edges changes every product that it could change."""
    healthy = image * neighbour(image, offset, "circular", Probe())
    for probe in OTHER_EDGES.values():
        other = image * neighbour(image, offset, "circular", probe)
        moved = _reads_elsewhere(image.shape, offset, probe)
        if (healthy == other)[:, :, moved].any():
            return False
    return True


def _reads_elsewhere(shape: tuple[int, ...], offset: tuple[int, int], probe: Probe) -> Array:
    """Pixels whose partner is another address under the other treatment, (h, w)."""
    height, width = shape[2:]
    addresses = np.arange(1, height * width + 1).reshape(1, 1, height, width)
    here = neighbour(addresses, offset, "circular", Probe())
    there = neighbour(addresses, offset, "circular", probe)
    return np.asarray((here != there)[0, 0])
