"""What stands behind each number of an estimate: data, attached to the machine and what it runs.

    cycles      which literal simulation, RTL or publication judged the closed form of this array
    DRAM        the model of the channel
    energy      table and node
    silicon     the nearest chip somebody measured, and how far the model is from it there

Judgements come from ``Judged`` records that validation and the RTL runs wrote; none is typed here.
The RTL has serial folds, one register per weight and buffers that keep up: it says nothing of other
arrays. A layer without array work has no array evidence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hwsim.machine import Array, Machine
from hwsim.workload import Convolution, Copy, Primitive, Shift, Unmodelled, macs_of

LITERAL = {
    "serial": "hwsim.systolic",
    "overlapped": "hwsim.literal.overlapped",
    "row-stationary": "hwsim.literal.row_stationary",
    "cube": "hwsim.literal.cube",
    "adder-tree": "hwsim.literal.adder_tree",
    "outer-product": "hwsim.literal.outer_product",
}
"""The literal simulation that the tests hold each closed form equal to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One judgement of the model by something else.

    ``kind`` is "rtl", "estimator", "silicon" or a convention; it holds for ``dataflow`` and, if
    ``machine`` is named, for that one. ``sentence`` says what was found.
    """

    kind: str
    dataflow: str
    machine: str | None
    sentence: str


class Evidence(NamedTuple):
    """What stands behind the numbers of a layer, one sentence each."""

    cycles: str
    dram: str
    energy: str
    silicon: str

    @property
    def sentence(self) -> str:
        """All of it."""
        return (
            f"cycles: {self.cycles}; DRAM: {self.dram}; energy: {self.energy}; "
            f"nearest silicon: {self.silicon}"
        )


def evidence_of(
    primitives: Sequence[Primitive], machine: Machine, judged: Sequence[Judged]
) -> Evidence:
    """Evidence of the numbers that these primitives have on a machine."""
    asked = [each for each in primitives if not isinstance(each, Unmodelled)]
    array = any(macs_of(each) for each in asked)
    beside = any(not isinstance(each, Convolution | Copy | Shift) for each in asked)
    here = [
        each
        for each in judged
        if each.dataflow == machine.dataflow and each.machine in {None, machine.name}
    ]
    cycles = []
    if array:
        cycles.append(_array_cycles(machine, here))
    if beside:
        cycles.append("vector unit as its lanes and cycles per element say, judged by nobody")
    if any(isinstance(each, Copy) for each in asked):
        cycles.append("copies as DRAM and mover say, judged by nobody")
    silicon = [each.sentence for each in here if each.kind == "silicon"] if array else []
    return Evidence(
        cycles=", ".join(cycles) or "nothing is costed",
        dram=_dram(machine),
        energy="no table" if machine.energy is None else machine.energy.title,
        silicon="; ".join(silicon) or "none for this array",
    )


def _array_cycles(machine: Machine, here: Sequence[Judged]) -> str:
    if machine.convention != "own":
        counted = [each.sentence for each in here if each.kind == machine.convention]
        return ", ".join([f"in {machine.convention}'s convention", *counted])
    array = machine.array
    if isinstance(array, Array):
        plain = array.folds == "serial" and not array.double_buffered_weights
        fed = any(machine.buffers.rates)
        kind = "serial" if plain or (fed and array.folds == "serial") else "overlapped"
        own = plain and not fed
    else:
        kind, own = machine.dataflow, True
    found = [f"equal to {LITERAL[kind]} in every tried case"]
    others = {"estimator", "rtl"} if own else {"estimator"}
    found += [each.sentence for each in here if each.kind in others]
    return ", ".join(found)


def _dram(machine: Machine) -> str:
    if machine.convention != "own":
        return f"compulsory bytes only, as {machine.convention} without stalls says nothing of it"
    dram = machine.dram
    latency = "bandwidth" if not dram.latency_cycles else "latency and bandwidth"
    passed = "" if machine.l2 is None else " through the declared L2"
    return f"{latency} model{passed}, equal to hwsim.buffers in every tried case"
