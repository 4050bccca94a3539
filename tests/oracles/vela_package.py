"""Vela 5.2.0 itself, run in an environment of its own, and what it says of each layer as rows.

Each layer is a TFLite file of its own (``vela_layer``), compiled for an Ethos-U55 with 256 MACs
whose weights and feature maps lie in one SRAM behind one port, as our preset has it.
``python -m tests.oracles.vela_package`` prints the rows as CSV, which is how
``hwsim/published/vela_5_2_0.csv`` was made.
"""

import csv
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.oracles.peer_layers import LAYERS
from tests.oracles.recorded_rows import ROOT, print_rows

PYTHON = Path(os.environ.get("VELA_PYTHON", ROOT / ".venv-vela" / "bin" / "python"))
SYSTEM = "Ethos_U55_High_End_Embedded"
SETTINGS = (
    *("--accelerator-config", "ethos-u55-256"),
    *("--config", "Arm/vela.ini"),
    *("--system-config", SYSTEM),
    *("--memory-mode", "Sram_Only"),
    "--verbose-schedule",
)
SAID = (
    f"ethos-u-vela 5.2.0; vela {' '.join(SETTINGS)}, a layer at a time; "
    "python -m tests.oracles.vela_package"
)
COLUMNS = {
    "cycles_npu": "npu_cycles",
    "cycles_sram_access": "memory_cycles",
    "cycles_total": "cycles",
    "sram_feature_map_read_bytes": "ifmap_bytes",
    "sram_weight_read_bytes": "filter_bytes",
    "sram_feature_map_write_bytes": "ofmap_bytes",
    "sram_total_bytes": "bytes",
    "total_npu_encoded_weights": "encoded_bytes",
}
"""Of the summary's columns. Scales and biases are in the total alone."""
BLOCK = re.compile(r"OFM Block=\[1, (\d+), (\d+), (\d+)\], .*Traversal=(\w+)")


def rows():
    """What the compiler estimates for every layer, with the layer and the block it chose."""
    with tempfile.TemporaryDirectory() as folder:
        return [_row(name, sizes, Path(folder)) for name, sizes in LAYERS.items()]


def _row(name, sizes, folder):
    network = folder / "layer.tflite"
    shape = map(str, sizes[:-1])
    _run(PYTHON, str(ROOT / "tests" / "oracles" / "vela_layer.py"), str(network), *shape)
    begun = time.perf_counter()
    said = _run(
        PYTHON.with_name("vela"), str(network), *SETTINGS, "--output-dir", str(folder / "out")
    )
    seconds = time.perf_counter() - begun
    with (folder / "out" / f"layer_summary_{SYSTEM}.csv").open(
        encoding="utf-8", newline=""
    ) as file:
        (summary,) = csv.DictReader(file)
    *block, traversal = BLOCK.search(said).groups()
    return {
        "layer": name,
        **sizes.columns,
        **{ours: summary[theirs] for theirs, ours in COLUMNS.items()},
        "block": " ".join(block),
        "traversal": traversal,
        "seconds": f"{seconds:.1f}",
    }


def _run(program, *arguments):
    done = subprocess.run(
        [str(program), *arguments], check=True, capture_output=True, text=True, timeout=120
    )
    return done.stdout


if __name__ == "__main__":
    print_rows(SAID, rows(), sys.stdout)
