"""Systolic arrays, cycle by cycle: slow, literal, and the judge of ``hwsim.cycles``.

Every element has registers, and a value moves from one to the next per cycle, with a flag beside it
that says whether it is a value or a bubble. Operands enter at the west and north edges, row i and
column j delayed by i and j cycles so that partners meet; sums leave at the south edge. Elements
know only their neighbours. A run ends when all results have left; cycles are counted, never
computed.

* output-stationary: a moves east, b moves south, each element adds their products to its own sum;
  when every element has seen all its products, the sums move south, one row per cycle.
* weight-stationary: b moves in from the north row by row and stays; then a moves east, and sums
  move south through the column, one product added in each element. Sums of consecutive folds are
  added outside, where they leave.
* input-stationary: the same with a staying and b moving.

Used by tests and claims, on integers or any other exact numbers.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hwsim.machine import Array

Matrix: TypeAlias = NDArray[Any]


class Simulation(NamedTuple):
    """``a @ b`` as the array computed it, and the cycles it took."""

    product: Matrix
    cycles: int


class _Wire(NamedTuple):
    """Values and, beside each, whether it is one."""

    value: Matrix
    valid: Matrix


def simulate(a: Matrix, b: Matrix, array: Array, dataflow: str) -> Simulation:
    """Run ``a @ b`` on ``array`` in a dataflow by its name; ``ValueError`` for another name."""
    if dataflow == "output-stationary":
        return _output_stationary(a, b, array)
    if dataflow == "weight-stationary":
        return _stationary(b, a, array)
    if dataflow == "input-stationary":
        product, cycles = _stationary(a.T, b.T, array)
        return Simulation(product.T, cycles)
    raise ValueError(f"dataflow must be one that can be simulated, not {dataflow!r}")


def _output_stationary(a: Matrix, b: Matrix, array: Array) -> Simulation:
    product = np.zeros((a.shape[0], b.shape[1]), a.dtype)
    cycles = 0
    for rows in _folds(a.shape[0], array.rows):
        for cols in _folds(b.shape[1], array.cols):
            product[rows, cols], taken = _output_stationary_fold(a[rows], b[:, cols])
            cycles += taken
    return Simulation(product, cycles)


def _output_stationary_fold(a: Matrix, b: Matrix) -> tuple[Matrix, int]:
    (height, depth), width = a.shape, b.shape[1]
    sums, seen = np.zeros((height, width), a.dtype), np.zeros((height, width), int)
    east, south = _bubbles(height, width, a), _bubbles(height, width, b)
    cycles = 0
    while (seen < depth).any():
        east = _shift_east(east, _entering(a, cycles))
        south = _shift_south(south, _entering(b.T, cycles))
        meet = east.valid & south.valid
        sums[meet] += east.value[meet] * south.value[meet]
        seen += meet
        cycles += 1
    left: list[Matrix] = []
    leaving = _Wire(sums, np.ones_like(sums, bool))
    nothing = _bubbles(1, width, a)
    while leaving.valid.any():
        left.append(leaving.value[-1].copy())
        leaving = _shift_south(leaving, _Wire(nothing.value[0], nothing.valid[0]))
        cycles += 1
    return np.stack(left[::-1]), cycles


def _stationary(stay: Matrix, stream: Matrix, array: Array) -> Simulation:
    """``stream @ stay``, with ``stay`` (rows, cols) in the array and ``stream`` (times, rows)."""
    product = np.zeros((stream.shape[0], stay.shape[1]), stay.dtype)
    cycles = 0
    for rows in _folds(stay.shape[0], array.rows):
        for cols in _folds(stay.shape[1], array.cols):
            partial, taken = _stationary_fold(stay[rows, cols], stream[:, rows])
            product[:, cols] += partial
            cycles += taken
    return Simulation(product, cycles)


def _stationary_fold(stay: Matrix, stream: Matrix) -> tuple[Matrix, int]:
    height, width = stay.shape
    held, cycles = _bubbles(height, width, stay), 0
    for row in stay[::-1]:  # the row that goes furthest enters first
        held = _shift_south(held, _Wire(row, np.ones(width, bool)))
        cycles += 1
    east, sums = _bubbles(height, width, stream), _bubbles(height, width, stay)
    zeros = np.zeros(width, stay.dtype)
    left: list[list[Any]] = [[] for _ in range(width)]
    while min(len(column) for column in left) < len(stream):
        east = _shift_east(east, _entering(stream.T, cycles - height))
        above = _shift_south(sums, _Wire(zeros, east.valid[0]))
        sums = _Wire(above.value + east.value * held.value, above.valid & east.valid)
        for column in np.flatnonzero(sums.valid[-1]):
            left[column].append(sums.value[-1, column])
        cycles += 1
    return np.array(left, stay.dtype).T, cycles


def _entering(lanes: Matrix, cycle: int) -> _Wire:
    """What stands at the edge: lane i carries its value number cycle − i, or a bubble."""
    lane = np.arange(len(lanes))
    index = cycle - lane
    valid = (index >= 0) & (index < lanes.shape[1])
    return _Wire(np.where(valid, lanes[lane, np.where(valid, index, 0)], 0), valid)


def _bubbles(height: int, width: int, like: Matrix) -> _Wire:
    return _Wire(np.zeros((height, width), like.dtype), np.zeros((height, width), bool))


def _shift_east(registers: _Wire, edge: _Wire) -> _Wire:
    return _Wire(
        *(
            np.concatenate([new[:, None], old[:, :-1]], axis=1)
            for old, new in zip(registers, edge, strict=True)
        )
    )


def _shift_south(registers: _Wire, edge: _Wire) -> _Wire:
    return _Wire(
        *(np.concatenate([new[None], old[:-1]]) for old, new in zip(registers, edge, strict=True))
    )


def _folds(size: int, side: int) -> Iterator[slice]:
    return (slice(start, min(start + side, size)) for start in range(0, size, side))
