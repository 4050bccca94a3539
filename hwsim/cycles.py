"""Cycles of a systolic array, in closed form.

A matrix product larger than the array is cut into folds. A fold that occupies r × c elements and
streams t values costs

    t            one multiply-accumulate per element per cycle
    r + c − 2    for the skewed operands to reach the far corner
    r            to drain the results (output-stationary), or to load the operand that stays

Operands enter and results leave at the edge of the occupied part, and folds do not overlap.
Occupied rows sum to S_r over a column of folds, occupied columns to S_c over a row of them, so with
F_r × F_c folds the total is exactly

    cycles = F_r·F_c·(t − 2) + 2·S_r·F_c + S_c·F_r

Source: derived above. When every fold is full it is (2R + C + T − 2)·F_r·F_c of Samajdar et al.,
"A Systematic Methodology for Characterizing Scalability of DNN Accelerators using SCALE-Sim",
ISPASS 2020. ``hwsim.systolic`` counts the same cycles by moving operands.
"""

from typing import NamedTuple

from hwsim.dataflow import Dataflow
from hwsim.integers import ceil_div
from hwsim.machine import Array
from hwsim.workload import Gemm


class ArrayCycles(NamedTuple):
    """Cycles of one matrix product: ``streamed`` of the ``total`` feed operands."""

    total: int
    streamed: int


def array_cycles(gemm: Gemm, array: Array, dataflow: Dataflow) -> ArrayCycles:
    """Cycles from the first operand in to the last result out, never stalled."""
    rows, cols = getattr(gemm, dataflow.rows), getattr(gemm, dataflow.cols)
    depth = getattr(gemm, dataflow.streamed)
    row_folds, col_folds = ceil_div(rows, array.rows), ceil_div(cols, array.cols)
    folds = row_folds * col_folds
    total = folds * (depth - 2) + 2 * rows * col_folds + cols * row_folds
    return ArrayCycles(total, folds * depth)
