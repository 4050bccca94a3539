"""A tile of a convolution on the literal array of its machine, whatever the kind."""

import numpy as np

from hwsim.cycles.row_stationary import Shape, fitting_mapping
from hwsim.cycles.tile import files_of
from hwsim.literal import adder_tree, cube, outer_product, overlapped, row_stationary
from hwsim.machine import AdderTrees, Array, Cube, OuterProduct
from hwsim.systolic import simulate


def literal_product(unit):
    """What ``hwsim.execute`` is given to convolve a tile: sums that registers and wires made."""
    array = unit.array
    if isinstance(array, Array):
        return _systolic(unit)
    if isinstance(array, Cube):
        return _cube(array)
    if isinstance(array, AdderTrees):
        return _trees(array)
    if isinstance(array, OuterProduct):
        return _outer_products(array)
    return _row_stationary(array)


def _matrices(windows, kernels):
    return windows.reshape(-1, kernels[0].size), kernels.reshape(len(kernels), -1).T


def _systolic(unit):
    def run(windows, kernels, conv):
        a, b = _matrices(windows, kernels)
        if unit.array.folds == "serial":
            return simulate(a, b, unit.array, unit.dataflow).product
        double = unit.array.double_buffered_weights
        return overlapped.simulate(a, b, unit.array, unit.dataflow, double=double).product

    return run


def _cube(array):
    def run(windows, kernels, conv):
        a, b = _matrices(windows, kernels)
        sides = (array.m, array.n, array.k)
        return cube.simulate(a, b, sides, left=2, right=3, sums=1).product

    return run


def _outer_products(array):
    def run(windows, kernels, conv):
        return outer_product.simulate(*_matrices(windows, kernels), array).product

    return run


def _trees(array):
    def run(windows, kernels, conv):
        image = windows.reshape(-1, *windows.shape[3:]).transpose(2, 0, 1)
        weights = kernels.transpose(2, 1, 0)
        return adder_tree.simulate(image, weights, array.inputs, array.trees, load=2).product

    return run


def _row_stationary(array):
    """The tile's rows are put back from its windows, spread by the dilation as the kernel is."""

    def run(windows, kernels, conv):
        images, rows, cols, ins, _ = windows.shape
        taps, step = (conv.kernel_h, conv.kernel_w), conv.dilation
        spread = [step * (side - 1) + 1 for side in taps]
        high, wide = (
            (count - 1) * conv.stride + side
            for count, side in zip((rows, cols), spread, strict=True)
        )
        ifmap = np.zeros((images, ins, high, wide), windows.dtype)
        filters = np.zeros((len(kernels), ins, *spread), kernels.dtype)
        for tap, (u, v) in enumerate(np.ndindex(taps)):
            filters[:, :, u * step, v * step] = kernels[:, :, tap]
            for y, x in np.ndindex(rows, cols):
                at = y * conv.stride + u * step, x * conv.stride + v * step
                ifmap[(slice(None), slice(None), *at)] = windows[:, y, x, :, tap]
        shape = Shape(
            N=images,
            M=len(kernels),
            C=ins,
            R=spread[0],
            S=spread[1],
            E=rows,
            F=cols,
            U=conv.stride,
            W=wide,
        )
        mapping = fitting_mapping(shape, files_of(array))._asdict()
        mapping = {name: int(each) for name, each in mapping.items()}
        ran = row_stationary.simulate(
            ifmap, filters, conv.stride, mapping, filter_wire=1, sum_wire=4
        )
        return ran.output.transpose(0, 2, 3, 1).reshape(-1, len(kernels))

    return run
