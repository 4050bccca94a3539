"""Estimates as tables for people."""

from collections.abc import Mapping

from rich.table import Table

from hwsim.cost import Cost
from hwsim.evaluate import Estimate
from hwsim.machine import Machine, constants

CYCLES = ("cycles", "compute", "fragments", "fill/drain", "vector", "move", "stall")
QUANTITIES = (*CYCLES, "util %", "MMAC", "DRAM kB", "x least")


def layer_table(estimate: Estimate) -> Table:
    """One line per layer and a total; "x least" compares DRAM bytes with the compulsory ones."""
    peak = estimate.machine.array.macs_per_cycle
    table = _table(_heading(estimate), ("layer", "form"), (*QUANTITIES, "not exec."))
    for layer in estimate.layers:
        missing = str(len(layer.not_executable) or "")
        table.add_row(layer.name, layer.form, *_quantities(layer.cost, peak), missing)
    table.add_section()
    missing = str(estimate.coverage.primitives - estimate.coverage.costed or "")
    table.add_row("total", "", *_quantities(estimate.cost, peak), missing)
    return table


def forms_table(compared: Mapping[str, Estimate]) -> Table:
    """One line per form: cycles relative to the plain convolution = work ÷ efficiency."""
    plain = compared["convolution"]
    title = f"{plain.network.stage} of {_heading(plain)}"
    ratios = ("x cycles", "x work", "x efficiency", "not exec.")
    table = _table(title, ("form",), (*CYCLES, "MMAC", "DRAM kB", *ratios))
    for form, estimate in compared.items():
        cost = estimate.cost
        table.add_row(
            form,
            *_cycles(cost),
            *_volumes(cost),
            f"{cost.cycles / plain.cost.cycles:.2f}",
            f"{cost.macs / plain.cost.macs:.2f}",
            f"{estimate.utilisation / plain.utilisation:.2f}",
            str(estimate.coverage.primitives - estimate.coverage.costed or ""),
        )
    return table


def machine_table(machine: Machine) -> Table:
    """Every constant of a machine with its source."""
    table = Table(title=f"{machine.title}: {machine.description}", title_justify="left")
    for column in ("constant", "value", "source"):
        table.add_column(column, overflow="fold")
    for key in constants(machine):
        table.add_row(key, str(_lookup(machine, key)), machine.sources.get(key, "none given"))
    return table


def _heading(estimate: Estimate) -> str:
    asked = estimate.network
    form = f", {asked.stage} as {asked.form}" if asked.stage else ""
    image = f"{asked.batch} x {asked.height}x{asked.width}"
    return f"{asked.name} ({image}{form}) on {estimate.machine.title}"


def _table(title: str, texts: tuple[str, ...], numbers: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in texts:
        table.add_column(name, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _quantities(cost: Cost, peak: int) -> tuple[str, ...]:
    least = f"{cost.dram_bytes / cost.compulsory_bytes:.2f}" if cost.compulsory_bytes else ""
    return (*_cycles(cost), f"{cost.utilisation(peak):.1%}"[:-1], *_volumes(cost), least)


def _cycles(cost: Cost) -> tuple[str, ...]:
    return (f"{cost.cycles:,}", *(f"{part:,}" for part in cost.budget.values()))


def _volumes(cost: Cost) -> tuple[str, str]:
    return f"{cost.macs / 1e6:,.1f}", f"{cost.dram_bytes / 1e3:,.1f}"


def _lookup(machine: Machine, key: str) -> object:
    value: object = machine
    for name in key.split("."):
        value = value[name] if isinstance(value, Mapping) else getattr(value, name)
    return "absent" if value is None else value
