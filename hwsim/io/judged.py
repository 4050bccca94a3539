"""Judgements that come with the package: what the RTL took, and what validation found."""

import csv
import json
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from hwsim.convention import SHORT
from hwsim.cycles import array_cycles, scalesim
from hwsim.dataflow import DATAFLOWS
from hwsim.evidence import Judged
from hwsim.io.published import published
from hwsim.machine import Array
from hwsim.validate.eyeriss import eyeriss_comparisons
from hwsim.workload import Gemm


@cache
def judged() -> tuple[Judged, ...]:
    """Every judgement on record."""
    return (
        *_by_rtl(_record("rtl", "cycles.json").get("measured", [])),
        *_by_scalesim(_table("published", "scalesim_3_0_0.csv")),
        *_by_validation(),
    )


def _by_validation() -> Iterator[Judged]:
    """What ``hwsim validate`` finds beside a chip."""
    chip = eyeriss_comparisons(published("eyeriss_alexnet"))
    times = [
        f"{each.case} {100 * each.error:+.1f} %"
        for each in chip
        if each.quantity.startswith("processing time")
    ]
    yield Judged(
        kind="silicon",
        dataflow="row-stationary",
        machine="eyeriss-v1",
        sentence=f"Eyeriss under its published mapping, {', '.join(times)} in time",
    )


def _record(*path: str) -> dict[str, Any]:
    place = files("hwsim").joinpath(*path)
    if not place.is_file():
        return {}
    found: dict[str, Any] = json.loads(place.read_text("utf-8"))
    return found


def _table(*path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(files("hwsim").joinpath(*path).read_text("utf-8").splitlines()))


def _by_scalesim(runs: Sequence[dict[str, str]]) -> Iterator[Judged]:
    """Per dataflow: how often the convention gives the cycles that SCALE-Sim's package reported."""
    for name, short in SHORT.items():
        own = [each for each in runs if each["dataflow"] == short]
        equal = [each for each in own if _reported(each) == int(each["total_cycles"])]
        sentence = f"equal to its package in {len(equal)} of {len(own)} recorded runs"
        yield Judged(kind="scalesim", dataflow=name, machine=None, sentence=sentence)


def _reported(run: dict[str, str]) -> int:
    sizes = [int(each) for each in run["sizes"].split()]
    if run["kind"] == "conv":
        height, width, kernel_h, kernel_w, channels, filters, stride = sizes
        pixels = scalesim.output_size(height, kernel_h, stride)
        pixels *= scalesim.output_size(width, kernel_w, stride)
        product = (pixels, filters, kernel_h * kernel_w * channels)
    else:
        product = (sizes[0], sizes[1], sizes[2])
    found = scalesim.report(*product, int(run["rows"]), int(run["cols"]), run["dataflow"])
    return int(found.total_cycles)


def _by_rtl(measured: Sequence[dict[str, Any]]) -> Iterator[Judged]:
    """Per dataflow: how often the closed form gives the cycles that the RTL took."""
    for name, flow in DATAFLOWS.items():
        runs = [each for each in measured if each["dataflow"] == name]
        equal = [
            each
            for each in runs
            if each["cycles"]
            == array_cycles(
                Gemm(each["m"], each["n"], each["k"]),
                Array(rows=each["rows"], cols=each["cols"]),
                flow,
            ).total
        ]
        if runs:
            largest = max(runs, key=lambda each: each["rows"] * each["cols"])
            sentence = (
                f"equal to RTL in {len(equal)} of {len(runs)} products on arrays up to "
                f"{largest['rows']}x{largest['cols']}"
            )
            yield Judged(kind="rtl", dataflow=name, machine=None, sentence=sentence)
