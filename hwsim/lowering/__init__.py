"""From a layer in some form to the primitives that compute it, with the tensors between them.

Read ``graph`` first (steps, operands, functions), then a file of forms: ``dense``, ``pixel_shift``,
``local``, ``neighbours``; ``catalogue`` has their names. ``adjoint`` makes the backward pass of any
of them, ``per_pixel`` the ways to run a product per pixel, and ``execute`` runs a graph on numbers,
tile by tile as it is costed.
"""

from hwsim.lowering.adjoint import Backward, backward
from hwsim.lowering.catalogue import FORMS, Form, lower, write
from hwsim.lowering.graph import Graph, Step, Tensor
from hwsim.lowering.layers import (
    addition_layer,
    convolution_layer,
    fully_connected_layer,
    pooling_layer,
)
from hwsim.lowering.options import DIRECTIONS, FOUR_DIRECTIONS, Options

__all__ = [
    "DIRECTIONS",
    "FORMS",
    "FOUR_DIRECTIONS",
    "Backward",
    "Form",
    "Graph",
    "Options",
    "Step",
    "Tensor",
    "addition_layer",
    "backward",
    "convolution_layer",
    "fully_connected_layer",
    "lower",
    "pooling_layer",
    "write",
]
