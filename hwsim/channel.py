"""How long bytes take between DRAM and the buffers, by way of the second level if there is one.

DRAM is one channel: a transfer waits its latency and then moves its bytes, in whole bursts. What
comes from DRAM passes the second level on its way, and goes no faster than a core's share of that;
what the second level still holds has neither DRAM's latency nor its rate:

    from DRAM    latency + max(⌈bytes in whole bursts / DRAM rate⌉, ⌈bytes / share⌉)
    again        ⌈bytes / share⌉, if one group's inputs and weights fit into the share together

A tile that is read for the first time comes from DRAM whole, rows that an earlier one had among
them. Results go the first way. Source: derived; ``hwsim.buffers`` counts bytes cycle by cycle.
"""

from typing import Any, NamedTuple

import numpy as np

from hwsim.machine import Machine
from hwsim.workload import Convolution


def moving_cycles(machine: Machine, moved: Any) -> Any:
    """Cycles that bytes themselves take on their way from or to DRAM; ints, or arrays of them."""
    cycles = machine.dram.moving_cycles(moved)
    return cycles if machine.l2 is None else np.maximum(cycles, machine.l2.moving_cycles(moved))


def transfer_cycles(machine: Machine, moved: int) -> int:
    """Cycles of one transfer of so many bytes; moving nothing takes none."""
    return machine.dram.latency_cycles + int(moving_cycles(machine, moved)) if moved else 0


class Waiting(NamedTuple):
    """Cycles in which everything waits: those that the second level adds, and those of DRAM."""

    l2: int
    dram: int


def waiting(machine: Machine, read: int, written: int, busy: int) -> Waiting:
    """What two transfers take longer than the ``busy`` cycles beside them."""
    both = transfer_cycles(machine, read) + transfer_cycles(machine, written)
    dram = machine.dram.transfer_cycles(read) + machine.dram.transfer_cycles(written)
    alone = max(0, dram - busy)
    return Waiting(max(0, both - busy) - alone, alone)


def passed(machine: Machine, moved: int) -> int:
    """Bytes that pass a second level: all of them, if there is one."""
    return 0 if machine.l2 is None else moved


def keeps(conv: Convolution, machine: Machine) -> bool:
    """Whether the second level holds all that a group of ``conv`` reads."""
    if machine.l2 is None:
        return False
    ins, outs = conv.in_channels // conv.groups, conv.out_channels // conv.groups
    image = conv.batch * conv.height * conv.width * ins
    return (image + outs * ins * conv.taps) * machine.operand_bytes <= machine.l2.held_bytes
