"""Cycles of layers on the bare SystemVerilog arrays, measured in a simulator.

Operands are seeded integers over the whole range of 9-bit activations and 8-bit weights. What an
array returns must be their product, or its cycles mean nothing: that is an error here.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwsim.dataflow import DATAFLOWS, INPUT_STATIONARY, OUTPUT_STATIONARY
from hwsim.rtl.record import Measured, Record, sources_sha256
from hwsim.rtl.simulator import Name, SimulatorError, available, build, design, run
from hwsim.workload import Convolution, Gemm

BENCH = "hwsim.rtl.bench_gemm"
COMMAND = "hwsim rtl cycles --write hwsim/rtl/cycles.json"
MEMORY_WORDS = 32768
ARRAYS = ((2, 5), (4, 4), (8, 8), (2, 16), (16, 4), (16, 16))

# Layers of the networks in this repository with their kernels, strides and padding; images and
# channels cut so that a product fits the memories of the bench. Sizes are ours.
CONVOLUTIONS = {
    "resnet50.conv1 on 24x24": Convolution(
        in_channels=3, height=24, width=24, out_channels=20, kernel_h=7, kernel_w=7, stride=2,
        padding=3,
    ),
    "resnet50.conv3_2.conv1 on 7x7, 64 to 33": Convolution(
        in_channels=64, height=7, width=7, out_channels=33
    ),
    "resnet50.conv3_2.conv2 on 7x7, 32 to 40": Convolution(
        in_channels=32, height=7, width=7, out_channels=40, kernel_h=3, kernel_w=3, padding=1
    ),
    "its fused X-volution on 6x6, 5 x 8 to 12": Convolution(
        in_channels=40, height=6, width=6, out_channels=12, kernel_h=3, kernel_w=3, padding=1
    ),
    "alexnet.conv1 on 35x35, 3 to 12": Convolution(
        in_channels=3, height=35, width=35, out_channels=12, kernel_h=11, kernel_w=11, stride=4
    ),
    "vgg16.conv1_1 on 9x9, 3 to 16": Convolution(
        in_channels=3, height=9, width=9, out_channels=16, kernel_h=3, kernel_w=3, padding=1
    ),
    "one group of one channel on 7x7": Convolution(
        in_channels=1, height=7, width=7, out_channels=1, kernel_h=3, kernel_w=3, padding=1
    ),
    "fully connected, 200 to 100": Convolution(
        in_channels=200, height=1, width=1, out_channels=100
    ),
    "one multiplication": Convolution(in_channels=1, height=1, width=1, out_channels=1),
}  # fmt: skip


class _Run(NamedTuple):
    """A product as the array is given it, and what must come out."""

    measured: dict[str, Any]
    order: dict[str, Any]
    expected: NDArray[np.int64]


def product_of(conv: Convolution) -> Gemm:
    """Matrix product of a convolution in one group: pixels × channels × (channels · taps)."""
    pixels = conv.batch * conv.out_height * conv.out_width
    return Gemm(pixels, conv.out_channels, conv.in_channels * conv.taps)


LAYERS = {name: product_of(conv) for name, conv in CONVOLUTIONS.items()}


def measure(
    arrays: Sequence[tuple[int, int]] = ARRAYS,
    *,
    work: Path,
    simulator: Name | None = None,
    dataflows: Sequence[str] = tuple(DATAFLOWS),
    layers: dict[str, Gemm] | None = None,
) -> Record:
    """Run every layer on every array in every dataflow.

    Raises
    ------
    SimulatorError
        If no simulator can run, or an array returns anything but the product.
    """
    chosen = simulator or available()
    products = LAYERS if layers is None else layers
    found: list[Measured] = []
    for rows, cols in arrays:
        for stationary in (False, True):
            flows = [flow for flow in dataflows if (flow != OUTPUT_STATIONARY.name) == stationary]
            if flows:
                found += _on_one_array(rows, cols, flows, products, work, chosen)
    return Record(
        command=COMMAND,
        simulator=chosen,
        sources_sha256=sources_sha256(),
        measured=tuple(found),
    )


def _on_one_array(
    rows: int, cols: int, flows: list[str], layers: dict[str, Gemm], work: Path, simulator: Name
) -> list[Measured]:
    """All layers on one build, in the dataflows it can run."""
    stays = flows[0] != OUTPUT_STATIONARY.name
    parameters = {
        "ROWS": rows,
        "COLS": cols,
        "WEIGHT_STATIONARY": int(stays),
        "DEPTH": MEMORY_WORDS,
    }
    built = build(design("xv_gemm", parameters), work, simulator)
    runs = [_run(name, gemm, flow, rows, cols) for flow in flows for name, gemm in layers.items()]
    reports = run(built, "xv_gemm", BENCH, job={"products": [each.order for each in runs]})
    return [_measured(each, report) for each, report in zip(runs, reports, strict=True)]


def _run(layer: str, gemm: Gemm, flow: str, rows: int, cols: int) -> _Run:
    random = np.random.default_rng([gemm.m, gemm.n, gemm.k])
    a = random.integers(-255, 256, (gemm.m, gemm.k))
    b = random.integers(-128, 128, (gemm.k, gemm.n))
    expected = a @ b
    if flow == OUTPUT_STATIONARY.name:
        west, north = a, b
    elif flow == INPUT_STATIONARY.name:  # a stays, and what stays has 8 bits
        a = np.clip(a, -128, 127)
        west, north, expected = b, a.T, (a @ b).T
    else:
        west, north = a.T, b
    dataflow = DATAFLOWS[flow]
    shape = [getattr(gemm, dim) for dim in (dataflow.rows, dataflow.cols, dataflow.streamed)]
    return _Run(
        measured={
            "layer": layer,
            **gemm._asdict(),
            "dataflow": flow,
            "rows": rows,
            "cols": cols,
        },
        order={
            "west": west.reshape(-1).tolist(),
            "north": north.reshape(-1).tolist(),
            "shape": shape,
            "results": expected.size,
        },
        expected=expected.reshape(-1),
    )


def _measured(each: _Run, report: dict[str, Any]) -> Measured:
    wrong = int((np.array(report["result"]) != each.expected).sum())
    if wrong:
        raise SimulatorError(
            f"{each.measured['layer']} on {each.measured['rows']}x{each.measured['cols']}, "
            f"{each.measured['dataflow']}, must return the product; {wrong} words differ"
        )
    counters = {name: report[name] for name in ("cycles", "feeding", "folds")}
    return Measured(**each.measured, **counters)
