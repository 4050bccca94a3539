"""A grid that adds outer products, cycle by cycle: the judge of ``hwsim.cycles.outer_product``.

Every step a piece of a column of the left operand and of a row of the right one is broadcast, and
each sum of the grid adds its products. A step lasts until both pieces have passed their ports.
Finished sums leave row by row through a port of their own: from the grid, which waits for them, or
from a second grid, which the next sums find occupied until it is empty.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hwsim.machine import OuterProduct
from hwsim.systolic import FREE, Clock, Ports, Simulation

Matrix: TypeAlias = NDArray[Any]


def simulate(a: Matrix, b: Matrix, array: OuterProduct, ports: Ports = FREE) -> Simulation:
    """``a @ b``, and the cycles until the last row of sums has left."""
    product = np.zeros((len(a), b.shape[1]), a.dtype)
    clock = Clock(ports.sums)
    for top in range(0, len(a), array.rows):
        for left in range(0, b.shape[1], array.cols):
            columns, rows = a[top : top + array.rows], b[:, left : left + array.cols]
            sums = np.zeros((len(columns), rows.shape[1]), a.dtype)
            for first in range(0, len(b), array.rank):
                west = columns[:, first : first + array.rank]
                north = rows[first : first + array.rank]
                clock.step((west.size, ports.left), (north.size, ports.right))
                for column, row in zip(west.T, north, strict=True):
                    sums += column[:, None] * row[None]
            clock.wait()  # until the sums before have left
            product[top : top + array.rows, left : left + array.cols] = sums
            clock.preload(*sums.shape)
            if not array.double_buffered_sums:
                clock.wait()
    clock.wait()
    return Simulation(product, clock.cycles)
