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
    filters   p·t·q·r·R·S per pass, to the set that needs them
    sums      2·k times the output: written by each of k = ⌈C/(q·r)⌉ passes, read by all but the
              first, and read once more on the way to DRAM

Source: Chen, Krishna, Emer and Sze, "Eyeriss", IEEE JSSC 52(1), 2017, sections III to V, for the
mapping; that loads are not hidden and sets load side by side is our reading, and so are the four
words (64 bits) per cycle of the wires for sums in ``Wires``. ``hwsim.literal.row_stationary``
counts the same by convolving.
"""

from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from hwsim.integers import ceil_div, pieces_of


class Shape(NamedTuple):
    """A convolution in the paper's symbols; ``W`` is the width of the padded ifmap."""

    N: Any
    M: Any
    C: Any
    R: Any
    S: Any
    E: Any
    F: Any
    U: Any
    W: Any


class Mapping(NamedTuple):
    """What one pass takes: the right half of the paper's Table III (``m`` follows from p·t)."""

    n: Any
    e: Any
    p: Any
    q: Any
    r: Any
    t: Any


class Files(NamedTuple):
    """A grid of elements, and the words their register files hold."""

    rows: Any
    cols: Any
    ifmap_words: Any
    filter_words: Any
    psum_words: Any


class Wires(NamedTuple):
    """Words per cycle between buffer and array."""

    filter_per_set: Any = 1
    sums: Any = 4


EYERISS_WIRES = Wires()
"""Ours: the reading named above."""


class RowStationaryCost(NamedTuple):
    """Cycles, of which ``compute`` multiply, and words between global buffer and array.

    In ``waiting`` of them the elements have multiplied and sums still move; ``filter_words`` are
    those that all sets load together.
    """

    total: Any
    compute: Any
    ifmap_words: Any
    sum_words: Any
    waiting: Any
    filter_words: Any


def row_stationary_cost(
    shape: Shape, mapping: Mapping, wires: Wires = EYERISS_WIRES
) -> RowStationaryCost:
    """What ``shape`` takes under ``mapping``; ints, or int64 arrays of them."""
    total = compute = ifmap = waiting = loaded = 0
    axes = (
        pieces_of(shape.N, mapping.n),
        pieces_of(shape.E, mapping.e),
        pieces_of(shape.M, mapping.p * mapping.t),
        pieces_of(shape.C, mapping.q * mapping.r),
    )
    for (images, i), (rows, j), (filters, k), (channels, c) in product(*axes):
        passes = i * j * k * c
        p, q = np.minimum(mapping.p, filters), np.minimum(mapping.q, channels)
        busy = images * p * q * shape.F * shape.S
        sums = images * filters * rows * shape.F
        load = ceil_div(p * q * shape.R * shape.S, wires.filter_per_set)
        late = np.maximum(0, ceil_div(sums, wires.sums) - busy)
        total += passes * (load + busy + late)
        compute += passes * busy
        waiting += passes * late
        loaded += passes * filters * channels * shape.R * shape.S
        ifmap += passes * images * channels * ((rows - 1) * shape.U + shape.R) * shape.W
    depth = ceil_div(shape.C, mapping.q * mapping.r)
    sums = 2 * depth * output_words(shape)
    return RowStationaryCost(total, compute, ifmap, sums, waiting, loaded)


def fitting_mapping(shape: Shape, files: Files) -> Mapping:
    """A mapping for a machine without a published one: register files full, then sets side by side.

    One image at a time; as many rows as the array has columns; as many channels as a row of the
    kernel leaves room for, then filters; sets take further filters first, then channels. Ours.
    Ints, or int64 arrays of them; meaningless where ``mappable`` is false.
    """
    rows = np.minimum(shape.E, files.cols)
    words = np.minimum(files.ifmap_words, files.filter_words) // shape.S
    channels = np.maximum(1, np.minimum(shape.C, words))
    by_weights = np.maximum(1, files.filter_words // (channels * shape.S))
    filters = np.minimum(shape.M, np.minimum(files.psum_words, by_weights))
    sets = np.maximum(1, (files.rows // shape.R) * (files.cols // rows))
    beside = np.minimum(sets, ceil_div(shape.M, filters))
    above = np.minimum(sets // beside, ceil_div(shape.C, channels))
    return Mapping(n=1, e=rows, p=filters, q=channels, r=above, t=beside)


def mappable(shape: Shape, files: Files) -> Any:
    """Whether the kernel is no taller than the array, and a row of it fits the register files."""
    return (files.rows >= shape.R) & (np.minimum(files.ifmap_words, files.filter_words) >= shape.S)


def output_words(shape: Shape) -> Any:
    """Numbers in the output."""
    return prod((shape.N, shape.M, shape.E, shape.F))
