"""Estimates as CSV and JSON text: the same bytes for the same estimate."""

import csv
import io
import json
from dataclasses import asdict
from typing import Any, TypeAlias

from hwsim.cost import Cost
from hwsim.evaluate import Estimate, LayerCost, PrimitiveCost

Row: TypeAlias = dict[str, Any]


def layer_rows(estimate: Estimate) -> list[Row]:
    """One flat row per layer: quantities are integers with their unit in the key."""
    return [
        {
            "layer": layer.name,
            "form": layer.form,
            **cost_row(layer.cost, estimate.machine.array.macs_per_cycle),
            "not_executable": "; ".join(layer.not_executable),
        }
        for layer in estimate.layers
    ]


def cost_row(cost: Cost, macs_per_cycle: int) -> Row:
    """The fields of a cost, its total cycles first and its utilisation last."""
    return {
        "cycles": cost.cycles,
        **asdict(cost),
        "utilisation": round(cost.utilisation(macs_per_cycle), 6),
    }


def to_csv(estimate: Estimate) -> str:
    """CSV text with a header and one line per layer."""
    rows = layer_rows(estimate)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def to_json(estimate: Estimate) -> str:
    """JSON text: what was asked, the total, the coverage, and every layer and primitive."""
    return json.dumps(to_dict(estimate), indent=2, ensure_ascii=False) + "\n"


def to_dict(estimate: Estimate) -> Row:
    """Everything an estimate knows, in plain types."""
    asked, machine, coverage = estimate.network, estimate.machine, estimate.coverage
    peak = machine.array.macs_per_cycle
    return {
        "network": asked.name,
        "stage": asked.stage,
        "form": asked.form,
        "batch": asked.batch,
        "input": {"height": asked.height, "width": asked.width},
        "machine": _machine(estimate),
        "total": {**cost_row(estimate.cost, peak), "seconds": estimate.seconds},
        "coverage": {**asdict(coverage), "sentence": coverage.sentence},
        "layers": [_layer(layer, peak) for layer in estimate.layers],
    }


def _machine(estimate: Estimate) -> Row:
    machine = estimate.machine
    described = asdict(machine)
    described["dram"]["bytes_per_cycle"] = str(machine.dram.bytes_per_cycle)
    return {"title": machine.title, **described}


def _layer(layer: LayerCost, peak: int) -> Row:
    return {
        "layer": layer.name,
        "form": layer.form,
        **cost_row(layer.cost, peak),
        "primitives": [_primitive(each, peak) for each in layer.primitives],
    }


def _primitive(each: PrimitiveCost, peak: int) -> Row:
    return {
        "kind": type(each.primitive).__name__.lower(),
        "shape": asdict(each.primitive),
        "tiling": each.tiling._asdict() if each.tiling else None,
        "not_executable": each.reason,
        **cost_row(each.cost, peak),
    }
