"""What answers: the parameters of the hardware, as immutable values.

Read ``description`` first: ``Machine`` and what a source is. ``arrays`` has the kinds of array,
``memory`` the buffers, the second level and DRAM, ``units`` what works beside the array,
``support`` what is executable at all, ``energy`` what a step of each kind takes.
"""

from hwsim.machine.arrays import (
    ARRAY_KINDS,
    AdderTrees,
    Array,
    Cube,
    MacArray,
    OuterProduct,
    RowStationary,
)
from hwsim.machine.description import (
    CONVENTIONS,
    IM2COL,
    Machine,
    constants,
    source_of,
    with_vector_unit,
    without_source,
)
from hwsim.machine.energy import EnergyTable
from hwsim.machine.memory import OPERANDS, Buffers, Dram, SharedL2
from hwsim.machine.support import SUPPORTED_KINDS, Support
from hwsim.machine.units import HYPOTHETICAL_CYCLES, SHIFTS, Mover, VectorUnit

__all__ = [
    "ARRAY_KINDS",
    "CONVENTIONS",
    "HYPOTHETICAL_CYCLES",
    "IM2COL",
    "OPERANDS",
    "SHIFTS",
    "SUPPORTED_KINDS",
    "AdderTrees",
    "Array",
    "Buffers",
    "Cube",
    "Dram",
    "EnergyTable",
    "MacArray",
    "Machine",
    "Mover",
    "OuterProduct",
    "RowStationary",
    "SharedL2",
    "Support",
    "VectorUnit",
    "constants",
    "source_of",
    "with_vector_unit",
    "without_source",
]
