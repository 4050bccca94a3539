"""How large an array should be: a sweep in one process, its front, and a question to DuckDB.

python examples/best_of_a_sweep.py OUT
"""

import sys
from pathlib import Path

import duckdb

import hwsim
from hwsim.io.runners import locally
from hwsim.io.sweeps import missing, start, write_part
from hwsim.sweep import plan

SIDES = (16, 32, 64, 128, 256)


def main(out: Path) -> None:
    """Sweep square and oblong arrays under ResNet-34; print the quickest for each peak."""
    varied = {"array.rows": SIDES, "array.cols": SIDES}
    asked = plan([hwsim.preset("tpu-v1")], varied, [hwsim.network("resnet34")])
    parts = start(out / "sweep", asked, resume=False)
    for number, content in locally(parts, missing(parts)[0], processes=1):
        write_part(parts, number, content)
    points = duckdb.read_parquet(str(out / "sweep" / "part-*.parquet"))
    sums = points.aggregate(
        'peak_macs_per_cycle AS peak, "array.rows" AS rows, "array.cols" AS cols, '
        "sum(cycles) AS cycles"
    )
    quickest = sums.aggregate("peak, min(cycles) AS cycles, arg_min(rows, cycles) AS rows")
    for peak, cycles, rows in quickest.order("peak").fetchall():
        print(f"{peak:6,} MACs per cycle: {rows} x {peak // rows}, {cycles:,} cycles")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
