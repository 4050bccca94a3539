"""SCALE-Sim's convention is what SCALE-Sim 3.0.0 reports, run here; so is what we recorded."""

import csv

import pytest

from hwsim.cycles.scalesim import output_size, report
from tests.oracles.scalesim_package import PYTHON, ROOT, RUNS, rows_of

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason=f"SCALE-Sim 3.0.0 is not installed in {PYTHON.parents[1].name}"
)
RECORD = ROOT / "hwsim" / "published" / "scalesim_3_0_0.csv"


def claimed(row):
    sizes = [int(size) for size in row["sizes"].split()]
    if row["kind"] == "conv":
        height, width, kernel_h, kernel_w, channels, filters, stride = sizes
        pixels = output_size(height, kernel_h, stride) * output_size(width, kernel_w, stride)
        sizes = [pixels, filters, kernel_h * kernel_w * channels]
    return report(*sizes, int(row["rows"]), int(row["cols"]), row["dataflow"])


def disagreements(rows, change=lambda said: said):
    wrong = []
    for row in rows:
        said = change(claimed(row))
        wrong += [
            (row["layer"], name, value, row[name])
            for name, value in said._asdict().items()
            if abs(float(row[name]) - value) > 1e-9 * abs(value)
        ]
    return wrong


@pytest.mark.parametrize(
    "run", RUNS, ids=lambda run: f"{run.kind}-{run.rows}x{run.cols}-{run.dataflow}"
)
def test_the_convention_is_what_the_package_reports_and_so_is_the_record(run):
    rows = rows_of(run)
    assert {row["stall_cycles"] for row in rows} == {"0"}
    assert disagreements(rows) == []
    with RECORD.open(encoding="utf-8", newline="") as file:
        recorded = [
            row
            for row in csv.DictReader(file)
            if (row["kind"], row["rows"], row["cols"], row["dataflow"])
            == (run.kind, str(run.rows), str(run.cols), run.dataflow)
        ]
    assert recorded == rows


def test_a_convention_with_the_missing_cycle_is_seen_to_fail():
    rows = rows_of(RUNS[0])
    assert disagreements(rows, lambda said: said._replace(total_cycles=said.total_cycles + 1))
