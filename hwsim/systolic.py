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

``Ports`` say how many numbers a cycle pass between buffers and edges. Registers at the edges delay
operands and wait for the last of a row of sums, so a port takes a whole vector at a time; the array
takes its step when every port has passed what the step needs. With a second register per element
(``preloads``) the weights of the next fold pass meanwhile, and wait for the fold to end.

Used by tests and claims, on integers or any other exact numbers.
"""

from collections.abc import Iterator
from fractions import Fraction
from itertools import product as pairs
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hwsim.machine import Array

Matrix: TypeAlias = NDArray[Any]


class Simulation(NamedTuple):
    """``a @ b`` as the array computed it, and the cycles it took."""

    product: Matrix
    cycles: int


class Ports(NamedTuple):
    """Numbers per cycle of either operand and of sums; ``None`` for as many as the array wants."""

    left: Fraction | None = None
    right: Fraction | None = None
    sums: Fraction | None = None


class Clock:
    """Counts cycles: a step lasts until its numbers have passed, one cycle at the least.

    Beside the steps, rows may pass a port of their own: weights of the next fold, or sums.
    """

    def __init__(self, preloading: Fraction | None = None) -> None:
        self.cycles = 0
        self.preloading = preloading
        self.waiting: list[Fraction] = []  # what each row still lacks

    def step(self, *wanted: tuple[int, Fraction | None]) -> None:
        """One step of the array, in which so many numbers pass each of some ports."""
        missing = [(Fraction(numbers), rate) for numbers, rate in wanted if rate is not None]
        while True:
            self._tick()
            missing = [(left - rate, rate) for left, rate in missing if left > rate]
            if not missing:
                return

    def preload(self, rows: int, width: int) -> None:
        """Let rows begin to pass."""
        self.waiting = [Fraction(width)] * rows

    def wait(self) -> None:
        """Let time pass until all have passed."""
        while self.waiting:
            self._tick()

    def _tick(self) -> None:
        self.cycles += 1
        if self.waiting:
            moved = self.waiting[0] if self.preloading is None else self.preloading
            self.waiting[0] -= moved
            if self.waiting[0] <= 0:
                self.waiting.pop(0)


class _Wire(NamedTuple):
    """Values and, beside each, whether it is one."""

    value: Matrix
    valid: Matrix


FREE = Ports()


def simulate(
    a: Matrix,
    b: Matrix,
    array: Array,
    dataflow: str,
    ports: Ports = FREE,
    *,
    preloads: bool = False,
) -> Simulation:
    """Run ``a @ b`` on ``array`` in a dataflow by its name; ``ValueError`` for another name."""
    if dataflow == "output-stationary":
        return _output_stationary(a, b, array, ports)
    if dataflow == "weight-stationary":
        return _stationary(b, a, array, Ports(ports.right, ports.left, ports.sums), preloads)
    if dataflow == "input-stationary":
        product, cycles = _stationary(a.T, b.T, array, ports, preloads)
        return Simulation(product.T, cycles)
    raise ValueError(f"dataflow must be one that can be simulated, not {dataflow!r}")


def _output_stationary(a: Matrix, b: Matrix, array: Array, ports: Ports) -> Simulation:
    product = np.zeros((a.shape[0], b.shape[1]), a.dtype)
    clock = Clock(None)
    for rows in _folds(a.shape[0], array.rows):
        for cols in _folds(b.shape[1], array.cols):
            product[rows, cols] = _output_stationary_fold(a[rows], b[:, cols], ports, clock)
    return Simulation(product, clock.cycles)


def _output_stationary_fold(a: Matrix, b: Matrix, ports: Ports, clock: Clock) -> Matrix:
    (height, depth), width = a.shape, b.shape[1]
    sums, seen = np.zeros((height, width), a.dtype), np.zeros((height, width), int)
    east, south = _bubbles(height, width, a), _bubbles(height, width, b)
    step = 0
    while (seen < depth).any():
        entering = step < depth
        clock.step((height * entering, ports.left), (width * entering, ports.right))
        east = _shift_east(east, _entering(a, step))
        south = _shift_south(south, _entering(b.T, step))
        meet = east.valid & south.valid
        sums[meet] += east.value[meet] * south.value[meet]
        seen += meet
        step += 1
    left: list[Matrix] = []
    leaving = _Wire(sums, np.ones_like(sums, bool))
    nothing = _bubbles(1, width, a)
    while leaving.valid.any():
        clock.step((width, ports.sums))
        left.append(leaving.value[-1].copy())
        leaving = _shift_south(leaving, _Wire(nothing.value[0], nothing.valid[0]))
    return np.stack(left[::-1])


def _stationary(
    stay: Matrix, stream: Matrix, array: Array, ports: Ports, preloads: bool
) -> Simulation:
    """``stream @ stay``, with ``stay`` (rows, cols) in the array and ``stream`` (times, rows).

    The left port is that of ``stay``, the right one that of ``stream``.
    """
    product = np.zeros((stream.shape[0], stay.shape[1]), stay.dtype)
    clock = Clock(ports.left)
    folds = list(pairs(_folds(stay.shape[0], array.rows), _folds(stay.shape[1], array.cols)))
    for number, (rows, cols) in enumerate(folds):
        held = stay[rows, cols]
        if number and preloads:
            clock.wait()  # it has come under the fold before
        else:
            for _ in held:
                clock.step((held.shape[1], ports.left))
        if preloads and number + 1 < len(folds):
            clock.preload(*stay[folds[number + 1]].shape)
        product[:, cols] += _stationary_fold(held, stream[:, rows], ports, clock)
    return Simulation(product, clock.cycles)


def _stationary_fold(stay: Matrix, stream: Matrix, ports: Ports, clock: Clock) -> Matrix:
    height, width = stay.shape
    held = _bubbles(height, width, stay)
    for row in stay[::-1]:  # the row that goes furthest enters first
        held = _shift_south(held, _Wire(row, np.ones(width, bool)))
    east, sums = _bubbles(height, width, stream), _bubbles(height, width, stay)
    zeros = np.zeros(width, stay.dtype)
    left: list[list[Any]] = [[] for _ in range(width)]
    step = complete = 0
    while complete < len(stream):
        east = _shift_east(east, _entering(stream.T, step))
        above = _shift_south(sums, _Wire(zeros, east.valid[0]))
        sums = _Wire(above.value + east.value * held.value, above.valid & east.valid)
        for column in np.flatnonzero(sums.valid[-1]):
            left[column].append(sums.value[-1, column])
        whole = min(len(column) for column in left) - complete
        clock.step((height * (step < len(stream)), ports.right), (width * whole, ports.sums))
        complete += whole
        step += 1
    return np.array(left, stay.dtype).T


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
