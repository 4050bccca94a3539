"""Speed of sweeps: ``make bench-hwsim``. Prints one Markdown table of what it measured.

The command from the shell, two processes, into Parquet on a disk that is emptied after: a point is
one layer on one machine, a network point a whole network in one form, at one batch, on one machine.
Memory is the largest that the command's processes took, each by itself. Beside it whole networks
with the search, one by one in this process.
"""

import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hwsim import estimate, network, preset, preset_names

GRID = """
[machine]
base = ["scalesim-default", "tpu-v1", "gemmini-default"]
[machine.vary]
"array.rows" = [8, 16, 24, 32, 48, 64, 96, 128, 192, 256]
"array.cols" = [8, 16, 24, 32, 48, 64, 96, 128, 192, 256]
"dram.bytes_per_cycle" = ["4", "8", "12", "16", "24", "32", "48", "64", "96", "128"]
"buffers.ifmap_bytes" = [65536, 262144]
[workload]
network = ["resnet34", "resnet50"]
stage = "conv4_x"
form = ["convolution", "xvolution-fused"]
batch = [1]
"""
SECONDS = 60
"""What 10⁶ points on two cores may take: our target."""


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as held:
        path, out = Path(held) / "grid.toml", Path(held) / "out"
        path.write_text(GRID, encoding="utf-8")
        command = [sys.executable, "-c", "from hwsim.cli import main; main()"]
        words = ["sweep", str(path), "--out", str(out), "--processes", "2"]
        began = time.perf_counter()
        done = subprocess.run(  # noqa: S603 - our own command
            [*command, *words], capture_output=True, text=True, check=True
        )
        seconds = time.perf_counter() - began
        size = sum(each.stat().st_size for each in out.glob("*.parquet"))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    (points, machines, networks) = (
        int(text.replace(",", "")) for text in re.findall(PATTERN, done.stdout)[0]
    )
    rate = points / seconds
    lines = (
        ("what", "measured", "how"),
        ("---", "---", "---"),
        (
            f"a sweep of {points:,} points",
            f"{seconds:.1f} s",
            "two processes, start and checks too",
        ),
        ("10⁶ points, at that rate", f"{1e6 / rate:.1f} s", f"target: {SECONDS} s"),
        ("network points a second", f"{machines * networks / seconds:,.0f}", "in that sweep"),
        ("memory of the largest process", f"{peak / 1e6:.0f} MB", f"{size / 1e6:.0f} MB written"),
        ("whole networks, searched", f"{_searched():.2f} a second", SEARCHED),
    )
    sys.stdout.writelines(f"| {' | '.join(line)} |\n" for line in lines)


PATTERN = r"= ([\d,]+) points: ([\d,]+) machines x ([\d,]+) network"
SEARCHED = "ResNet-34 on every preset, nothing remembered, one process"


def _searched() -> float:
    asked = network("resnet34")
    began = time.process_time()
    for name in preset_names():
        estimate(asked, preset(name))
    return len(preset_names()) / (time.process_time() - began)


if __name__ == "__main__":
    main()
