"""Hypothesis strategies for the domain types, small enough for literal simulations."""

from dataclasses import replace
from fractions import Fraction

from hypothesis import assume
from hypothesis import strategies as st

from hwsim.cost import Cost
from hwsim.dataflow import DATAFLOWS
from hwsim.machine import (
    OPERANDS,
    AdderTrees,
    Array,
    Buffers,
    Cube,
    Dram,
    Machine,
    OuterProduct,
    RowStationary,
    SharedL2,
    VectorUnit,
)
from hwsim.tiling import ORDERS, Tiling
from hwsim.workload import VECTOR_KINDS, Convolution, Gemm, matrix_product

sizes = st.integers(1, 10_000)
gemms = st.builds(Gemm, m=sizes, n=sizes, k=sizes)
arrays = st.builds(Array, rows=st.integers(1, 256), cols=st.integers(1, 256))
dataflow_names = st.sampled_from(list(DATAFLOWS))
counts = st.integers(0, 10**12)
costs = st.builds(Cost, **dict.fromkeys(Cost.__dataclass_fields__, counts))


def machine(**changes):
    """A small machine; keyword arguments replace its parts."""
    parts = {
        "name": "small",
        "clock_hz": 1_000_000,
        "dataflow": "output-stationary",
        "operand_bytes": 1,
        "accumulator_bytes": 4,
        "array": Array(rows=4, cols=4),
        "buffers": buffers(4096),
        "dram": Dram(bytes_per_cycle=Fraction(4)),
        "vector": VectorUnit(lanes=4, cycles_per_element=dict.fromkeys(VECTOR_KINDS, 1)),
    }
    return Machine(**(parts | changes))


def buffers(size, *, double=True):
    """Three buffers of one size."""
    return Buffers(ifmap_bytes=size, filter_bytes=size, ofmap_bytes=size, double_buffered=double)


@st.composite
def convolutions(draw):
    """Small convolutions of every kind: strides that skip rows, dilation, groups, batches."""
    groups = draw(st.integers(1, 3))
    shape = {
        "batch": draw(st.integers(1, 3)),
        "in_channels": groups * draw(st.integers(1, 5)),
        "out_channels": groups * draw(st.integers(1, 5)),
        "height": draw(st.integers(1, 9)),
        "width": draw(st.integers(1, 5)),
        "kernel_h": draw(st.integers(1, 4)),
        "kernel_w": draw(st.integers(1, 3)),
        "stride": draw(st.integers(1, 4)),
        "stride_w": draw(st.none() | st.integers(1, 3)),
        "padding": draw(st.integers(0, 2)),
        "dilation": draw(st.integers(1, 2)),
    }
    reach_h = shape["dilation"] * (shape["kernel_h"] - 1)
    reach_w = shape["dilation"] * (shape["kernel_w"] - 1)
    assume(shape["height"] + 2 * shape["padding"] > reach_h)
    assume(shape["width"] + 2 * shape["padding"] > reach_w)
    return Convolution(groups=groups, **shape)


small = st.integers(1, 9)
products = st.builds(matrix_product, m=small, n=small, k=small, count=st.integers(1, 3))
workloads = st.one_of(convolutions(), products)


@st.composite
def tiled(draw):
    """A workload and any tiling of it."""
    conv = draw(workloads)
    rows = draw(st.integers(1, conv.out_height))
    images = draw(st.integers(1, conv.batch)) if rows == conv.out_height else 1
    outs = draw(st.integers(1, conv.out_channels // conv.groups))
    ins = draw(st.integers(1, conv.in_channels // conv.groups))
    return conv, Tiling(images, rows, outs, ins, draw(st.sampled_from(ORDERS)))


rates = st.none() | st.fractions(Fraction(1, 3), 12, max_denominator=5)
second_levels = st.none() | st.builds(
    SharedL2,
    size_bytes=st.none() | st.integers(1, 2000),
    bytes_per_cycle=st.fractions(Fraction(1, 3), 20, max_denominator=7),
    cores=st.integers(1, 3),
)
doubled = st.booleans() | st.lists(st.sampled_from(OPERANDS), unique=True).map(tuple)


@st.composite
def buffers_of(draw, least):
    """Buffers of at least so many bytes, some of them double, some of them slow."""
    size = draw(st.integers(least, 2000))
    named = {f"{operand}_bytes_per_cycle": draw(rates) for operand in OPERANDS}
    return replace(buffers(size, double=draw(doubled)), **named)


machines = st.builds(
    machine,
    dataflow=dataflow_names,
    operand_bytes=st.integers(1, 2),
    array=st.builds(Array, rows=st.integers(1, 5), cols=st.integers(1, 5)),
    buffers=buffers_of(200),
    l2=second_levels,
    dram=st.builds(
        Dram,
        bytes_per_cycle=st.fractions(Fraction(1, 3), 20, max_denominator=7),
        latency_cycles=st.integers(0, 9),
        burst_bytes=st.sampled_from([1, 1, 8, 12]),
    ),
)

grids = st.builds(
    Array,
    rows=st.integers(1, 5),
    cols=st.integers(1, 5),
    double_buffered_weights=st.booleans(),
    folds=st.sampled_from(("serial", "overlapped")),
)
wire_rates = st.none() | st.integers(1, 9)
cubes = st.builds(
    Cube,
    m=st.integers(1, 4),
    n=st.integers(1, 4),
    k=st.integers(1, 4),
    left_bytes_per_cycle=wire_rates,
    right_bytes_per_cycle=wire_rates,
    sum_bytes_per_cycle=wire_rates,
)
trees = st.builds(
    AdderTrees, inputs=st.integers(1, 5), trees=st.integers(1, 5), winograd=st.booleans()
)
elements = st.builds(
    RowStationary,
    rows=st.integers(4, 9),
    cols=st.integers(1, 9),
    ifmap_words=st.integers(4, 9),
    filter_words=st.integers(4, 40),
    psum_words=st.integers(1, 5),
)
outer_products = st.builds(
    OuterProduct,
    rows=st.integers(1, 5),
    cols=st.integers(1, 5),
    rank=st.integers(1, 4),
    double_buffered_sums=st.booleans(),
)
ARRAYS_OF = dict.fromkeys(DATAFLOWS, grids) | {
    "cube": cubes,
    "adder-tree": trees,
    "row-stationary": elements,
    "outer-product": outer_products,
}
"""Arrays of every kind by the dataflow that runs on them."""


@st.composite
def machines_of_every_kind(draw, least=20):
    """A machine of any dataflow, with buffers of at least so many bytes."""
    dataflow = draw(st.sampled_from(list(ARRAYS_OF)))
    return machine(
        dataflow=dataflow,
        array=draw(ARRAYS_OF[dataflow]),
        operand_bytes=draw(st.integers(1, 2)),
        buffers=draw(buffers_of(least)),
        l2=draw(second_levels),
        dram=Dram(
            bytes_per_cycle=draw(st.fractions(Fraction(1, 3), 20, max_denominator=7)),
            latency_cycles=draw(st.integers(0, 9)),
            burst_bytes=draw(st.integers(1, 8)),
        ),
    )
