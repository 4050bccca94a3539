"""Bytes between the buffers and the array, in closed form.

A tile is a matrix product, cut into folds as in ``hwsim.cycles``. On a systolic array of R × C,
with S_r, S_c and T what lies along rows, columns and time, F_r = ⌈S_r/R⌉ and F_c = ⌈S_c/C⌉:

                          along rows and time    along columns and time    in the array
    output-stationary     S_r·T·F_c              S_c·T·F_r                 sums, S_r·S_c once
    weight-, input-st.    S_r·T·F_c              sums, S_c·T·F_r           S_r·S_c once

A cube of m × n × k and adder trees (m = 1) read the left operand once per column of blocks, the
right one once, and add to every sum once per block along K. A grid of outer products reads its
operands as an output-stationary array does, and its sums leave once. A row-stationary array reads
and adds what the passes of its mapping do (``hwsim.cycles.row_stationary``).

Sums are added where they lie: all but the first addition reads what the one before has written.
Slices of input channels add to each other in the same way. What is read for the last time, to leave
for DRAM, and what arrives from there is counted too, so that a buffer's bytes are all its accesses.

Source: derived above. The literal arrays count the same, where values pass their edges or leave
their buffer (tests/hwsim/test_onchip.py).
"""

from collections import Counter
from typing import NamedTuple

from hwsim.cycles.tile import Tile, mapped_cost
from hwsim.dataflow import DATAFLOWS
from hwsim.integers import ceil_div
from hwsim.machine import AdderTrees, Array, Cube, Machine, OuterProduct
from hwsim.schedule import tile_of
from hwsim.tiling import Tiling, pieces
from hwsim.traffic import Traffic
from hwsim.workload import Convolution, Gemm


class Accesses(NamedTuple):
    """Numbers that pass between buffers and array: two operands, and additions to sums."""

    left: int
    right: int
    additions: int

    def times(self, count: int) -> "Accesses":
        """The same, so many times."""
        return Accesses(*(count * each for each in self))


class OnChip(NamedTuple):
    """Bytes read from and written to each buffer, by operand."""

    ifmap_bytes: int
    filter_bytes: int
    ofmap_bytes: int


def accesses(tile: Tile, machine: Machine) -> Accesses:
    """What one tile moves; the left operand is that of m × k."""
    m, n, k = tile.gemm
    array = machine.array
    if isinstance(array, Array):
        return _systolic(tile.gemm, array, machine.dataflow)
    if isinstance(array, Cube):
        return Accesses(m * k * ceil_div(n, array.n), n * k, m * n * ceil_div(k, array.k))
    if isinstance(array, AdderTrees):
        return Accesses(m * k * ceil_div(n, array.trees), n * k, m * n * ceil_div(k, array.inputs))
    if isinstance(array, OuterProduct):
        return Accesses(m * k * ceil_div(n, array.cols), n * k * ceil_div(m, array.rows), m * n)
    cost = mapped_cost(tile, array, machine)
    return Accesses(int(cost.ifmap_words), int(cost.filter_words), int(cost.sum_words) // 2)


def on_chip(conv: Convolution, tiling: Tiling, moved: Traffic, machine: Machine) -> OnChip:
    """All accesses of the buffers while a tiled convolution runs that moves so much from DRAM."""
    parts = pieces(conv, tiling)
    total = Accesses(0, 0, 0)
    bands = Counter((band.images, band.out_rows // band.images) for band in parts.bands)
    outs, ins = Counter(parts.out_channels), Counter(parts.in_channels)
    for (images, rows), many_m in bands.items():
        for n, many_n in outs.items():
            for channels, many_k in ins.items():
                tile = accesses(tile_of(conv, images, rows, n, channels), machine)
                count = many_m * many_n * many_k * conv.groups
                total = Accesses(*map(sum, zip(total, tile.times(count), strict=True)))
    sums = 2 * total.additions - conv.out_elements  # written each time, read all but the first
    left = conv.out_elements  # read once more to leave
    return OnChip(
        ifmap_bytes=total.left * machine.operand_bytes + moved.ifmap_bytes,
        filter_bytes=total.right * machine.operand_bytes + moved.filter_bytes,
        ofmap_bytes=(sums + left) * machine.accumulator_bytes,
    )


def _systolic(product: Gemm, array: Array, dataflow: str) -> Accesses:
    flow = DATAFLOWS[dataflow]
    rows, cols = getattr(product, flow.rows), getattr(product, flow.cols)
    time = getattr(product, flow.streamed)
    row_folds, col_folds = ceil_div(rows, array.rows), ceil_div(cols, array.cols)
    along_rows, along_cols = rows * time * col_folds, cols * time * row_folds
    if flow.streamed == "k":
        return Accesses(along_rows, along_cols, rows * cols)
    if flow.streamed == "m":
        return Accesses(along_rows, rows * cols, along_cols)
    return Accesses(rows * cols, along_rows, along_cols)
