"""Machines as tables and JSON: what they are made of, what they execute, and who says so."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from fractions import Fraction
from typing import Any

from rich.table import Table

from hwsim.machine import (
    SUPPORTED_KINDS,
    AdderTrees,
    Cube,
    EnergyTable,
    MacArray,
    Machine,
    OuterProduct,
    Support,
    constants,
    source_of,
)

COLUMNS = ("machine", "array", "dataflow", "MACs/cycle", "MHz", "formats", "on chip kB")
MORE = ("DRAM B/cycle", "vector lanes", "energy", "what it is")


def machines_table(machines: Sequence[Machine]) -> Table:
    """One line per machine."""
    table = Table(title="Machines", title_justify="left")
    for name in (*COLUMNS, *MORE):
        table.add_column(name, overflow="fold")
    for each in machines:
        table.add_row(
            each.name,
            array_words(each.array),
            each.dataflow,
            f"{each.array.macs_per_cycle:,}",
            f"{each.clock_hz / 1e6:g}",
            ", ".join(each.formats),
            f"{each.buffers.total_bytes / 1024:,.0f}",
            f"{float(each.dram.bytes_per_cycle):.4g}",
            str(each.vector.lanes) if each.vector else "none",
            each.energy.title if each.energy else "none",
            each.description,
        )
    return table


def machine_table(machine: Machine) -> Table:
    """Every constant of a machine with its source."""
    table = Table(title=f"{machine.title}: {machine.description}", title_justify="left")
    for column in ("constant", "value", "source"):
        table.add_column(column, overflow="fold")
    for key in constants(machine):
        if not key.startswith("support"):
            source = source_of(machine, key) or "none given"
            table.add_row(key, _words(_lookup(machine, key)), source)
    return table


def support_table(machine: Machine) -> Table:
    """Every kind of primitive: native, emulated or not executable, with the source."""
    table = Table(title=f"What {machine.title} executes", title_justify="left")
    for column in ("primitive", "how", "source"):
        table.add_column(column, overflow="fold")
    for kind in SUPPORTED_KINDS:
        source = source_of(machine, f"support.{kind}") or "none given"
        table.add_row(kind, str(machine.supports(kind)), source)
    return table


def machines_json(machines: Sequence[Machine]) -> str:
    """JSON text: a list of machines, everything that is known of each."""
    return json.dumps([machine_dict(each) for each in machines], indent=2) + "\n"


def machine_dict(machine: Machine) -> dict[str, Any]:
    """A machine in plain types: exact rates as texts, and every entry of its support matrix."""
    plain = _plain({key: value for key, value in asdict(machine).items() if key != "support"})
    sources = {key: source_of(machine, key) for key in constants(machine)}
    support = {kind: str(machine.supports(kind)) for kind in SUPPORTED_KINDS}
    return {"title": machine.title, **plain, "support": support, "sources": sources}


def array_words(array: MacArray) -> str:
    """Size of an array in a word."""
    if isinstance(array, Cube):
        return f"{array.m}x{array.n}x{array.k}"
    if isinstance(array, OuterProduct):
        return f"{array.rows}x{array.cols} sums of {array.rank}"
    if isinstance(array, AdderTrees):
        return f"{array.trees} trees of {array.inputs}"
    return f"{array.rows}x{array.cols}"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, Fraction):
        return str(value)
    return value


def _words(value: object) -> str:
    if value is None or value == ():
        return "absent"
    if isinstance(value, EnergyTable):
        return value.title
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _lookup(machine: Machine, key: str) -> object:
    value: object = machine
    for name in key.split("."):
        value = value[name] if isinstance(value, Mapping) else getattr(value, name)
    assert not isinstance(value, Support)  # noqa: S101 - they have a table of their own
    return value
