"""Cycles and buffer traffic of a row-stationary array (Eyeriss) under a mapping, in closed form.

Symbols of the paper: N images, M output and C input channels, R × S kernel, E × F output, stride U.
A *set* of R × e elements convolves e output rows; each element keeps p filters of q channels. r · t
sets work side by side on r·q channels and t·p filters. A pass takes n images, e rows, p·t filters
and q·r channels; there are ⌈N/n⌉·⌈E/e⌉·⌈M/(p·t)⌉·⌈C/(q·r)⌉ of them. One pass takes

    load      p·q·R·S words, one per cycle to every set
    compute   n·p·q·F·S, a product per element per cycle
    sums      n·p·t·e·F words in and as many out, on a wire of their own each

    cycles = load + max(compute, sums / words per cycle)

summed over passes; smaller last pieces take what they need. Through the global buffer go, in words,

    ifmap     n·q·r·((e − 1)·U + R)·W per pass
    sums      2·k times the output: written by each of k = ⌈C/(q·r)⌉ passes, read by all but the
              first, and read once more on the way to DRAM

Source: Chen, Krishna, Emer and Sze, "Eyeriss", IEEE JSSC 52(1), 2017, sections III to V, for the
mapping; that loads are not hidden and sets load side by side is our reading, and so are the four
words (64 bits) per cycle of the wires for sums in ``Wires``. ``hwsim.literal.row_stationary``
counts the same by convolving.
"""

from itertools import product
from math import prod
from typing import NamedTuple

from hwsim.checks import at_least
from hwsim.integers import ceil_div


class Shape(NamedTuple):
    """A convolution in the paper's symbols; ``W`` is the width of the padded ifmap."""

    N: int
    M: int
    C: int
    R: int
    S: int
    E: int
    F: int
    U: int
    W: int


class Mapping(NamedTuple):
    """What one pass takes: the right half of the paper's Table III (``m`` follows from p·t)."""

    n: int
    e: int
    p: int
    q: int
    r: int
    t: int


class Wires(NamedTuple):
    """Words per cycle between buffer and array."""

    filter_per_set: int = 1
    sums: int = 4


EYERISS_WIRES = Wires()
"""Ours: the reading named above."""


class RowStationaryCost(NamedTuple):
    """Cycles, of which ``compute`` multiply, and words between global buffer and array."""

    total: int
    compute: int
    ifmap_words: int
    sum_words: int


def row_stationary_cost(
    shape: Shape, mapping: Mapping, wires: Wires = EYERISS_WIRES
) -> RowStationaryCost:
    """What ``shape`` takes under ``mapping``; ``ValueError`` if a part of that is below one."""
    for name, value in mapping._asdict().items():
        at_least(f"mapping {name}", value, 1)
    total = compute = ifmap = 0
    axes = (
        _pieces(shape.N, mapping.n),
        _pieces(shape.E, mapping.e),
        _pieces(shape.M, mapping.p * mapping.t),
        _pieces(shape.C, mapping.q * mapping.r),
    )
    for (images, i), (rows, j), (filters, k), (channels, c) in product(*axes):
        passes = i * j * k * c
        p, q = min(mapping.p, filters), min(mapping.q, channels)
        busy = images * p * q * shape.F * shape.S
        sums = images * filters * rows * shape.F
        load = ceil_div(p * q * shape.R * shape.S, wires.filter_per_set)
        total += passes * (load + max(busy, ceil_div(sums, wires.sums)))
        compute += passes * busy
        ifmap += passes * images * channels * ((rows - 1) * shape.U + shape.R) * shape.W
    depth = ceil_div(shape.C, mapping.q * mapping.r)
    return RowStationaryCost(total, compute, ifmap, 2 * depth * output_words(shape))


def output_words(shape: Shape) -> int:
    """Numbers in the output."""
    return prod((shape.N, shape.M, shape.E, shape.F))


def _pieces(total: int, size: int) -> tuple[tuple[int, int], ...]:
    """Sizes of the pieces of ``total``, and how many there are of each."""
    full, rest = divmod(total, size)
    return tuple(piece for piece in ((size, full), (rest, min(rest, 1))) if piece[1])
