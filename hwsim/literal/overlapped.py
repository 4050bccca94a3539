"""A systolic array whose folds follow each other without a pause, cycle by cycle.

Every value carries the number of the fold it belongs to. An element that meets a value of one fold
where it needs another's, or finds a register occupied that it must write, raises ``Collision``.
``simulate`` lets every fold enter at the first cycle at which nothing collides, found by trying one
cycle after another: no rule about distances between folds is written here.

* weight-stationary: a weight enters its column at the north edge and moves down to its row, column
  j delayed by j. With two registers it waits beside the weight in use, and takes its place when the
  first operand of its fold arrives; with one it replaces the old weight.
* output-stationary: a finished sum leaves through the south edge. Sums of a fold start to move in a
  column when its last row has finished there. With two registers a sum moves into the second one
  when finished, and the next fold accumulates in the first.
* input-stationary: weight-stationary with the operands exchanged.

Results leave at the last row that the product occupies anywhere. Used by tests and claims.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hwsim.machine import Array
from hwsim.systolic import FREE, Clock, Ports, Simulation

Matrix: TypeAlias = NDArray[Any]
NONE = -1
"""The fold number of a register that holds nothing."""


class Collision(Exception):  # noqa: N818  it is an event of the simulation, and always caught
    """Two values wanted one register, or an operand met a value of another fold."""


class _Fold(NamedTuple):
    """Where a fold lies in the product, and when it enters: ``load`` its weights, ``start`` it."""

    rows: slice
    cols: slice
    load: int = 0
    start: int = 0


@dataclass(slots=True)
class _Wire:
    """Registers with the fold each value belongs to, and its number within the fold."""

    value: Matrix
    fold: Matrix
    index: Matrix

    @classmethod
    def empty(cls, shape: tuple[int, ...], dtype: Any) -> "_Wire":
        """Registers that hold nothing."""
        return cls(np.zeros(shape, dtype), np.full(shape, NONE), np.zeros(shape, int))


def simulate(
    a: Matrix,
    b: Matrix,
    array: Array,
    dataflow: str,
    *,
    double: bool,
    waits: bool = False,
    ports: Ports = FREE,
) -> Simulation:
    """``a @ b`` with one register, or two (``double``), per element.

    Through ``ports`` all steps pass as many numbers as the widest fold has lanes.
    ``waits``: operands of a fold enter when all results of the one before have left, at the edge
    of what it occupies; its weights may come before. Only for weights that stay.
    """
    run = partial(_run_stationary, waits=waits)
    if dataflow == "output-stationary":
        found = _earliest(a, b, array, _run_output_stationary, double=double)
        edges = ((len(a), ports.left), (b.shape[1], ports.right))
    elif dataflow == "weight-stationary":
        found = _earliest(b, a, array, run, double=double, waits=waits)
        edges = ((len(b), ports.left), (b.shape[1], ports.right))
    elif dataflow == "input-stationary":
        product, cycles = _earliest(a.T, b.T, array, run, double=double, waits=waits)
        found = Simulation(product.T, cycles)
        edges = ((a.shape[1], ports.right), (len(a), ports.left))
    else:
        raise ValueError(f"dataflow must be one that can be simulated, not {dataflow!r}")
    return Simulation(found.product, _paced(found.cycles, edges, array, ports))


Edge: TypeAlias = tuple[int, Fraction | None]


def _paced(steps: int, edges: tuple[Edge, Edge], array: Array, ports: Ports) -> int:
    """Cycles of so many steps, in each of which the widest fold's numbers pass all edges."""
    (rows, west), (cols, north) = edges
    high, wide = min(rows, array.rows), min(cols, array.cols)
    clock = Clock()
    for _ in range(steps):
        clock.step((high, west), (wide, north), (wide, ports.sums))
    return clock.cycles


Run: TypeAlias = Callable[[Matrix, Matrix, list[_Fold], bool], Simulation]


def _earliest(
    held: Matrix, other: Matrix, array: Array, run: Run, *, double: bool, waits: bool = False
) -> Simulation:
    """Add fold after fold, each at the first cycle at which the run goes through."""
    stationary = run is not _run_output_stationary
    across = held.shape[1] if stationary else other.shape[1]
    depth = other.shape[0] if stationary else held.shape[1]
    placed: list[_Fold] = []
    simulation = Simulation(np.zeros((0, 0)), 0)
    for rows in _cuts(held.shape[0], array.rows):
        for cols in _cuts(across, array.cols):
            fold = _Fold(rows, cols, NONE, NONE)
            edge = placed[-1].start + depth if placed else 0
            if waits:
                edge = max(edge, simulation.cycles)
            while fold not in placed:
                fold = _next(fold, placed, edge, stationary=stationary)
                try:
                    simulation = run(held, other, [*placed, fold], double)
                except Collision:
                    continue
                placed.append(fold)
    return simulation


def _next(fold: _Fold, placed: list[_Fold], edge: int, *, stationary: bool) -> _Fold:
    """The next time to try: the edge is taken until ``edge``, and weights come before operands."""
    if not stationary:
        return fold._replace(start=max(edge, fold.start + 1))
    free = placed[-1].load + _length(placed[-1].rows) if placed else 0
    load = max(free, fold.load + 1)
    return fold._replace(load=load, start=max(edge, load + _length(fold.rows)))


def _run_stationary(
    stay: Matrix, stream: Matrix, folds: list[_Fold], double: bool, *, waits: bool
) -> Simulation:
    """``stream @ stay``: weights of one fold under the operands of another."""
    height = max(_length(fold.rows) for fold in folds)
    width = max(_length(fold.cols) for fold in folds)
    product = np.zeros((len(stream), stay.shape[1]), stay.dtype)
    used, waiting, east, sums = (_Wire.empty((height, width), stay.dtype) for _ in range(4))
    due, cycle = sum(len(stream) * _length(fold.cols) for fold in folds), 0
    while due:
        _shift(east, 1, _operands(stream, folds, cycle, height))
        meets = _inside(east, folds)
        if double:
            _take_over(used, waiting, east, meets & (used.fold != east.fold))
        _require(used.fold[meets] == east.fold[meets])
        _shift(sums, 0, _sums_begin(east, meets))
        _require(sums.fold[meets] == east.fold[meets])
        sums.value += np.where(meets, used.value * east.value, 0)
        for number, fold in enumerate(folds):
            edge = _length(fold.rows) - 1 if waits else height - 1
            for column in np.flatnonzero(sums.fold[edge] == number):
                at = (sums.index[edge, column], fold.cols.start + column)
                product[at] += sums.value[edge, column]
                sums.fold[edge, column] = NONE
                due -= 1
        _move_weights(waiting if double else used, stay, folds, cycle)
        cycle += 1
    return Simulation(product, cycle)


def _operands(stream: Matrix, folds: list[_Fold], cycle: int, height: int) -> _Wire:
    """What enters at the west edge: row i of a fold gets value number cycle − start − i."""
    edge = _Wire.empty((height,), stream.dtype)
    for number, fold in enumerate(folds):
        for row in range(_length(fold.rows)):
            index = cycle - fold.start - row
            if 0 <= index < len(stream):
                edge.value[row] = stream[index, fold.rows.start + row]
                edge.fold[row], edge.index[row] = number, index
    return edge


def _inside(east: _Wire, folds: list[_Fold]) -> Matrix:
    """Elements where an operand meets a weight; further east it passes through unused."""
    widths = np.array([_length(fold.cols) for fold in folds])
    column = np.arange(east.fold.shape[1])
    return (east.fold != NONE) & (column < widths[east.fold])


def _sums_begin(east: _Wire, meets: Matrix) -> _Wire:
    """A sum begins, at zero, above every operand that meets a weight in the first row."""
    fold = np.where(meets[0], east.fold[0], NONE)
    return _Wire(np.zeros_like(east.value[0]), fold, east.index[0].copy())


def _take_over(used: _Wire, waiting: _Wire, east: _Wire, first: Matrix) -> None:
    """Where the first operand of a fold arrives, the weight that waits is used from now on."""
    _require(waiting.fold[first] == east.fold[first])
    used.value[first], used.fold[first] = waiting.value[first], waiting.fold[first]
    waiting.fold[first] = NONE


def _move_weights(wire: _Wire, stay: Matrix, folds: list[_Fold], cycle: int) -> None:
    """Each weight on its way is one row further down, and overwrites what is there."""
    for number, fold in enumerate(folds):
        for column in range(_length(fold.cols)):
            for row in range(_length(fold.rows)):
                entered = fold.load + column + _length(fold.rows) - 1 - row
                at = cycle - entered
                if 0 <= at <= row:
                    wire.value[at, column] = stay[fold.rows.start + row, fold.cols.start + column]
                    wire.fold[at, column] = number


def _run_output_stationary(a: Matrix, b: Matrix, folds: list[_Fold], double: bool) -> Simulation:
    """``a @ b``: sums of one fold drain under the products of another."""
    height = max(_length(fold.rows) for fold in folds)
    width = max(_length(fold.cols) for fold in folds)
    depth = a.shape[1]
    product = np.zeros((a.shape[0], b.shape[1]), a.dtype)
    east, south, sums, drain = (_Wire.empty((height, width), a.dtype) for _ in range(4))
    leaving = drain if double else sums
    finished: set[tuple[int, int]] = set()  # fold and column whose last row has its sum
    due, cycle = sum(_length(fold.rows) * _length(fold.cols) for fold in folds), 0
    while due:
        _shift(east, 1, _enter(a, [(f.rows, f.start) for f in folds], cycle, height))
        _shift(south, 0, _enter(b.T, [(f.cols, f.start) for f in folds], cycle, width))
        done = _accumulate(sums, east, south, depth)
        for row, column, number in _moving(leaving, finished):
            sum_row = folds[number].rows.start + leaving.index[row, column]
            if row == height - 1:
                product[sum_row, folds[number].cols.start + column] = leaving.value[row, column]
                due -= 1
            else:
                _move(leaving, (row, column), leaving, (row + 1, column))
            leaving.fold[row, column] = NONE
        for row, column in done:
            number = sums.fold[row, column]
            sums.index[row, column] = row
            if double:
                _move(sums, (row, column), drain, (row, column))
                sums.fold[row, column] = NONE
            if row == _length(folds[number].rows) - 1:
                finished.add((number, column))
        cycle += 1
    return Simulation(product, cycle)


def _enter(lanes: Matrix, folds: list[tuple[slice, int]], cycle: int, size: int) -> _Wire:
    """What stands at an edge: lane i of a fold carries value number cycle − start − i."""
    edge = _Wire.empty((size,), lanes.dtype)
    for number, (cut, start) in enumerate(folds):
        for lane in range(_length(cut)):
            index = cycle - start - lane
            if 0 <= index < lanes.shape[1]:
                edge.value[lane] = lanes[cut.start + lane, index]
                edge.fold[lane], edge.index[lane] = number, index
    return edge


def _accumulate(sums: _Wire, east: _Wire, south: _Wire, depth: int) -> list[tuple[int, int]]:
    """Add the products; where the last of a sum was added, return the element."""
    meets = (east.fold != NONE) & (south.fold != NONE)
    _require(east.fold[meets] == south.fold[meets])
    first, further = meets & (east.index == 0), meets & (east.index > 0)
    _require(sums.fold[first] == NONE)
    _require(sums.fold[further] == east.fold[further])
    products = east.value * south.value
    sums.value[first], sums.fold[first] = products[first], east.fold[first]
    sums.value[further] += products[further]
    return [(int(row), int(col)) for row, col in np.argwhere(meets & (east.index == depth - 1))]


def _moving(wire: _Wire, finished: set[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    """Row, column and fold of every sum on its way, the lowest row first."""
    for row in reversed(range(len(wire.fold))):
        for column in range(wire.fold.shape[1]):
            number = int(wire.fold[row, column])
            if (number, column) in finished:
                yield row, column, number


def _move(source: _Wire, at: tuple[int, int], target: _Wire, to: tuple[int, int]) -> None:
    _require(target.fold[to] == NONE)
    target.value[to], target.fold[to] = source.value[at], source.fold[at]
    target.index[to] = source.index[at]


def _shift(wire: _Wire, axis: int, edge: _Wire) -> None:
    """Every value moves to its neighbour along ``axis``; ``edge`` enters."""
    for registers, entering in (
        (wire.value, edge.value),
        (wire.fold, edge.fold),
        (wire.index, edge.index),
    ):
        moved = np.moveaxis(registers, axis, 0)
        moved[1:] = moved[:-1].copy()
        moved[0] = entering


def _require(holds: Matrix) -> None:
    if not np.all(holds):
        raise Collision


def _length(cut: slice) -> int:
    return int(cut.stop - cut.start)


def _cuts(size: int, side: int) -> Iterator[slice]:
    return (slice(start, min(start + side, size)) for start in range(0, size, side))
