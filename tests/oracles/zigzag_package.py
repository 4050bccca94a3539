"""ZigZag 3.9.1 itself, run in an environment of its own, and its numbers as rows.

Asked of the accelerator and the mapping that the package ships as ``tpu_like``, for the lowest
latency, with the package's own search at its defaults. ``python -m tests.oracles.zigzag_package``
prints the rows as CSV, which is how ``hwsim/published/zigzag_3_9_1.csv`` was made.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.oracles.peer_layers import LAYERS
from tests.oracles.recorded_rows import ROOT, print_rows

PYTHON = Path(os.environ.get("ZIGZAG_PYTHON", ROOT / ".venv-zigzag" / "bin" / "python"))
DRAM_WORD_BYTES = 8
SAID = (
    "zigzag-dse 3.9.1; its inputs/hardware/tpu_like.yaml and inputs/mapping/tpu_like.yaml, "
    "opt=latency, loma, uneven, lpf_limit=6; python -m tests.oracles.zigzag_package"
)
RUN = """
import json, sys, time
from importlib.resources import files
from zigzag.api import get_hardware_performance_zigzag
from zigzag.datatypes import LayerOperand
from zigzag.mapping.data_movement import DataDirection

inputs = files("zigzag") / "inputs"
found = []
for number, layer in enumerate(json.load(sys.stdin)):
    begun = time.perf_counter()
    *_, kept = get_hardware_performance_zigzag(
        [layer], str(inputs / "hardware/tpu_like.yaml"), str(inputs / "mapping/tpu_like.yaml"),
        opt="latency", dump_folder=f"{sys.argv[1]}/{number}", lpf_limit=6,
        temporal_mapping_search_engine="loma", temporal_mapping_type="uneven",
        loma_show_progress_bar=False,
    )
    seconds = time.perf_counter() - begun
    cost = kept[0][1][0][0]
    outside = {op.name: moves[-1] for op, moves in cost.memory_word_access.items()}
    order = cost.temporal_mapping.mapping_dic_stationary[LayerOperand("W")]
    found.append({
        "array_cycles": cost.ideal_temporal_cycle,
        "stall_cycles": cost.stall_slack_comb,
        "onloading_cycles": cost.data_onloading_cycle,
        "offloading_cycles": cost.data_offloading_cycle,
        "drain_cycles": cost.systolic_drain_cycle,
        "cycles": cost.latency_total2,
        "ifmap_words": outside["I"].get(DataDirection.RD_OUT_TO_LOW),
        "filter_words": outside["W"].get(DataDirection.RD_OUT_TO_LOW),
        "ofmap_words": outside["O"].get(DataDirection.WR_IN_BY_LOW)
        + outside["O"].get(DataDirection.RD_OUT_TO_LOW),
        "energy_pj": cost.energy_total,
        "loops": " ".join(f"{dim.name}{size}" for level in order for dim, size in level),
        "seconds": seconds,
    })
print(json.dumps(found))
"""


def rows():
    """What the package says of every layer, with the layer; ``loops`` from the innermost out."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [str(PYTHON), "-c", RUN, folder],
            input=json.dumps([_described(*each) for each in LAYERS.items()]),
            check=True,
            capture_output=True,
            text=True,
            timeout=600,
            cwd=folder,
        )
    found = json.loads(done.stdout)
    return [
        {"layer": name, **sizes.columns, **_row(said)}
        for (name, sizes), said in zip(LAYERS.items(), found, strict=True)
    ]


def _row(said):
    row = {}
    for name, value in said.items():
        if name.endswith("_words"):
            row[name.replace("words", "bytes")] = f"{value * DRAM_WORD_BYTES:.0f}"
        elif name.endswith("cycles"):
            row[name] = f"{value:.0f}"
        elif name in {"energy_pj", "seconds"}:
            row[name] = f"{value:.1f}"
        else:
            row[name] = value
    return row


def _described(name, sizes):
    """A layer in the package's own terms."""
    return {
        "id": 0,
        "name": name.replace("/", " by "),
        "operator_type": "Conv",
        "equation": "O[b][k][oy][ox]+=W[k][c][fy][fx]*I[b][c][iy][ix]",
        "dimension_relations": [f"ix={sizes.stride}*ox+1*fx", f"iy={sizes.stride}*oy+1*fy"],
        "loop_dims": ["B", "K", "C", "OY", "OX", "FY", "FX"],
        "loop_sizes": [
            1,
            sizes.out_channels,
            sizes.in_channels,
            sizes.out_height,
            sizes.out_width,
            sizes.kernel,
            sizes.kernel,
        ],
        "operand_precision": {"I": 8, "W": 8, "O": 16, "O_final": 8},
        "operand_source": {"I": 0},
        "pr_loop_dims": ["IX", "IY"],
        "pr_loop_sizes": [sizes.width, sizes.height],
        "padding": [[sizes.padding] * 2] * 2,
    }


if __name__ == "__main__":
    print_rows(SAID, rows(), sys.stdout)
