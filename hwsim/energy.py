"""Energy of a cost, from its counts and the machine's table: linear, so energies add as costs do.

    MACs         each once, at the width of the operands
    registers    per MAC both operands and the sum are read and the sum is written, beside it
    array        per MAC one operand is passed on (broadcast and cube: none, a wire reaches all)
    buffers      every byte in or out of one, at the energy of a memory of its size; operands that
                 share a memory share its size. A second level is one more, if its size is known
    DRAM         every byte
    vector unit  every operation

Source: derived above; the numbers are the table's. A level the table has no figure for is left out
and named in ``Energy.missing``.
"""

from typing import NamedTuple

from hwsim.cost import Cost
from hwsim.machine import OPERANDS, Array, Buffers, EnergyTable, Machine, RowStationary

LEVELS = ("mac", "register", "array", "buffer", "dram", "vector")


class Energy(NamedTuple):
    """Picojoules by level; in units of one MAC for a table that is normalised."""

    mac_pj: float
    register_pj: float
    array_pj: float
    buffer_pj: float
    dram_pj: float
    vector_pj: float
    missing: tuple[str, ...]

    @property
    def total_pj(self) -> float:
        """Sum over the levels that have a figure."""
        return sum(getattr(self, f"{level}_pj") for level in LEVELS)


def energy_of(cost: Cost, machine: Machine) -> Energy | None:
    """What a cost takes on a machine; ``None`` if the machine has no energy table."""
    table = machine.energy
    if table is None:
        return None
    steps = {
        "mac": (cost.macs, _mac_pj(table, machine)),
        "register": (cost.macs * _register_bytes(machine), table.register_pj_per_byte),
        "array": (cost.macs * _passed_bytes(machine), table.array_pj_per_byte),
        "dram": (cost.dram_bytes, table.dram_pj_per_byte),
        "vector": (cost.vector_ops, table.vector_pj_per_operation),
    }
    spent = {f"{level}_pj": count * (pj or 0.0) for level, (count, pj) in steps.items()}
    missing = tuple(level for level, (count, pj) in steps.items() if count and pj is None)
    buffer_pj = _buffer_pj(cost, table, machine.buffers)
    if machine.l2 is not None and machine.l2.size_bytes is not None:
        buffer_pj += cost.l2_bytes * table.buffer_pj(machine.l2.size_bytes)
    elif cost.l2_bytes:
        missing += ("l2",)
    return Energy(**spent, buffer_pj=buffer_pj, missing=missing)


def _mac_pj(table: EnergyTable, machine: Machine) -> float | None:
    """Energy of a MAC in the machine's format; a table without it has no figure."""
    return table.mac_pj.get(machine.operand_format or "")


def _register_bytes(machine: Machine) -> int:
    return 2 * machine.operand_bytes + 2 * machine.accumulator_bytes


def _passed_bytes(machine: Machine) -> int:
    return machine.operand_bytes if isinstance(machine.array, Array | RowStationary) else 0


def _buffer_pj(cost: Cost, table: EnergyTable, buffers: Buffers) -> float:
    return sum(
        getattr(cost, f"sram_{operand}_bytes") * table.buffer_pj(_size(buffers, operand))
        for operand in OPERANDS
    )


def _size(buffers: Buffers, operand: str) -> int:
    """Bytes of the memory an operand lies in."""
    if operand in buffers.shared and buffers.shared_bytes is not None:
        return buffers.shared_bytes
    size: int = getattr(buffers, f"{operand}_bytes")
    return size
