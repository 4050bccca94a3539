"""What SCALE-Sim 3.0.0 reports for a layer, in closed form: a convention, not a machine.

Every fold takes as long as a full one, folds never overlap, and nothing waits (its stall-free,
"CALC" mode). With M output pixels, N filters, K window × channels on R rows and C columns

            S_r   S_c   T     cycles of a fold      reads of ifmap   of filter   writes of ofmap
    os      M     N     K     T + R + C − 2         c·M·K            r·K·N       M·N + r·c·(R + C)
    ws      K     N     M     T + 2·R + C − 2       c·M·K            K·N         r·M·N
    is      K     M     N     T + 2·R + C − 2       M·K              c·K·N       r·M·N

where r = ⌈S_r/R⌉, c = ⌈S_c/C⌉, and the total is r·c·fold − 1. Mapping efficiency is S_r·S_c of
r·c·R·C, utilisation that times T ÷ fold (ws, is: ÷ (fold + C − 1)). Its output has ⌈(in − f + s)/s⌉
rows; there is no padding, and images come one by one.

Known habits: the total is one cycle short; in os, results are written R cycles before the last
operands are there; partial sums leave once per row of folds and are never read back.
Source: found by running it; ``tests/oracles/test_scalesim.py`` runs it again.
"""

from typing import Any, NamedTuple

import numpy as np

from hwsim.checks import one_of
from hwsim.integers import ceil_div

DATAFLOWS = ("os", "ws", "is")


class Report(NamedTuple):
    """What SCALE-Sim prints: cycles, its two ratios in percent, and accesses of its SRAMs."""

    total_cycles: Any
    mapping_efficiency: Any
    compute_utilisation: Any
    ifmap_reads: Any
    filter_reads: Any
    ofmap_writes: Any


def output_size(size: Any, kernel: Any, stride: Any) -> Any:
    """Rows (or columns) of the output of a convolution as SCALE-Sim counts them."""
    return ceil_div(size - kernel + stride, stride)


def report(pixels: Any, filters: Any, depth: Any, rows: Any, cols: Any, dataflow: str) -> Report:
    """Report for a product M × N × K on an array; ints, or int64 arrays of them.

    Raises ``ValueError`` for a dataflow that is none of ``DATAFLOWS``.
    """
    one_of("SCALE-Sim dataflow", dataflow, DATAFLOWS)
    side, across, streamed = {
        "os": (pixels, filters, depth),
        "ws": (depth, filters, pixels),
        "is": (depth, pixels, filters),
    }[dataflow]
    row_folds, col_folds = ceil_div(side, rows), ceil_div(across, cols)
    folds = row_folds * col_folds
    fold = streamed + (1 if dataflow == "os" else 2) * rows + cols - 2
    counted = fold if dataflow == "os" else fold + cols - 1
    efficiency = np.true_divide(side * across, folds * rows * cols)
    image, weights, results = pixels * depth, depth * filters, pixels * filters
    reads = {
        "os": (col_folds * image, row_folds * weights, results + folds * (rows + cols)),
        "ws": (col_folds * image, weights, row_folds * results),
        "is": (image, col_folds * weights, row_folds * results),
    }[dataflow]
    return Report(
        folds * fold - 1, 100 * efficiency, 100 * efficiency * (streamed / counted), *reads
    )
