"""A row-stationary array, cycle by cycle: the judge of ``hwsim.cycles.row_stationary``.

Every element holds one row of some filters and channels, and multiplies one pair of numbers per
cycle; elements of a column of a set add up. Filters arrive before a pass, one word per wire of a
set and cycle. Sums come and go on wires of their own while the pass computes. Words that leave the
global buffer are counted where they leave.
"""

from itertools import product
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Tensor: TypeAlias = NDArray[Any]


class Simulation(NamedTuple):
    """The output (N, M, E, F), cycles, and words between global buffer and array."""

    output: Tensor
    cycles: int
    ifmap_words: int
    sum_words: int
    filter_words: int


class _Piece(NamedTuple):
    """Indices that one pass works on."""

    images: range
    rows: range
    filters: range
    channels: range


def simulate(
    ifmap: Tensor,
    filters: Tensor,
    stride: int,
    mapping: dict[str, int],
    *,
    filter_wire: int,
    sum_wire: int,
) -> Simulation:
    """Convolve ``ifmap`` (N, C, H, W), padded already, by ``filters`` (M, C, R, S).

    ``mapping`` has the paper's n, e, p, q, r and t; the wires carry so many words per cycle, the
    filters' to each set.
    """
    count, channels, height, width = ifmap.shape
    outs, _, kernel_h, kernel_w = filters.shape
    rows, cols = (height - kernel_h) // stride + 1, (width - kernel_w) // stride + 1
    buffer = np.zeros((count, outs, rows, cols), ifmap.dtype)
    cycles = ifmap_words = sum_words = filter_words = 0
    pieces = product(
        _ranges(count, mapping["n"]),
        _ranges(rows, mapping["e"]),
        _ranges(outs, mapping["p"] * mapping["t"]),
        _ranges(channels, mapping["q"] * mapping["r"]),
    )
    for piece in (_Piece(*each) for each in pieces):
        sets = _sets(piece, mapping)
        waited, words = _load(sets, kernel_h * kernel_w, filter_wire)
        cycles, filter_words = cycles + waited, filter_words + words
        lines = {line * stride + tap for line in piece.rows for tap in range(kernel_h)}
        ifmap_words += len(piece.images) * len(piece.channels) * len(lines) * width
        sum_words += 2 * len(piece.images) * len(piece.filters) * len(piece.rows) * cols
        cycles += _compute(buffer, ifmap, filters, piece, sets, stride, sum_wire)
    return Simulation(buffer, cycles, ifmap_words, sum_words, filter_words)


def _sets(piece: _Piece, mapping: dict[str, int]) -> list[tuple[range, range]]:
    """Filters and channels of every set."""
    return list(product(_split(piece.filters, mapping["p"]), _split(piece.channels, mapping["q"])))


def _load(sets: list[tuple[range, range]], taps: int, wire: int) -> tuple[int, int]:
    """Cycles until every set has its filters, and words that have passed the wires."""
    missing = [len(filters) * len(channels) * taps for filters, channels in sets]
    cycles = passed = 0
    while any(missing):
        passed += sum(min(words, wire) for words in missing)
        missing = [max(0, words - wire) for words in missing]
        cycles += 1
    return cycles, passed


def _compute(
    buffer: Tensor,
    ifmap: Tensor,
    filters: Tensor,
    piece: _Piece,
    sets: list[tuple[range, range]],
    stride: int,
    sum_wire: int,
) -> int:
    """Cycles of a pass: all elements multiply in step, and sums move meanwhile."""
    cols, (kernel_h, kernel_w) = buffer.shape[3], filters.shape[2:]
    moving = len(piece.images) * len(piece.filters) * len(piece.rows) * cols
    most_filters = max(len(each) for each, _ in sets)
    most_channels = max(len(each) for _, each in sets)
    steps = product(
        piece.images, range(cols), range(most_filters), range(most_channels), range(kernel_w)
    )
    top = np.array(piece.rows) * stride
    cycles = 0
    for image, col, own_filter, own_channel, tap in steps:
        for mine, channels in sets:
            if own_filter < len(mine) and own_channel < len(channels):
                channel = channels[own_channel]
                for row in range(kernel_h):
                    weight = filters[mine[own_filter], channel, row, tap]
                    values = ifmap[image, channel, top + row, col * stride + tap]
                    buffer[image, mine[own_filter], piece.rows, col] += weight * values
        moving = max(0, moving - sum_wire)
        cycles += 1
    while moving:
        moving = max(0, moving - sum_wire)
        cycles += 1
    return cycles


def _ranges(total: int, size: int) -> list[range]:
    return _split(range(total), size)


def _split(whole: range, size: int) -> list[range]:
    return [whole[start : start + size] for start in range(0, len(whole), size)]
