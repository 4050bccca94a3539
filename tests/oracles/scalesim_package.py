"""SCALE-Sim 3.0.0 itself, run in an environment of its own, and its reports as rows.

``make test-oracles`` makes the environment: its numpy must be 2.3, and the layout file that the
package asks for and does not ship is written here. ``python -m tests.oracles.scalesim_package``
prints the rows as CSV, which is how ``hwsim/published/scalesim_3_0_0.csv`` was made.
"""

import csv
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PYTHON = Path(os.environ.get("SCALESIM_PYTHON", ROOT / ".venv-scalesim" / "bin" / "python"))
ARRAYS = ((8, 4), (5, 7), (3, 16))
DATAFLOWS = ("os", "ws", "is")
CONVOLUTIONS = {  # rows, columns, kernel, kernel, channels, filters, stride
    "first": (23, 23, 7, 7, 3, 8, 2),
    "square": (14, 14, 3, 3, 8, 12, 1),
    "pointwise": (7, 9, 1, 1, 16, 24, 1),
    "strided": (15, 11, 3, 3, 4, 10, 2),
    "wide": (6, 20, 2, 5, 3, 9, 3),
    "whole": (5, 5, 5, 5, 6, 11, 1),
}
PRODUCTS = {  # M, N, K
    "square": (16, 16, 16),
    "row": (1, 40, 33),
    "deep": (9, 7, 100),
    "tall": (61, 5, 12),
}
CONFIGURATION = """
[general]
run_name = run
[run_presets]
InterfaceBandwidth = CALC
UseRamulatorTrace = False
[architecture_presets]
ArrayHeight = {rows}
ArrayWidth = {cols}
IfmapSramSzkB = 64
FilterSramSzkB = 64
OfmapSramSzkB = 64
IfmapOffset = 0
FilterOffset = 10000000
OfmapOffset = 20000000
Dataflow = {dataflow}
ReadRequestBuffer = 64
WriteRequestBuffer = 64
[layout]
IfmapCustomLayout = False
IfmapSRAMBankBandwidth = 10
IfmapSRAMBankNum = 10
IfmapSRAMBankPort = 2
FilterCustomLayout = False
FilterSRAMBankBandwidth = 10
FilterSRAMBankNum = 10
FilterSRAMBankPort = 2
[sparsity]
SparsitySupport = false
SparseRep = ellpack_block
OptimizedMapping = false
BlockSize = 4
RandomNumberGeneratorSeed = 40
"""
COLUMNS = {
    "COMPUTE_REPORT.csv": {
        "Total Cycles": "total_cycles",
        "Stall Cycles": "stall_cycles",
        "Mapping Efficiency %": "mapping_efficiency",
        "Compute Util %": "compute_utilisation",
    },
    "DETAILED_ACCESS_REPORT.csv": {
        "SRAM IFMAP Reads": "ifmap_reads",
        "SRAM Filter Reads": "filter_reads",
        "SRAM OFMAP Writes": "ofmap_writes",
    },
}
RUN = """
import sys
from scalesim.scale_sim import scalesim
config, topology, layout, out, gemm = sys.argv[1:]
scalesim(save_disk_space=True, verbose=False, config=config, topology=topology, layout=layout,
         input_type_gemm=gemm == "gemm").run_scale(top_path=out)
"""


class Run(NamedTuple):
    """One array, one dataflow, and convolutions or matrix products."""

    rows: int
    cols: int
    dataflow: str
    kind: str


RUNS = [
    Run(rows, cols, dataflow, kind)
    for kind in ("conv", "gemm")
    for rows, cols in ARRAYS
    for dataflow in DATAFLOWS
]


def rows_of(run: Run, layers: Mapping[str, tuple[int, ...]] | None = None) -> list[dict[str, str]]:
    """What the package reports for every layer of a run, with the layer and the array."""
    layers = layers or (CONVOLUTIONS if run.kind == "conv" else PRODUCTS)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("run.cfg", "topology.csv", "layout.csv")]
        settings = CONFIGURATION.format(rows=run.rows, cols=run.cols, dataflow=run.dataflow)
        table = "".join(f"{name},{','.join(map(str, sizes))},\n" for name, sizes in layers.items())
        layout = "".join(f"{name},{'1,' * 13}\n" for name in layers)
        for path, text in zip(
            paths, (settings, "header,\n" + table, "header,\n" + layout), strict=True
        ):
            path.write_text(text, encoding="utf-8")
        command = [str(PYTHON), "-c", RUN, *map(str, paths), folder, run.kind]
        subprocess.run(command, check=True, capture_output=True, timeout=300)
        reports = [_report(Path(folder) / "run" / name, names) for name, names in COLUMNS.items()]
    described = [
        {
            "kind": run.kind,
            "layer": name,
            "sizes": " ".join(map(str, sizes)),
            "rows": str(run.rows),
            "cols": str(run.cols),
            "dataflow": run.dataflow,
        }
        for name, sizes in layers.items()
    ]
    return [one | two | three for one, two, three in zip(described, *reports, strict=True)]


def _report(path: Path, names: dict[str, str]) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [
            {
                names[key.strip()]: value.strip()
                for key, value in row.items()
                if key.strip() in names
            }
            for row in csv.DictReader(file)
        ]


def _print_all() -> None:
    table = [row for run in RUNS for row in rows_of(run)]
    writer = csv.DictWriter(sys.stdout, list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)


if __name__ == "__main__":
    _print_all()
