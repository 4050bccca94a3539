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
from hwsim.cycles.row_stationary import (
    Files,
    Shape,
    Wires,
    fitting_mapping,
    mappable,
    row_stationary_cost,
)
from hwsim.cycles.systolic import ArrayCycles, array_cycles
from hwsim.dataflow import DATAFLOWS
from hwsim.integers import ceil_div
from hwsim.machine import AdderTrees, Array, Cube, Machine, RowStationary
from hwsim.workload import Gemm

UNLIMITED = 2**62
"""Words per cycle of a wire that never makes anything wait."""


class Tile(NamedTuple):
    """Sizes of a tile: ``rows`` × ``width`` output pixels of each of ``images``."""

    images: int
    rows: int
    width: int
    outputs: int
    channels: int
    kernel_h: int = 1
    kernel_w: int = 1
    stride: int = 1

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
        return array_cycles(tile.gemm, array, DATAFLOWS[machine.dataflow])
    if isinstance(array, Cube):
        return _cube(tile, array, machine)
    if isinstance(array, AdderTrees):
        return _adder_trees(tile, array, machine)
    return _row_stationary(tile, array, machine)


def uses_winograd(tile: Tile, array: AdderTrees) -> bool:
    """Whether the tile is convolved in Winograd's way."""
    return array.winograd and (tile.kernel_h, tile.kernel_w, tile.stride) == (3, 3, 1)


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
    return ArrayCycles(int(cycles.total), int(cycles.streamed))


def _adder_trees(tile: Tile, trees: AdderTrees, machine: Machine) -> ArrayCycles:
    pixels, taps = tile.pixels, tile.kernel_h * tile.kernel_w
    if uses_winograd(tile, trees):
        pixels, taps = tile.images * ceil_div(tile.rows, 2) * ceil_div(tile.width, 2), 16
    sizes = (pixels, tile.outputs, tile.channels, taps, trees.inputs, trees.trees)
    cycles = adder_tree_cycles(*sizes, load=tree_load(trees, machine))
    return ArrayCycles(int(cycles.total), int(cycles.streamed))


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
    shape = Shape(
        N=tile.images,
        M=tile.outputs,
        C=tile.channels,
        R=tile.kernel_h,
        S=tile.kernel_w,
        E=tile.rows,
        F=tile.width,
        U=tile.stride,
        W=(tile.width - 1) * tile.stride + tile.kernel_w,
    )
    if not mappable(shape, files_of(array)):
        raise ValueError(
            f"a kernel of {shape.R}x{shape.S} must be no taller than the {array.rows} rows of "
            f"{machine.name}, and a row of it no longer than its register files"
        )
    mapping = fitting_mapping(shape, files_of(array))
    cost = row_stationary_cost(shape, mapping, wires_of(machine))
    return ArrayCycles(int(cost.total), int(cost.compute))


def _arriving(size: int, rate: int | Fraction | None) -> int:
    """Cycles that so many bytes take; none if nothing is said about the rate."""
    return 0 if rate is None else ceil_div(size * rate.denominator, rate.numerator)


def _words(rate: int | Fraction | None, width: int) -> int:
    return UNLIMITED if rate is None else max(1, int(rate / width))
