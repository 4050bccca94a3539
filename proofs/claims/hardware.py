"""Claims about cost: closed forms against literal simulations.

The simulations move operands through an array (``hwsim.systolic``) and tiles through buffers and a
DRAM channel (``hwsim.buffers``) cycle by cycle and count; they share no formula with the closed
forms.
"""

from fractions import Fraction
from functools import cache

import numpy as np

from hwsim.buffers import play, walk
from hwsim.cycles import array_cycles
from hwsim.dataflow import DATAFLOWS
from hwsim.machine import Array, Buffers, Dram, Machine
from hwsim.schedule import total_cycles
from hwsim.systolic import simulate
from hwsim.tiling import ORDERS, Order, Tiling, pieces
from hwsim.traffic import Traffic, traffic
from hwsim.workload import Convolution, Gemm
from proofs.article import ours
from proofs.claim import claim
from proofs.domain import grid

SIZES = (1, 2, 3, 5, 7)
PRODUCTS = grid(
    rows=(1, 2, 3), cols=(1, 2, 4), m=SIZES, n=SIZES, k=SIZES
)  # most sizes do not divide by the sides


def _count_agrees(dataflow: str, rows: int, cols: int, m: int, n: int, k: int) -> bool:
    """Whether formula and simulation agree on the cycles, and the simulation on the product."""
    rng = np.random.default_rng((rows, cols, m, n, k))
    a, b = rng.integers(-9, 10, (m, k)), rng.integers(-9, 10, (k, n))
    array = Array(rows=rows, cols=cols)
    simulated = simulate(a, b, array, dataflow)
    predicted = array_cycles(Gemm(m, n, k), array, DATAFLOWS[dataflow]).total
    return predicted == simulated.cycles and np.array_equal(simulated.product, a @ b)


@claim(
    source=ours(),
    status="identity",
    evidence="literal simulation",
    why="A fold takes its depth, the skew to the far corner, and one cycle per row to drain.",
    over=PRODUCTS,
)
def output_stationary_cycles_are_what_the_array_takes(
    rows: int, cols: int, m: int, n: int, k: int
) -> bool:
    """Output-stationary: the closed-form cycle count is what moving every operand takes.

    The simulated array also returns the right product.
    """
    return _count_agrees("output-stationary", rows, cols, m, n, k)


@claim(
    source=ours(),
    status="identity",
    evidence="literal simulation",
    why="A fold takes one cycle per row to load the weights, then its depth and the skew.",
    over=PRODUCTS,
)
def weight_stationary_cycles_are_what_the_array_takes(
    rows: int, cols: int, m: int, n: int, k: int
) -> bool:
    """Weight-stationary: the closed-form cycle count is what moving every operand takes.

    The simulated array also returns the right product.
    """
    return _count_agrees("weight-stationary", rows, cols, m, n, k)


@claim(
    source=ours(),
    status="identity",
    evidence="literal simulation",
    why="It is the weight-stationary schedule of the transposed product.",
    over=PRODUCTS,
)
def input_stationary_cycles_are_what_the_array_takes(
    rows: int, cols: int, m: int, n: int, k: int
) -> bool:
    """Input-stationary: the closed-form cycle count is what moving every operand takes.

    The simulated array also returns the right product.
    """
    return _count_agrees("input-stationary", rows, cols, m, n, k)


CONVOLUTIONS = {
    "3x3": Convolution(
        in_channels=3, out_channels=4, height=4, width=3, kernel_h=3, kernel_w=3, padding=1
    ),
    "3x3, stride 2": Convolution(
        in_channels=3,
        out_channels=4,
        height=5,
        width=5,
        kernel_h=3,
        kernel_w=3,
        padding=1,
        stride=2,
    ),
    "1x3, 2 groups": Convolution(
        in_channels=6, out_channels=4, height=4, width=4, kernel_w=3, groups=2
    ),
}
TILED = {
    "convolution": tuple(CONVOLUTIONS),
    "rows": (1, 2, 5),
    "out_channels": (1, 3),
    "in_channels": (1, 2, 3),
    "order": ORDERS,
}
DATAFLOW_NAMES = tuple(DATAFLOWS)


def _tiled(
    convolution: str, rows: int, out_channels: int, in_channels: int, order: Order
) -> tuple[Convolution, Tiling]:
    """A convolution by its name, and a tiling no larger than it."""
    conv = CONVOLUTIONS[convolution]
    outs, ins = conv.out_channels // conv.groups, conv.in_channels // conv.groups
    sides = min(rows, conv.out_height), min(out_channels, outs), min(in_channels, ins)
    return conv, Tiling(1, *sides, order)


def _machine(
    *, dataflow: str, double_buffered: bool, bytes_per_cycle: Fraction, latency: int
) -> Machine:
    """A 2×3 array of one-byte operands; its buffers are as large as any tile wants."""
    room = 1 << 20
    return Machine(
        name="small",
        clock_hz=1,
        dataflow=dataflow,
        operand_bytes=1,
        accumulator_bytes=4,
        array=Array(rows=2, cols=3),
        buffers=Buffers(
            ifmap_bytes=room,
            filter_bytes=room,
            ofmap_bytes=room,
            double_buffered=double_buffered,
        ),
        dram=Dram(bytes_per_cycle=bytes_per_cycle, latency_cycles=latency),
    )


@cache
def _simulated_cycles(dataflow: str, m: int, n: int, k: int) -> int:
    """Cycles of one tile, counted on the literal 2×3 array."""
    a, b = np.ones((m, k), int), np.ones((k, n), int)
    return simulate(a, b, Array(rows=2, cols=3), dataflow).cycles


@claim(
    source=ours(),
    status="identity",
    evidence="literal simulation",
    why="An operand is loaded again only when its tile's index changes along the walk.",
    over=grid(**TILED),
)
def dram_traffic_is_what_walking_the_tiles_moves(
    convolution: str, rows: int, out_channels: int, in_channels: int, order: Order
) -> bool:
    """The closed-form DRAM bytes of each operand are what walking all tiles one by one fetches."""
    conv, tiling = _tiled(convolution, rows, out_channels, in_channels, order)
    machine = _machine(
        dataflow="output-stationary", double_buffered=True, bytes_per_cycle=Fraction(1), latency=0
    )
    steps = walk(conv, tiling, machine, lambda *_: 0)
    walked = Traffic(
        ifmap_bytes=sum(step.ifmap_bytes for step in steps),
        filter_bytes=sum(step.filter_bytes for step in steps),
        ofmap_bytes=sum(step.ofmap_bytes for step in steps),
    )
    return traffic(conv, tiling, machine) == walked


@claim(
    source=ours(),
    status="identity",
    evidence="literal simulation",
    why="With two buffers a phase lasts as long as the longer of its computation and its "
    "transfers; with one, everything adds.",
    over=grid(
        **TILED,
        dataflow=DATAFLOW_NAMES,
        double_buffered=(False, True),
        dram=((1, 0), (Fraction(5, 2), 3), (64, 1)),
    ),
)
def scheduled_cycles_are_what_time_stepping_takes(
    convolution: str,
    rows: int,
    out_channels: int,
    in_channels: int,
    order: Order,
    dataflow: str,
    double_buffered: bool,
    dram: tuple[Fraction, int],
) -> bool:
    """A tiled convolution, waiting for DRAM included, takes the cycles that stepping counts.

    Each tile's own cycles are counted on the literal array. `dram` is bytes per cycle, latency.
    """
    conv, tiling = _tiled(convolution, rows, out_channels, in_channels, order)
    machine = _machine(
        dataflow=dataflow,
        double_buffered=double_buffered,
        bytes_per_cycle=Fraction(dram[0]),
        latency=dram[1],
    )
    steps = walk(conv, tiling, machine, lambda m, n, k: _simulated_cycles(dataflow, m, n, k))
    return total_cycles(conv, pieces(conv, tiling), order, machine) == play(steps, machine)
