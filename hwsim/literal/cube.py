"""A cube array, cycle by cycle: the judge of ``hwsim.cycles.cube``.

Three wires with a countdown each: one brings right blocks, one left blocks, one takes sums away.
There is room for the right block in use and the next one, for one left block, and for the sums of a
column beside those of the column before. Blocks are arrays of numbers, filled up with zeros.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hwsim.systolic import Simulation

Matrix: TypeAlias = NDArray[Any]


def simulate(
    a: Matrix, b: Matrix, cube: tuple[int, int, int], *, left: int, right: int, sums: int
) -> Simulation:
    """``a @ b``, and the cycles until the last block of sums has left."""
    m, n, k = cube
    lefts, rights = _blocks(a, m, k), _blocks(b, k, n)
    rows, depth, cols = len(lefts), len(rights), len(rights[0])
    product = np.zeros((rows * m, cols * n), a.dtype)
    order = [(piece, column) for column in range(cols) for piece in range(depth)]
    cycles = right  # nothing can start before the first right block
    owed = 0  # cycles for which the wire of the sums is busy with the column before
    for number, (piece, column) in enumerate(order):
        coming = right if number + 1 < len(order) else 0
        if piece == 0:
            accumulators = np.zeros((rows, m, n), a.dtype)
        for row in range(rows):
            arriving = left
            while True:
                cycles += 1
                arriving, coming, owed = (max(0, each - 1) for each in (arriving, coming, owed))
                if not arriving:
                    break
            accumulators[row] += lefts[row][piece] @ rights[piece][column]
        ends_column = piece == depth - 1
        while coming or (ends_column and owed):
            cycles += 1
            coming, owed = max(0, coming - 1), max(0, owed - 1)
        if ends_column:
            for row in range(rows):
                product[row * m : (row + 1) * m, column * n : (column + 1) * n] = accumulators[row]
                owed += sums
    return Simulation(product[: a.shape[0], : b.shape[1]], cycles + owed)


def _blocks(matrix: Matrix, height: int, width: int) -> list[list[Matrix]]:
    rows, cols = matrix.shape
    filled = np.zeros((rows + -rows % height, cols + -cols % width), matrix.dtype)
    filled[:rows, :cols] = matrix
    return [
        [filled[i : i + height, j : j + width] for j in range(0, filled.shape[1], width)]
        for i in range(0, filled.shape[0], height)
    ]
