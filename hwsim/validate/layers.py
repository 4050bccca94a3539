"""One convolution at a time, for peers that were asked about single layers."""

from collections.abc import Mapping

from hwsim.cost import Cost
from hwsim.evaluate import cost_layers
from hwsim.machine import Machine
from hwsim.workload import Convolution, Layer


def convolution_of(row: Mapping[str, str]) -> Convolution:
    """The layer that a row describes; ``kernel`` is the side of a square one."""
    return Convolution(
        in_channels=int(row["in_channels"]),
        out_channels=int(row["out_channels"]),
        height=int(row["height"]),
        width=int(row["width"]),
        kernel_h=int(row["kernel"]),
        kernel_w=int(row["kernel"]),
        stride=int(row["stride"]),
        padding=int(row["padding"]),
    )


def layer_cost(row: Mapping[str, str], machine: Machine) -> Cost:
    """What that layer takes on a machine, tiled as our search finds best."""
    layer = Layer(name=row["layer"], form="convolution", primitives=(convolution_of(row),))
    (costed,) = cost_layers([layer], machine)
    return costed.cost


def array_cycles_of(cost: Cost) -> int:
    """Cycles in which operands stream through the array."""
    return cost.compute_cycles + cost.fragmentation_cycles
