"""Cycles of a systolic array, in closed form.

A matrix product larger than the array is cut into F_r × F_c folds, rows outside. A fold occupies
r × c elements and streams t values. It costs

    t            one multiply-accumulate per element per cycle
    r + c − 2    for the skewed operands to reach the far corner
    r            to drain the results (output-stationary), or to load the operand that stays

*Serial* folds: one has left before the next enters, at the edge of the part that it occupies.
Occupied rows sum to S_r over a column of folds, occupied columns to S_c over a row of them:

    cycles = F_r·F_c·(t − 2) + 2·S_r·F_c + S_c·F_r

With a second register for the operand that stays, all loads but the first happen under the fold
before, which leaves r₀ + F_r·F_c·(t − 2) + S_r·F_c + S_c·F_r.

*Overlapped* folds: the next one enters as soon as no register is needed twice, and everything
leaves at row r₀ = min(R, S_r). The second of two folds follows the first after gap(r) cycles, where
r are the rows of the fold that loads (weight- and input-stationary: the second) or drains
(output-stationary: the first):

                    loads           drains
    one register    t + r − 1       t + r
    two registers   max(t, r)       max(t, r)

With r_z × c_z the last fold, and the maximum taken because a narrow last fold can be done before
the wider one in front of it,

    cycles = Σ gap + t + first + r₀ − 2 + max(c_z, C − gap(r_z) if F_c > 1)

where first is r₀, the load of the first fold, or r_z, the skew of the last one that drains.

``hwsim.cycles.fed`` says what both take where buffers are narrower than the array's edges.

Source: derived above. When every serial fold is full it is (2R + C + T − 2)·F_r·F_c of Samajdar et
al., "A Systematic Methodology for Characterizing Scalability of DNN Accelerators using SCALE-Sim",
ISPASS 2020. ``hwsim.systolic`` and ``hwsim.literal.overlapped`` count the same by moving operands.
"""

from typing import Any, NamedTuple

import numpy as np

from hwsim.cycles.fed import Feed, fed_cycles, pace
from hwsim.dataflow import Dataflow
from hwsim.integers import ceil_div
from hwsim.machine import Array
from hwsim.workload import Gemm


class ArrayCycles(NamedTuple):
    """Cycles of one matrix product: ``streamed`` of the ``total`` feed operands.

    In ``waiting`` of them the array stands still until a buffer has given or taken its numbers.
    """

    total: int
    streamed: int
    waiting: int = 0


def array_cycles(
    gemm: Gemm, array: Array, dataflow: Dataflow, feed: Feed | None = None
) -> ArrayCycles:
    """Cycles from the first operand in to the last result out, waiting for what ``feed`` says."""
    sides = (getattr(gemm, dataflow.rows), getattr(gemm, dataflow.cols), array.rows, array.cols)
    depth = getattr(gemm, dataflow.streamed)
    double, drains = array.double_buffered_weights, dataflow.streamed == "k"
    overlapped = array.folds == "overlapped"
    if overlapped:
        total = int(overlapped_cycles(*sides, depth, double=double, drains=drains))
    else:
        total = int(serial_cycles(*sides, depth, preloads=double and not drains))
    folds = ceil_div(sides[0], array.rows) * ceil_div(sides[1], array.cols)
    if feed is None:
        return ArrayCycles(total, folds * depth)
    if overlapped:
        fed = total * int(pace(*sides, feed))
    else:
        fed = int(fed_cycles(*sides, depth, feed, preloads=double and not drains, drains=drains))
    return ArrayCycles(fed, folds * depth, fed - total)


def serial_cycles(
    rows: Any, cols: Any, array_rows: Any, array_cols: Any, depth: Any, *, preloads: Any
) -> Any:
    """Cycles of S_r ``rows`` × S_c ``cols``, one fold after another; ints, or int64 arrays of them.

    ``preloads``: all operands that stay, but the first fold's, are loaded under the fold before.
    """
    row_folds, col_folds = ceil_div(rows, array_rows), ceil_div(cols, array_cols)
    exposed = rows * col_folds
    hidden = preloads * (exposed - np.minimum(rows, array_rows))
    return row_folds * col_folds * (depth - 2) + 2 * exposed + cols * row_folds - hidden


def overlapped_cycles(
    rows: Any, cols: Any, array_rows: Any, array_cols: Any, depth: Any, *, double: Any, drains: Any
) -> Any:
    """Cycles when folds follow each other without a pause; ints, or int64 arrays of them.

    ``double``: two registers per element for what stays; ``drains``: that is the sum.
    """
    row_folds, col_folds = ceil_div(rows, array_rows), ceil_div(cols, array_cols)
    first = np.minimum(rows, array_rows)
    last = rows - (row_folds - 1) * array_rows
    after_first, after_last = (
        np.where(double, np.maximum(depth, side), depth + side - 1 + drains)
        for side in (first, last)
    )
    gaps = (row_folds - 1) * col_folds * after_first + col_folds * after_last
    gaps -= np.where(drains, after_last, after_first)
    last_cols = cols - (col_folds - 1) * array_cols
    wider = np.where(col_folds > 1, array_cols - after_last, 0)
    alone = depth + first + np.where(drains, last, first) - 2
    return gaps + alone + np.maximum(last_cols, wider)
