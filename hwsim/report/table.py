"""Estimates as tables for people."""

from collections.abc import Mapping
from string import ascii_lowercase

from rich.table import Table

from hwsim.cost import Cost
from hwsim.energy import energy_of
from hwsim.evaluate import Estimate, LayerCost
from hwsim.evidence import evidence_of
from hwsim.io.judged import judged
from hwsim.machine import Machine

CYCLES = ("cycles", "compute", "fragments", "fill/drain", "vector", "move", "stall")
VOLUMES = ("MMAC", "SRAM kB", "DRAM kB", "x least", "energy")


def layer_table(estimate: Estimate) -> Table:
    """One line per layer and a total; "stall" is that of all levels of memory.

    "x least" compares DRAM bytes with their lower bound.
    """
    machine = estimate.machine
    letters = _letters(estimate)
    numbers = (*CYCLES, "util %", *VOLUMES, "not exec.", "evidence")
    table = _table(_heading(estimate), ("layer", "form"), numbers)
    for layer in estimate.layers:
        missing = str(len(layer.not_executable) or "")
        letter = letters[_evidence(layer, machine)]
        table.add_row(layer.name, layer.form, *_quantities(layer.cost, machine), missing, letter)
    table.add_section()
    missing = str(estimate.coverage.asked - estimate.coverage.costed or "")
    everything = "".join(letters.values())
    table.add_row("total", "", *_quantities(estimate.cost, machine), missing, everything)
    return table


def evidence_lines(estimate: Estimate) -> list[str]:
    """What the letters of the last column stand for, what was searched, what energy leaves out."""
    lines = [f"{letter}: {sentence}" for sentence, letter in _letters(estimate).items()]
    made = [each.searched for layer in estimate.layers for each in layer.primitives]
    found = [each for each in made if each is not None]
    if found:
        equal, others = (sum(getattr(each, name) for each in found) for name in ("equal", "others"))
        lines.append(
            f"mappings: {equal:,} into equal tiles and {others:,} others searched, the fewest "
            f"cycles, then bytes; never worse than the fixed rule"
        )
    energy = estimate.energy
    if energy is None:
        lines.append("energy: none, as the machine names no table (--energy does)")
    elif energy.missing:
        lines.append(f"energy: without {', '.join(energy.missing)}, for which its table has none")
    return lines


def forms_table(compared: Mapping[str, Estimate]) -> Table:
    """One line per form: cycles relative to the plain convolution = work ÷ efficiency."""
    plain = compared["convolution"]
    title = f"{plain.network.stage} of {_heading(plain)}"
    ratios = ("x cycles", "x work", "x efficiency", "not exec.")
    table = _table(title, ("form",), (*CYCLES, *VOLUMES, *ratios))
    for form, estimate in compared.items():
        cost = estimate.cost
        table.add_row(
            form,
            *_cycles(cost),
            *_volumes(cost, estimate.machine),
            f"{cost.cycles / plain.cost.cycles:.2f}",
            f"{cost.macs / plain.cost.macs:.2f}",
            f"{estimate.utilisation / plain.utilisation:.2f}",
            str(estimate.coverage.asked - estimate.coverage.costed or ""),
        )
    return table


def _letters(estimate: Estimate) -> dict[str, str]:
    """A letter for every different evidence of a layer, in the order of the layers."""
    sentences = dict.fromkeys(_evidence(layer, estimate.machine) for layer in estimate.layers)
    return dict(zip(sentences, ascii_lowercase, strict=False))


def _evidence(layer: LayerCost, machine: Machine) -> str:
    costed = [each.primitive for each in layer.primitives if each.reason is None]
    return evidence_of(costed, machine, judged()).sentence


def _heading(estimate: Estimate) -> str:
    asked = estimate.network
    form = f", {asked.stage} as {asked.form}" if asked.stage else ""
    energy = estimate.machine.energy
    table = f"; energy in pJ by {energy.title}" if energy else ""
    return f"{asked.name} ({asked.size}{form}) on {estimate.machine.title}{table}"


def _table(title: str, texts: tuple[str, ...], numbers: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in texts:
        table.add_column(name, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _quantities(cost: Cost, machine: Machine) -> tuple[str, ...]:
    share = f"{cost.utilisation(machine.array.macs_per_cycle):.1%}"[:-1]
    return (*_cycles(cost), share, *_volumes(cost, machine))


def _cycles(cost: Cost) -> tuple[str, ...]:
    parts = [part for name, part in cost.budget.items() if "stall" not in name]
    return tuple(f"{part:,}" for part in (cost.cycles, *parts, cost.waiting_cycles))


def _volumes(cost: Cost, machine: Machine) -> tuple[str, ...]:
    least = f"{cost.dram_bytes / cost.lower_bound_bytes:.2f}" if cost.lower_bound_bytes else ""
    kilobytes = (f"{size / 1e3:,.1f}" for size in (cost.sram_bytes, cost.dram_bytes))
    energy = energy_of(cost, machine)
    spent = f"{energy.total_pj:.3g}" if energy else ""
    return (f"{cost.macs / 1e6:,.1f}", *kilobytes, least, spent)
