"""Which layers of ResNet-50 wait for memory on a machine, as a Polars frame and two pictures.

python examples/layers_of_a_network.py OUT
"""

import sys
from pathlib import Path

import polars as pl

import hwsim


def main(out: Path) -> None:
    """Print the layers that stall most; write the budget and the roofline."""
    result = hwsim.estimate(hwsim.network("resnet50"), hwsim.preset("tpu-v1"))
    frame = hwsim.to_polars(result)
    share = (pl.col("stall_cycles") / pl.col("cycles")).alias("stalled")
    print(frame.select("name", "cycles", share).sort("stalled", descending=True).head(5))
    hwsim.plot(result, "budget").savefig(out / "budget.png")
    hwsim.plot(result, "roofline").savefig(out / "roofline.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
