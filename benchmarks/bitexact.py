"""Bit-exact convolutions beside the ONNX reference and TOSA's reference model, on ResNet layers.

``python -m benchmarks.bitexact``: both sides of a row run in turn with each other; a ratio above 1
says that ours is faster. TOSA's reference model is run as its own program where ``--tosa`` names an
environment that has it; the time of a run on one pixel is taken off, so that starting up does not
count against it. Accumulators are first held to those of ConvInteger. Threads are those that the
environment allows; ``make bench`` allows one.

Then a default set of every operator, as ``refimpl vectors`` writes it, on a machine that has not
compiled anything yet and on one that has.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import numpy as np
import typer
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from rich.console import Console
from rich.progress import Progress

from benchmarks.measure import in_turn, ratio
from refimpl.arrays import Array
from refimpl.bitexact.dense import convolve_narrow
from refimpl.bitexact.formats import default_cast, encode
from refimpl.bitexact.integer_operators import centre
from refimpl.bitexact.operators import ALL_OPERATORS, PIPELINES, geometry_of

err = Console(stderr=True)
TARGETS = {"ConvInteger": 20, "Conv": 0, "TOSA": 10}
SET_SECONDS = 10
TOSA_ROUNDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A convolution of ResNet-50 on 224×224: channels, outputs, side, kernel, stride."""

    name: str
    channels: int
    outputs: int
    side: int
    kernel: int
    stride: int = 1

    @property
    def padding(self) -> int:
        """Pixels on every side."""
        return self.kernel // 2

    @property
    def macs(self) -> int:
        """Products of one image; the side of the output is that of the input over the stride."""
        return self.channels * self.outputs * (self.side // self.stride) ** 2 * self.kernel**2


LAYERS = (
    Layer(name="conv1 7x7/2", channels=3, outputs=64, side=224, kernel=7, stride=2),
    Layer(name="conv2_x 1x1", channels=64, outputs=256, side=56, kernel=1),
    Layer(name="conv2_x 3x3", channels=64, outputs=64, side=56, kernel=3),
    Layer(name="conv3_1 3x3/2", channels=128, outputs=128, side=56, kernel=3, stride=2),
    Layer(name="conv3_1 1x1/2", channels=256, outputs=512, side=56, kernel=1, stride=2),
    Layer(name="conv3_x 1x1", channels=512, outputs=128, side=28, kernel=1),
    Layer(name="conv3_x 3x3", channels=128, outputs=128, side=28, kernel=3),
    Layer(name="conv4_x 1x1", channels=256, outputs=1024, side=14, kernel=1),
    Layer(name="conv4_x 3x3", channels=256, outputs=256, side=14, kernel=3),
    Layer(name="conv5_x 1x1", channels=2048, outputs=512, side=7, kernel=1),
    Layer(name="conv5_x 3x3", channels=512, outputs=512, side=7, kernel=3),
)


def main(
    tosa: Annotated[Path | None, typer.Option(help="Environment with TOSA's tools.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the table here, too.")] = None,
    rounds: int = 5,
) -> None:
    """Measure every layer; print a table of ratios, each with its quartiles."""
    lines = ["| layer | ours | peer | ratio | quartiles | target | ours GMAC/s |"]
    lines.append("|---|---|---|---|---|---|---|")
    sets = ["", "| a default set of | first, compiling | then | target |", "|---|---|---|---|"]
    with Progress(console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("measuring", total=len(LAYERS) + len(ALL_OPERATORS))
        for layer in LAYERS:
            bar.update(task, advance=1, description=layer.name)
            lines += rows(layer, rounds)
            lines += [] if tosa is None else tosa_rows(layer, tosa, rounds)
        for operator in ALL_OPERATORS:
            bar.update(task, advance=1, description=operator)
            first, then = set_seconds(operator)
            sets.append(f"| {operator} | {first:.1f} s | {then:.1f} s | {SET_SECONDS} s |")
    lines += sets
    text = "\n".join(lines) + "\n"
    typer.echo(text)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")


def rows(layer: Layer, rounds: int) -> Iterator[str]:
    """Ours beside the ONNX reference: ConvInteger in int8, Conv in binary32."""
    tensors, attributes = call(layer, "int8")
    ours = pipeline("int8", tensors, attributes)
    peer = reference(layer, "ConvInteger", tensors, attributes["x_zero"])
    sums = accumulators(tensors, attributes)
    if not np.array_equal(sums().reshape(peer().shape), peer()):
        raise AssertionError(f"{layer.name} must have the accumulators of ConvInteger")
    yield row(layer, "int8, accumulators", "ConvInteger", sums, peer, rounds)
    yield row(layer, "int8, all stages to the output", "ConvInteger", ours, peer, rounds)
    tensors, attributes = call(layer, "fp32")
    peer = reference(layer, "Conv", tensors, 0)
    yield row(
        layer, "fp32, declared order", "Conv", pipeline("fp32", tensors, attributes), peer, rounds
    )


def call(layer: Layer, arithmetic: str) -> tuple[dict[str, Array], dict[str, Any]]:
    """Tensors and attributes of a layer."""
    rng = np.random.default_rng(1)
    image = (1, layer.channels, layer.side, layer.side)
    kernels = (layer.outputs, layer.channels, layer.kernel, layer.kernel)
    geometry = {"stride": [layer.stride] * 2, "padding": [layer.padding] * 2}
    if arithmetic != "int8":
        cast = default_cast(arithmetic)
        drawn = (encode(rng.standard_normal(shape), cast) for shape in (image, kernels))
        return dict(zip("xw", drawn, strict=True)), geometry
    tensors = {
        "x": rng.integers(-128, 128, image).astype(np.int8),
        "w": rng.integers(-127, 128, kernels).astype(np.int8),
        "b": rng.integers(-999, 999, layer.outputs).astype(np.int32),
        "multiplier": np.full(layer.outputs, 2**30, np.int32),
        "shift": np.full(layer.outputs, 42, np.int8),
    }
    return tensors, geometry | {"x_zero": 3, "y_zero": 1, "rounding": "half_up"}


def accumulators(tensors: dict[str, Array], attributes: dict[str, Any]) -> Callable[[], Array]:
    """What ConvInteger computes: sums of (x - z)*w, as the pipeline sums them."""
    zero = attributes["x_zero"]

    def run() -> Array:
        x, w = centre(tensors["x"], zero), tensors["w"]
        return convolve_narrow(x, w, geometry_of(x, w, attributes))

    return run


def pipeline(
    arithmetic: str, tensors: dict[str, Array], attributes: dict[str, Any]
) -> Callable[[], dict[str, Array]]:
    """All stages of the convolution."""
    run = PIPELINES["conv2d", arithmetic]
    return lambda: run(tensors, attributes)


def reference(
    layer: Layer, operator: str, tensors: dict[str, Array], zero: int
) -> Callable[[], Array]:
    """The ONNX project's own reference evaluator."""
    integer = operator == "ConvInteger"
    kind, result = (TensorProto.INT8, TensorProto.INT32) if integer else (TensorProto.FLOAT,) * 2
    names = ["x", "w", "zero"] if integer else ["x", "w"]
    places = {"pads": [layer.padding] * 4, "strides": [layer.stride] * 2}
    graph = helper.make_graph(
        [helper.make_node(operator, names, ["y"], **places)],
        "layer",
        [helper.make_tensor_value_info(name, kind, None) for name in names],
        [helper.make_tensor_value_info("y", result, None)],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    evaluator = ReferenceEvaluator(made)
    feed = {name: tensors[name] for name in "xw"}
    if integer:
        feed["zero"] = np.array(zero, np.int8)
    return lambda: evaluator.run(None, feed)[0]


def row(
    layer: Layer,
    ours: str,
    peer: str,
    run: Callable[[], Any],
    other: Callable[[], Any],
    rounds: int,
) -> str:
    """Both sides in turn; one line of the table."""
    timings = in_turn({"ours": run, "peer": other}, rounds)
    middle, low, high = ratio(timings["ours"], timings["peer"])
    target = f"{TARGETS[peer]}" if TARGETS[peer] else ""
    rate = layer.macs / timings["ours"].median / 1e9
    return (
        f"| {layer.name} | {ours} | ONNX reference {peer} | {middle:.1f} | {low:.1f} to {high:.1f} "
        f"| {target} | {rate:.2f} |"
    )


def tosa_rows(layer: Layer, environment: Path, rounds: int) -> Iterator[str]:
    """Ours beside TOSA's reference model: int8, and bf16 and fp16 into binary32."""
    for arithmetic in ("int8", "bf16", "fp16"):
        run = pipeline(arithmetic, *call(layer, arithmetic))
        ours, theirs = [], []
        for _ in range(TOSA_ROUNDS):
            ours.append(in_turn({"ours": run}, rounds)["ours"].median)
            theirs.append(tosa_seconds(layer, arithmetic, environment))
        low, middle, high = np.percentile(np.array(theirs) / np.array(ours), [25, 50, 75])
        rate = layer.macs / float(np.median(ours)) / 1e9
        yield (
            f"| {layer.name} | {arithmetic}, all stages to the output | TOSA reference model "
            f"| {middle:.1f} | {low:.1f} to {high:.1f} | {TARGETS['TOSA']} | {rate:.2f} |"
        )


def tosa_seconds(layer: Layer, arithmetic: str, environment: Path) -> float:
    """Seconds that TOSA's model takes for a layer, without those it takes for one pixel."""
    script = Path(__file__).parent / "tosa_layer.py"
    times = []
    for side in (layer.side, 1):
        sizes = (layer.channels, layer.outputs, side, layer.kernel, layer.stride)
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(  # noqa: S603 - our own script, in TOSA's environment
                [environment / "bin/python", script, folder, *map(str, sizes), arithmetic],
                capture_output=True,
                text=True,
                check=True,
            )
        times.append(float(done.stdout.split()[-1]))
    return times[0] - times[1]


def set_seconds(operator: str) -> tuple[float, float]:
    """Seconds for a default set from the shell, with nothing compiled yet; then once more."""
    times = []
    with tempfile.TemporaryDirectory() as folder:
        for name in ("first", "then"):
            command = [sys.executable, "-c", "from refimpl.cli import main; main()", "vectors"]
            start = perf_counter()
            subprocess.run(  # noqa: S603 - our own command
                [*command, f"{folder}/{name}", "--operator", operator],
                env={**os.environ, "NUMBA_CACHE_DIR": f"{folder}/compiled"},
                capture_output=True,
                check=True,
            )
            times.append(perf_counter() - start)
    return times[0], times[1]


if __name__ == "__main__":
    typer.run(main)
