"""Estimates: a network on a machine, and the forms of one of its stages."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from hwsim.cli.options import (
    Batch,
    ConventionName,
    EnergyName,
    Image,
    MachineName,
    NetworkName,
    Sizes,
    VectorLanes,
    Version,
    image_of,
    sizes_of,
)
from hwsim.cli.terminal import show
from hwsim.evaluate import Estimate, compare_forms, estimate
from hwsim.io import find_machine, find_network, write_text
from hwsim.io.machines import energy_table
from hwsim.lowering import FORMS
from hwsim.machine import Machine, with_vector_unit
from hwsim.networks import STAGES
from hwsim.report.export import to_csv, to_json
from hwsim.report.table import evidence_lines, forms_table, layer_table

ESTIMATE_EXAMPLES = """\b
Examples:
  hwsim estimate resnet50 --machine tpu-v1
  hwsim estimate resnet34 -m gemmini-default --layer conv3_1.conv1
  hwsim estimate resnet50 -m tpu-v1 --stage conv4_x --form xvolution-fused --vector-lanes 32
  hwsim estimate detector.onnx -m nvdla-full --input 800x1333 --format json > now.json
  hwsim estimate topology.csv -m scale.cfg --convention scalesim
"""
FORMS_EXAMPLES = """\b
Examples:
  hwsim forms resnet34 conv4_x --machine tpu-v1
  hwsim forms resnet50 conv5_x -m scalesim-default --vector-lanes 32 --batch 8
"""
Stage = Annotated[str | None, typer.Option(help=f"One of {', '.join(STAGES)}.")]
Form = Annotated[str, typer.Option(help=f"What its 3x3 convolutions become: {', '.join(FORMS)}.")]


def estimate_command(
    name: NetworkName,
    machine: MachineName,
    stage: Stage = None,
    form: Form = "convolution",
    version: Version = "1.5",
    batch: Batch = None,
    image: Image = None,
    sizes: Sizes = None,
    layer: Annotated[str | None, typer.Option(help="Only this layer.")] = None,
    vector_lanes: VectorLanes = None,
    energy: EnergyName = None,
    convention: ConventionName = "own",
    csv: Annotated[Path | None, typer.Option(help="Write the layers to this file.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write everything to this file.")] = None,
    output: Annotated[
        Literal["table", "csv", "json"], typer.Option("--format", help="What to print.")
    ] = "table",
) -> None:
    """Print cycles, where they go, traffic and energy, per layer of a network on a machine."""
    unit = replace(_machine(machine, vector_lanes, energy), convention=convention)
    asked = find_network(
        name,
        batch=batch,
        image=image_of(image),
        sizes=sizes_of(sizes),
        stage=stage,
        form=form,
        version=version,
    )
    if layer is not None:
        asked = asked.only(layer)
    result = estimate(asked, unit)
    if csv is not None:
        write_text(csv, to_csv(result))
    if json is not None:
        write_text(json, to_json(result))
    _print_estimate(result, output)


def forms_command(
    name: NetworkName,
    stage: Annotated[str, typer.Argument(help=f"One of {', '.join(STAGES)}.")],
    machine: MachineName,
    batch: Batch = None,
    image: Image = None,
    vector_lanes: VectorLanes = None,
) -> None:
    """Compare every form of the 3x3 layers of one stage, plain convolution first."""
    height, width = image_of(image) or (None, None)
    unit = _machine(machine, vector_lanes, None)
    many = 1 if batch is None else batch
    compared = compare_forms(name, stage, unit, batch=many, height=height, width=width)
    show(forms_table(compared))
    for form, result in compared.items():
        typer.echo(f"{form}: {result.coverage.sentence}")


def _machine(name: str, vector_lanes: int | None, energy: str | None) -> Machine:
    found = find_machine(name)
    if energy is not None:
        found = replace(found, energy=energy_table(energy))
    return found if vector_lanes is None else with_vector_unit(found, vector_lanes)


def _print_estimate(result: Estimate, output: str) -> None:
    if output == "table":
        show(layer_table(result))
        for line in evidence_lines(result):
            typer.echo(line)
        typer.echo(f"{result.seconds * 1e3:.3f} ms at {result.machine.clock_hz / 1e6:g} MHz")
    else:
        typer.echo(to_csv(result) if output == "csv" else to_json(result), nl=False)
    typer.echo(result.coverage.sentence, err=output != "table")
