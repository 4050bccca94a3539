"""Cycles of one tile of a convolution on a machine's array, whatever its kind.

A tile is what lies on chip at once: some output rows of some images, for some output channels,
from some input channels. A systolic array and a cube see the matrix product of its windows; adder
trees see taps and channels apart; a row-stationary array convolves. To add a kind of array, see
docs/adding-a-dataflow.md: its closed form is one file beside this one, its entry one branch here.
"""

from fractions import Fraction
from typing import NamedTuple

from hwsim.cycles.adder_tree import adder_tree_cycles
from hwsim.cycles.cube import cube_cycles
from hwsim.cycles.fed import FREE, Feed
from hwsim.cycles.outer_product import outer_product_cycles
from hwsim.cycles.row_stationary import (
    Files,
    RowStationaryCost,
    Shape,
    Wires,
    fitting_mapping,
    mappable,
    row_stationary_cost,
)
from hwsim.cycles.systolic import ArrayCycles, array_cycles
from hwsim.dataflow import DATAFLOWS
from hwsim.integers import ceil_div
from hwsim.machine import AdderTrees, Array, Cube, Machine, OuterProduct, RowStationary
from hwsim.workload import Gemm

UNLIMITED = 2**62
"""Words per cycle of a wire that never makes anything wait."""


class Tile(NamedTuple):
    """Sizes of a tile: ``rows`` × ``width`` output pixels of each of ``images``.

    ``stride_w`` is the stride along a row if it is another one.
    """

    images: int
    rows: int
    width: int
    outputs: int
    channels: int
    kernel_h: int = 1
    kernel_w: int = 1
    stride: int = 1
    stride_w: int | None = None

    @property
    def pixels(self) -> int:
        """Output pixels."""
        return self.images * self.rows * self.width

    @property
    def gemm(self) -> Gemm:
        """The matrix product of its windows and weights."""
        return Gemm(self.pixels, self.outputs, self.channels * self.kernel_h * self.kernel_w)


def tile_cycles(tile: Tile, machine: Machine) -> ArrayCycles:
    """Cycles of the tile on the array, waiting for nothing but the array's own wires.

    Raises ``ValueError`` if a kernel is taller than a row-stationary array.
    """
    array = machine.array
    if isinstance(array, Array):
        flow = DATAFLOWS[machine.dataflow]
        return array_cycles(tile.gemm, array, flow, feed_of(machine))
    if isinstance(array, Cube):
        return _cube(tile, array, machine)
    if isinstance(array, AdderTrees):
        return _adder_trees(tile, array, machine)
    if isinstance(array, OuterProduct):
        sides, feed = (array.rows, array.cols, array.rank), feed_of(machine) or FREE
        double = array.double_buffered_sums
        return ArrayCycles(*map(int, outer_product_cycles(tile.gemm, sides, feed, double=double)))
    return _row_stationary(tile, array, machine)


def uses_winograd(tile: Tile, array: AdderTrees) -> bool:
    """Whether the tile is convolved in Winograd's way."""
    strides = tile.stride, tile.stride_w or tile.stride
    return array.winograd and (tile.kernel_h, tile.kernel_w, *strides) == (3, 3, 1, 1)


def feed_of(machine: Machine) -> Feed | None:
    """What the wires at the edges of a grid carry; ``None`` if nothing limits them."""
    if not any(machine.buffers.rates):
        return None
    widths = (machine.operand_bytes, machine.operand_bytes, machine.accumulator_bytes)
    ifmap, filters, sums = (
        (width, *(rate or Fraction(0)).as_integer_ratio())
        for width, rate in zip(widths, machine.buffers.rates, strict=True)
    )
    if machine.dataflow == "input-stationary":
        return Feed(filters, ifmap, sums)
    return Feed(ifmap, filters, sums)


def cube_waits(cube: Cube, machine: Machine) -> tuple[int, int, int]:
    """Cycles that a left block, a right one and one of sums take on their way."""
    left, right, sums = cube.m * cube.k, cube.k * cube.n, cube.m * cube.n
    return (
        _arriving(left * machine.operand_bytes, cube.left_bytes_per_cycle),
        _arriving(right * machine.operand_bytes, cube.right_bytes_per_cycle),
        _arriving(sums * machine.accumulator_bytes, cube.sum_bytes_per_cycle),
    )


def tree_load(trees: AdderTrees, machine: Machine) -> int:
    """Cycles that the weights of one operation take to arrive."""
    weights = trees.inputs * trees.trees * machine.operand_bytes
    return _arriving(weights, machine.buffers.filter_bytes_per_cycle)


def _cube(tile: Tile, cube: Cube, machine: Machine) -> ArrayCycles:
    left, right, sums = cube_waits(cube, machine)
    sides = (cube.m, cube.n, cube.k)
    cycles = cube_cycles(tile.gemm, sides, left=left, right=right, sums=sums)
    return ArrayCycles(*map(int, cycles))


def _adder_trees(tile: Tile, trees: AdderTrees, machine: Machine) -> ArrayCycles:
    pixels, taps = tile.pixels, tile.kernel_h * tile.kernel_w
    if uses_winograd(tile, trees):
        pixels, taps = tile.images * ceil_div(tile.rows, 2) * ceil_div(tile.width, 2), 16
    sizes = (pixels, tile.outputs, tile.channels, taps, trees.inputs, trees.trees)
    return ArrayCycles(*map(int, adder_tree_cycles(*sizes, load=tree_load(trees, machine))))


def files_of(array: RowStationary) -> Files:
    """The array as its closed form takes it."""
    return Files(array.rows, array.cols, array.ifmap_words, array.filter_words, array.psum_words)


def wires_of(machine: Machine) -> Wires:
    """Words per cycle to each set, and for sums."""
    buffers = machine.buffers
    return Wires(
        _words(buffers.filter_bytes_per_cycle, machine.operand_bytes),
        _words(buffers.ofmap_bytes_per_cycle, machine.accumulator_bytes),
    )


def _row_stationary(tile: Tile, array: RowStationary, machine: Machine) -> ArrayCycles:
    cost = mapped_cost(tile, array, machine)
    return ArrayCycles(int(cost.total), int(cost.compute), int(cost.waiting))


def mapped_cost(tile: Tile, array: RowStationary, machine: Machine) -> RowStationaryCost:
    """What the tile takes on a row-stationary array under the mapping that fits it.

    Raises ``ValueError`` if there is none.
    """
    shape = shape_of(tile)
    if not mappable(shape, files_of(array)):
        raise ValueError(
            f"a kernel of {shape.R}x{shape.S} must be no taller than the {array.rows} rows of "
            f"{machine.name}, and a row of it no longer than its register files"
        )
    return row_stationary_cost(shape, fitting_mapping(shape, files_of(array)), wires_of(machine))


def shape_of(tile: Tile) -> Shape:
    """The tile in the symbols of the row-stationary form."""
    return Shape(
        N=tile.images,
        M=tile.outputs,
        C=tile.channels,
        R=tile.kernel_h,
        S=tile.kernel_w,
        E=tile.rows,
        F=tile.width,
        U=tile.stride,
        W=(tile.width - 1) * (tile.stride_w or tile.stride) + tile.kernel_w,
    )


def _arriving(size: int, rate: int | Fraction | None) -> int:
    """Cycles that so many bytes take; none if nothing is said about the rate."""
    return 0 if rate is None else ceil_div(size * rate.denominator, rate.numerator)


def _words(rate: int | Fraction | None, width: int) -> int:
    return UNLIMITED if rate is None else max(1, int(rate / width))
