"""Estimate what a network takes on an NPU. The only module in ``hwsim`` that prints and exits."""

import re
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console, RenderableType

from hwsim.evaluate import Estimate, compare_forms, estimate
from hwsim.io import find_machine, preset, preset_names, write_text
from hwsim.lowering import FORMS
from hwsim.machine import Machine, with_vector_unit
from hwsim.networks import NETWORKS, STAGES, VERSIONS, network
from hwsim.report.export import to_csv, to_json
from hwsim.report.table import forms_table, layer_table, machine_table

WIDTH = 170  # columns of a table, whatever it is written to, so that two runs give the same bytes

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Estimate cycles and DRAM traffic of a network on an NPU, layer by layer.",
)

NetworkName = Annotated[str, typer.Argument(help=f"One of {', '.join(NETWORKS)}.")]
MachineName = Annotated[
    str,
    typer.Option("--machine", "-m", help="A preset (see: hwsim machines) or a file in .toml."),
]
Batch = Annotated[int, typer.Option(help="Images at a time.")]
Image = Annotated[
    str | None,
    typer.Option("--input", help="Height x width, in pixels; the published size if left out."),
]
Version = Annotated[
    str, typer.Option(help=f"ResNet: {', '.join(VERSIONS)} (stride on the 3x3, the first 1x1).")
]
VectorLanes = Annotated[
    int | None,
    typer.Option(help="Replace its vector unit by a hypothetical one of so many lanes."),
]

ESTIMATE_EXAMPLES = """\b
Examples:
  hwsim estimate resnet50 --machine tpu-v1
  hwsim estimate resnet34 -m gemmini-default --layer conv3_1.conv1
  hwsim estimate resnet50 -m tpu-v1 --stage conv4_x --form xvolution-fused --vector-lanes 32
  hwsim estimate resnet34 -m my_npu.toml --batch 8 --input 800x1333 --csv cost.csv --json cost.json
"""
FORMS_EXAMPLES = """\b
Examples:
  hwsim forms resnet34 conv4_x --machine tpu-v1
  hwsim forms resnet50 conv5_x -m scalesim-default --vector-lanes 32 --batch 8
"""


@app.command("estimate", epilog=ESTIMATE_EXAMPLES)
def estimate_command(
    name: NetworkName,
    machine: MachineName,
    stage: Annotated[str | None, typer.Option(help=f"One of {', '.join(STAGES)}.")] = None,
    form: Annotated[
        str, typer.Option(help=f"What its 3x3 convolutions become: {', '.join(FORMS)}.")
    ] = "convolution",
    version: Version = "1.5",
    batch: Batch = 1,
    image: Image = None,
    layer: Annotated[str | None, typer.Option(help="Only this layer.")] = None,
    vector_lanes: VectorLanes = None,
    csv: Annotated[Path | None, typer.Option(help="Write the layers to this file.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write everything to this file.")] = None,
    output: Annotated[
        Literal["table", "csv", "json"], typer.Option("--format", help="What to print.")
    ] = "table",
) -> None:
    """Print cycles, where they go, and DRAM traffic, per layer of a network on a machine."""
    height, width = _image(image)
    asked = network(
        name, stage=stage, form=form, version=version, batch=batch, height=height, width=width
    )
    if layer is not None:
        asked = asked.only(layer)
    result = estimate(asked, _machine(machine, vector_lanes))
    if csv is not None:
        write_text(csv, to_csv(result))
    if json is not None:
        write_text(json, to_json(result))
    _print_estimate(result, output)


@app.command("forms", epilog=FORMS_EXAMPLES)
def forms_command(
    name: NetworkName,
    stage: Annotated[str, typer.Argument(help=f"One of {', '.join(STAGES)}.")],
    machine: MachineName,
    batch: Batch = 1,
    image: Image = None,
    vector_lanes: VectorLanes = None,
) -> None:
    """Compare every form of the 3x3 layers of one stage, plain convolution first."""
    height, width = _image(image)
    unit = _machine(machine, vector_lanes)
    compared = compare_forms(name, stage, unit, batch=batch, height=height, width=width)
    _print(forms_table(compared))
    for form, result in compared.items():
        typer.echo(f"{form}: {result.coverage.sentence}")


@app.command("machines")
def machines_command(
    machine: Annotated[
        str | None, typer.Argument(help="A preset or a file in .toml; all presets if left out.")
    ] = None,
) -> None:
    """List machines, every constant with its source."""
    shown = [find_machine(machine)] if machine else [preset(name) for name in preset_names()]
    for each in shown:
        _print(machine_table(each))


def main() -> None:
    """Run the command line: one sentence on standard error and status 2 for a mistake."""
    try:
        app(sys.argv[1:] or ["--help"], prog_name="hwsim")
    except ValueError as error:
        typer.echo(f"hwsim: {error}", err=True)
        sys.exit(2)


def _machine(name: str, vector_lanes: int | None) -> Machine:
    found = find_machine(name)
    return found if vector_lanes is None else with_vector_unit(found, vector_lanes)


def _image(text: str | None) -> tuple[int, int] | tuple[None, None]:
    if text is None:
        return None, None
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None:
        raise ValueError(f"input must be height x width as in 224x224, not {text!r}")
    return int(match[1]), int(match[2])


def _print_estimate(result: Estimate, output: str) -> None:
    if output == "table":
        _print(layer_table(result))
        typer.echo(f"{result.seconds * 1e3:.3f} ms at {result.machine.clock_hz / 1e6:g} MHz")
    else:
        typer.echo(to_csv(result) if output == "csv" else to_json(result), nl=False)
    typer.echo(result.coverage.sentence, err=output != "table")


def _print(renderable: RenderableType) -> None:
    Console(width=WIDTH, highlight=False).print(renderable)
