"""Judgements that come with the package: what the RTL took, and what validation found."""

import json
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from hwsim.cycles import array_cycles
from hwsim.dataflow import DATAFLOWS
from hwsim.evidence import Judged
from hwsim.machine import Array
from hwsim.workload import Gemm


@cache
def judged() -> tuple[Judged, ...]:
    """Every judgement on record."""
    return tuple(_by_rtl(_record("rtl", "cycles.json").get("measured", [])))


def _record(*path: str) -> dict[str, Any]:
    place = files("hwsim").joinpath(*path)
    if not place.is_file():
        return {}
    found: dict[str, Any] = json.loads(place.read_text("utf-8"))
    return found


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
