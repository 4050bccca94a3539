"""Convolutions on a machine that writes the matrix of their windows to DRAM.

A convolution with more than one tap becomes a copy, which reads the image once and writes for every
output pixel its channels × taps, zeros of the padding included, and a product that reads that
matrix. A 1 × 1 kernel needs none. Source: derived above; the policy is ``Machine.im2col``.
"""

from dataclasses import replace

from hwsim.machine import Machine
from hwsim.workload import Convolution, Copy, Layer, Primitive, matrix_product


def windows_written(layer: Layer, machine: Machine) -> Layer:
    """The layer as the machine runs it: as it is, unless windows go through DRAM."""
    if machine.im2col != "dram":
        return layer
    primitives = tuple(each for p in layer.primitives for each in _written(p))
    return replace(layer, primitives=primitives)


def _written(primitive: Primitive) -> tuple[Primitive, ...]:
    if not isinstance(primitive, Convolution) or primitive.taps == 1:
        return (primitive,)
    conv = primitive
    pixels = conv.batch * conv.out_height * conv.out_width
    copy = Copy(
        read_elements=conv.batch * conv.in_channels * conv.height * conv.width,
        write_elements=pixels * conv.in_channels * conv.taps,
        label=conv.label,
    )
    product = matrix_product(
        pixels,
        conv.out_channels // conv.groups,
        conv.in_channels // conv.groups * conv.taps,
        count=conv.groups,
        label=conv.label,
    )
    return copy, product
