"""Estimates as CSV and JSON text: the same bytes for the same estimate."""

import csv
import io
import json
from dataclasses import asdict
from typing import Any, TypeAlias

from hwsim.cost import Cost
from hwsim.energy import LEVELS, energy_of
from hwsim.evaluate import Estimate, LayerCost, PrimitiveCost
from hwsim.evidence import Evidence, evidence_of
from hwsim.io.judged import judged
from hwsim.machine import Machine
from hwsim.report.machines import machine_dict

Row: TypeAlias = dict[str, Any]


def layer_rows(estimate: Estimate) -> list[Row]:
    """One flat row per layer: quantities have their unit in the key."""
    return [
        {
            "name": layer.name,
            "form": layer.form,
            **cost_row(layer.cost, estimate.machine),
            "not_executable": "; ".join(layer.not_executable),
            "evidence": _evidence(layer, estimate.machine).sentence,
        }
        for layer in estimate.layers
    ]


def cost_row(cost: Cost, machine: Machine) -> Row:
    """The fields of a cost: totals first, then its parts, its utilisation and its energy."""
    energy = energy_of(cost, machine)
    return {
        "macs": cost.macs,
        "cycles": cost.cycles,
        "utilisation": round(cost.utilisation(machine.array.macs_per_cycle), 6),
        "sram_bytes": cost.sram_bytes,
        "dram_bytes": cost.dram_bytes,
        "energy_pj": round(energy.total_pj, 3) if energy else None,
        **{key: value for key, value in asdict(cost).items() if key != "macs"},
        **{
            f"{level}_energy_pj": round(getattr(energy, f"{level}_pj"), 3) if energy else None
            for level in LEVELS
        },
    }


def to_csv(estimate: Estimate) -> str:
    """CSV text with a header and one line per layer; what is not known is empty."""
    rows = layer_rows(estimate)
    text = io.StringIO()
    names = list(rows[0]) if rows else ["name"]
    writer = csv.DictWriter(text, fieldnames=names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def to_json(estimate: Estimate) -> str:
    """JSON text: what was asked, the total, the coverage, and every layer and primitive."""
    return json.dumps(to_dict(estimate), indent=2, ensure_ascii=False) + "\n"


def to_dict(estimate: Estimate) -> Row:
    """Everything an estimate knows, in plain types."""
    asked, machine, coverage = estimate.network, estimate.machine, estimate.coverage
    energy = estimate.energy
    every = {_evidence(layer, machine): None for layer in estimate.layers}
    return {
        "network": asked.name,
        "stage": asked.stage,
        "form": asked.form,
        "batch": asked.batch,
        "input": {"height": asked.height, "width": asked.width},
        "inputs": {name: list(shape) for name, shape in asked.inputs.items()},
        "machine": machine_dict(machine),
        "peak_macs_per_cycle": machine.array.macs_per_cycle,
        "energy": {
            "table": machine.energy.title if machine.energy else None,
            "without": list(energy.missing) if energy else [],
        },
        "total": {
            **cost_row(estimate.cost, machine),
            "seconds": estimate.seconds,
            "evidence": [each._asdict() for each in every],
        },
        "coverage": {**asdict(coverage), "sentence": coverage.sentence},
        "layers": [_layer(layer, machine) for layer in estimate.layers],
    }


def _evidence(layer: LayerCost, machine: Machine) -> Evidence:
    costed = [each.primitive for each in layer.primitives if each.reason is None]
    return evidence_of(costed, machine, judged())


def _layer(layer: LayerCost, machine: Machine) -> Row:
    return {
        "name": layer.name,
        "form": layer.form,
        "nodes": list(layer.nodes),
        **cost_row(layer.cost, machine),
        "evidence": _evidence(layer, machine)._asdict(),
        "primitives": [_primitive(each, machine) for each in layer.primitives],
    }


def _primitive(each: PrimitiveCost, machine: Machine) -> Row:
    return {
        "kind": type(each.primitive).__name__.lower(),
        "shape": asdict(each.primitive),
        "tiling": each.tiling._asdict() if each.tiling else None,
        "searched": each.searched.sentence if each.searched else None,
        "way": each.way,
        "not_executable": each.reason,
        **cost_row(each.cost, machine),
    }
