"""Array cycles beside those of our own RTL and, in its convention, of SCALE-Sim 3.0.0.

Both must be equal, so what is compared is how many runs there are and how many of them agree. The
runs of SCALE-Sim were recorded from the package; ``make test-oracles`` runs it again.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hwsim.cycles import array_cycles
from hwsim.cycles.scalesim import DATAFLOWS as SCALESIM_DATAFLOWS
from hwsim.cycles.scalesim import Report, output_size, report
from hwsim.dataflow import DATAFLOWS
from hwsim.machine import Array
from hwsim.validate.comparison import Comparison
from hwsim.workload import Gemm

ROUNDING = 1e-12
"""Relative: two ways of dividing the same integers."""


def rtl_comparisons(measured: Sequence[Mapping[str, Any]]) -> Iterator[Comparison]:
    """Per dataflow: in how many of the runs on the SystemVerilog array our cycles are its own."""
    for name, flow in DATAFLOWS.items():
        runs = [run for run in measured if run["dataflow"] == name]
        equal = [
            run
            for run in runs
            if array_cycles(
                Gemm(run["m"], run["n"], run["k"]), Array(rows=run["rows"], cols=run["cols"]), flow
            ).total
            == run["cycles"]
        ]
        yield Comparison(
            target="rtl",
            case=name,
            quantity="runs with equal cycles",
            ours=len(equal),
            theirs=len(runs),
            limit=0.0,
        )


def scalesim_comparisons(rows: Sequence[Mapping[str, str]]) -> Iterator[Comparison]:
    """Per dataflow and quantity: in how many runs ours is what the package reports."""
    for flow in SCALESIM_DATAFLOWS:
        runs = [(row, _said(row)) for row in rows if row["dataflow"] == flow]
        for name in Report._fields:
            equal = [
                row
                for row, said in runs
                if abs(float(row[name]) - getattr(said, name)) <= ROUNDING * float(row[name])
            ]
            yield Comparison(
                target="scalesim",
                case=flow,
                quantity=f"layers with equal {name.replace('_', ' ')}",
                ours=len(equal),
                theirs=len(runs),
                limit=0.0,
            )


def _said(row: Mapping[str, str]) -> Report:
    sizes = [int(size) for size in row["sizes"].split()]
    if row["kind"] == "conv":
        height, width, kernel_h, kernel_w, channels, filters, stride = sizes
        pixels = output_size(height, kernel_h, stride) * output_size(width, kernel_w, stride)
        sizes = [pixels, filters, kernel_h * kernel_w * channels]
    pixels, filters, depth = sizes
    return report(pixels, filters, depth, int(row["rows"]), int(row["cols"]), row["dataflow"])
