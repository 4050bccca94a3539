"""Speed of the cost model: ``make bench-hwsim``. Prints one Markdown table of what it measured.

One process, one thread, seconds of the processor (other work on the machine does not count).
Pairs of a layer and a machine in columns, under the fixed mapping rule,
traffic and stalls included; the same with the search, one by one; whether a larger layer takes
longer; the command from the shell, cold; and SCALE-Sim 3.0.0 on one layer at the same answer, where
``make test-oracles`` has made its environment.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from hwsim import Convolution, network, preset, preset_names
from hwsim.batch import evaluate, layer_table, machine_table
from hwsim.cycles.scalesim import report
from hwsim.machine import Machine
from hwsim.search import best_run
from tests.oracles.scalesim_package import Run, rows_of

PAIRS = 1 << 19
ROUNDS = 5
SCALESIM = Path(__file__).parents[1] / ".venv-scalesim" / "bin" / "python"
SCALESIM_LAYER = (14, 14, 3, 3, 32, 32, 1)
SCALESIM_ARRAY = (16, 8)


class Measured(NamedTuple):
    """One line of the table."""

    what: str
    value: str
    how: str


def measure() -> Iterator[Measured]:
    """All lines."""
    convs = sorted(_convolutions("resnet50", "alexnet", "vgg16"), key=repr)
    units = [preset(name) for name in preset_names()]
    yield _columns(convs, units)
    yield _one_by_one(convs, [preset("tpu-v1"), preset("scalesim-default")])
    yield _larger()
    yield _shell()
    if SCALESIM.exists():
        yield _scalesim()
    else:
        yield Measured("SCALE-Sim 3.0.0, one layer", "not run", "make test-oracles installs it")


def _columns(convs: list[Convolution], units: list[Machine]) -> Measured:
    layers, machines = layer_table(convs), machine_table(units)
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, len(convs), PAIRS), rng.integers(0, len(units), PAIRS)
    seconds = _seconds(lambda: evaluate(layers, machines, *pairs))
    return Measured(
        "layer × machine, fixed mapping rule, in columns",
        f"{PAIRS / seconds / 1e6:.2f} million a second",
        f"{PAIRS} random pairs of {len(convs)} layers and {len(units)} presets",
    )


def _one_by_one(convs: list[Convolution], units: list[Machine]) -> Measured:
    pairs = [(conv, unit) for conv in convs for unit in units]
    seconds = _seconds(lambda: [best_run(*pair) for pair in pairs], rounds=3)
    return Measured(
        "layer × machine, with the search, one by one",
        f"{len(pairs) / seconds:.0f} a second",
        f"{len(pairs)} pairs, {1e3 * seconds / len(pairs):.1f} ms each",
    )


def _larger() -> Measured:
    small = layer_table([Convolution(in_channels=8, height=8, width=8, out_channels=8)])
    sizes = {"batch": 4, "in_channels": 1024, "height": 512, "width": 512, "out_channels": 1024}
    large = layer_table([Convolution(**sizes, kernel_h=3, kernel_w=3, padding=1)])
    machines = machine_table([preset("tpu-v1")])
    pairs = np.zeros(PAIRS // 4, np.int64), np.zeros(PAIRS // 4, np.int64)
    times = [_seconds(partial(evaluate, table, machines, *pairs)) for table in (small, large)]
    return Measured(
        "a layer of 10¹³ MACs beside one of 4096",
        f"{times[1] / times[0]:.2f} times as long",
        "fixed mapping rule, in columns",
    )


def _shell() -> Measured:
    hwsim = Path(sys.executable).with_name("hwsim")
    command = [str(hwsim), "estimate", "resnet50", "--machine", "tpu-v1"]

    samples = []
    for _ in range(ROUNDS):
        start, used = time.perf_counter(), os.times()
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own command
        spent = os.times()
        busy = spent.children_user + spent.children_system
        busy -= used.children_user + used.children_system
        samples.append((busy, time.perf_counter() - start))
    busy, wall = min(samples)
    return Measured(
        "hwsim estimate resnet50 -m tpu-v1, from the shell",
        f"{busy:.2f} s of the processor",
        f"{wall:.2f} s by the clock; the best of {ROUNDS}",
    )


def _scalesim() -> Measured:
    theirs = _scalesim_seconds()
    height, width, kernel_h, kernel_w, channels, filters, _ = SCALESIM_LAYER
    pixels = (height - kernel_h + 1) * (width - kernel_w + 1)
    depth = kernel_h * kernel_w * channels
    ours = _seconds(
        lambda: [report(pixels, filters, depth, *SCALESIM_ARRAY, "os") for _ in range(1000)]
    )
    return Measured(
        "SCALE-Sim 3.0.0, one layer, beside its convention here",
        f"{theirs / (ours / 1000):,.0f} times as long",
        f"{theirs:.2f} s and {1e3 * ours:.1f} µs, a {height}x{width} layer on 16x8, same answer",
    )


def _scalesim_seconds() -> float:
    """Seconds that the package takes for one layer, its imports and reports apart."""
    height, width, kernel_h, kernel_w, channels, filters, _ = SCALESIM_LAYER
    run = Run(*SCALESIM_ARRAY, "os", "conv")
    start = time.perf_counter()
    rows = rows_of(run, {"one": SCALESIM_LAYER})
    with_layer = time.perf_counter() - start
    start = time.perf_counter()
    rows_of(run, {"tiny": (1, 1, 1, 1, 1, 1, 1)})
    without = time.perf_counter() - start
    pixels = (height - kernel_h + 1) * (width - kernel_w + 1)
    said = report(pixels, filters, kernel_h * kernel_w * channels, *SCALESIM_ARRAY, "os")
    if float(rows[0]["total_cycles"]) != said.total_cycles:
        raise AssertionError(f"answers must be the same, not {rows} and {said}")
    return with_layer - without


def _convolutions(*names: str) -> set[Convolution]:
    return {
        primitive
        for name in names
        for layer in network(name).layers
        for primitive in layer.primitives
        if isinstance(primitive, Convolution)
    }


def _seconds(call: Callable[[], object], rounds: int = ROUNDS) -> float:
    call()
    samples = []
    for _ in range(rounds):
        start = time.process_time()
        call()
        samples.append(time.process_time() - start)
    return median(samples)


def main() -> None:
    """Print the table, or write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows = [Measured("what", "measured", "how"), Measured("---", "---", "---"), *measure()]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    if arguments.out is None:
        sys.stdout.write(table)
    else:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()
