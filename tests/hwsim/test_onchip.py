from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim import systolic
from hwsim.cycles.row_stationary import fitting_mapping
from hwsim.cycles.tile import Tile, files_of, shape_of
from hwsim.dataflow import DATAFLOWS
from hwsim.literal import row_stationary
from hwsim.machine import AdderTrees, Array, Cube
from hwsim.onchip import accesses, on_chip
from hwsim.search import best_run, run
from hwsim.tiling import Tiling
from hwsim.workload import Gemm, matrix_product
from tests.hwsim.strategies import buffers, elements, machine, machines, outer_products, workloads

small = st.integers(1, 7)


def tile_of(product):
    """A matrix product as a tile: its rows are pixels below each other."""
    return Tile(1, product.m, 1, product.n, product.k)


def entered(product, array, dataflow):
    """Values that pass the literal array's west and north edges while it streams."""
    counted = []
    entering = systolic._entering

    def counting(lanes, cycle):
        wire = entering(lanes, cycle)
        counted.append(int(wire.valid.sum()))
        return wire

    a, b = np.ones((product.m, product.k), int), np.ones((product.k, product.n), int)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(systolic, "_entering", counting)
        systolic.simulate(a, b, array, dataflow)
    return sum(counted)


@settings(max_examples=150, deadline=None)
@given(st.builds(Gemm, m=small, n=small, k=small), st.builds(Array, rows=small, cols=small))
def test_what_streams_in_is_what_passes_the_literal_arrays_edges(product, array):
    for dataflow, flow in DATAFLOWS.items():
        found = accesses(tile_of(product), machine(array=array, dataflow=dataflow))
        streamed = {
            "k": found.left + found.right,
            "m": found.left,
            "n": found.right,
        }[flow.streamed]
        assert streamed == entered(product, array, dataflow)


def folds(size, side):
    return [min(side, size - start) for start in range(0, size, side)]


@settings(max_examples=60, deadline=None)
@given(st.builds(Gemm, m=small, n=small, k=small), st.builds(Cube, m=small, n=small, k=small))
def test_a_cube_reads_and_adds_block_by_block(product, cube):
    """Blocks one after another, the right one held while the left ones pass."""
    left = right = additions = 0
    for n in folds(product.n, cube.n):
        for k in folds(product.k, cube.k):
            right += n * k
            for m in folds(product.m, cube.m):
                left += m * k
                additions += m * n
    unit = machine(dataflow="cube", array=cube)
    assert accesses(tile_of(product), unit) == (left, right, additions)


@settings(max_examples=60, deadline=None)
@given(st.builds(Gemm, m=small, n=small, k=small), small, small)
def test_adder_trees_are_a_cube_that_takes_one_pixel(product, inputs, trees):
    tree = machine(dataflow="adder-tree", array=AdderTrees(inputs=inputs, trees=trees))
    cube = machine(dataflow="cube", array=Cube(m=1, n=trees, k=inputs))
    assert accesses(tile_of(product), tree) == accesses(tile_of(product), cube)


@settings(max_examples=60, deadline=None)
@given(st.builds(Gemm, m=small, n=small, k=small), outer_products)
def test_a_grid_reads_an_operand_for_every_fold_and_its_sums_leave_once(product, array):
    left = right = leaving = 0
    for rows in folds(product.m, array.rows):
        for cols in folds(product.n, array.cols):
            for depth in folds(product.k, array.rank):
                left += rows * depth
                right += depth * cols
            leaving += rows * cols
    unit = machine(dataflow="outer-product", array=array)
    assert accesses(tile_of(product), unit) == (left, right, leaving)


@settings(max_examples=80, deadline=None)
@given(
    st.builds(
        Tile,
        images=st.integers(1, 2),
        rows=st.integers(1, 5),
        width=st.integers(1, 4),
        outputs=small,
        channels=small,
        kernel_h=st.integers(2, 4),
        kernel_w=st.integers(1, 4),
        stride=st.integers(1, 2),
        stride_w=st.none(),
    ),
    elements,
)
def test_a_row_stationary_array_reads_and_adds_what_leaves_the_literal_buffer(tile, array):
    """Under the mapping that fits; a kernel no shorter than the stride, so that no row is skipped.

    Sums: written by every pass, read by all but the first of an output, and once more to leave.
    """
    unit = machine(dataflow="row-stationary", array=array)
    high = (tile.rows - 1) * tile.stride + tile.kernel_h
    wide = (tile.width - 1) * tile.stride + tile.kernel_w
    mapping = fitting_mapping(shape_of(tile), files_of(array))
    ran = row_stationary.simulate(
        np.ones((tile.images, tile.channels, high, wide), int),
        np.ones((tile.outputs, tile.channels, tile.kernel_h, tile.kernel_w), int),
        tile.stride,
        {name: int(each) for name, each in mapping._asdict().items()},
        filter_wire=1,
        sum_wire=1,
    )
    found = accesses(tile, unit)
    assert (found.left, found.right) == (ran.ifmap_words, ran.filter_words)
    assert 2 * found.additions == ran.sum_words


@settings(max_examples=40, deadline=None)
@given(workloads, machines)
def test_every_weight_and_sum_passes_its_buffer_at_least_twice(conv, unit):
    unit = replace(unit, buffers=buffers(9999))
    best = best_run(conv, unit)
    chip = on_chip(conv, best.tiling, best.filled, unit)
    weights = conv.out_channels * conv.taps * conv.in_channels // conv.groups
    assert chip.filter_bytes >= 2 * weights * unit.operand_bytes
    assert chip.ofmap_bytes >= 2 * conv.out_elements * unit.accumulator_bytes


def test_a_product_in_one_tile_by_hand():
    """M = 5, N = 3, K = 4 on 2 x 2, weight-stationary: 2 x 2 folds, sums added once and again.

    Left 4·5·2 = 40 and from DRAM 20; right 12 once and from DRAM 12; additions 3·5·2 = 30, which
    write 30, read 15 and are read 15 times to leave, at 4 bytes.
    """
    unit = machine(dataflow="weight-stationary", array=Array(rows=2, cols=2))
    product = matrix_product(5, 3, 4)
    whole = run(product, Tiling(1, 5, 3, 4, "ifmap-outer"), unit)
    chip = on_chip(product, whole.tiling, whole.filled, unit)
    assert chip == (40 + 20, 12 + 12, (30 + 15 + 15) * 4)
