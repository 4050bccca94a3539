"""Cost model: what a layer or a network takes on a MAC-array NPU, in cycles and bytes.

Read ``workload`` (what is asked), ``machine`` (what answers), ``dataflow`` (how the one is laid on
the other), then ``cycles`` and ``traffic``. ``systolic`` and ``buffers`` are the literal
simulations that judge them. Everything but ``io`` and ``cli`` is pure.
"""

from hwsim.cost import Cost
from hwsim.evaluate import Estimate, LayerCost, compare_forms, estimate, layer_forms
from hwsim.io import find_machine, find_network, preset, preset_names, read_machine
from hwsim.lowering import FORMS
from hwsim.machine import (
    AdderTrees,
    Array,
    Buffers,
    Cube,
    Dram,
    Machine,
    Mover,
    RowStationary,
    SharedL2,
    Support,
    VectorUnit,
    with_vector_unit,
)
from hwsim.networks import NETWORKS, Network, network
from hwsim.report.frames import plot, to_pandas, to_polars
from hwsim.workload import (
    Convolution,
    Copy,
    Elementwise,
    Layer,
    Pooling,
    Softmax,
    Unmodelled,
    matrix_product,
)

__all__ = [
    "FORMS",
    "NETWORKS",
    "AdderTrees",
    "Array",
    "Buffers",
    "Convolution",
    "Copy",
    "Cost",
    "Cube",
    "Dram",
    "Elementwise",
    "Estimate",
    "Layer",
    "LayerCost",
    "Machine",
    "Mover",
    "Network",
    "Pooling",
    "RowStationary",
    "SharedL2",
    "Softmax",
    "Support",
    "Unmodelled",
    "VectorUnit",
    "compare_forms",
    "estimate",
    "find_machine",
    "find_network",
    "layer_forms",
    "matrix_product",
    "network",
    "plot",
    "preset",
    "preset_names",
    "read_machine",
    "to_pandas",
    "to_polars",
    "with_vector_unit",
]
