"""Traces: the tile schedule of a layer, for Perfetto."""

from pathlib import Path
from typing import Annotated

import typer

from hwsim.cli.options import (
    Batch,
    Image,
    MachineName,
    NetworkName,
    Sizes,
    VectorLanes,
    Version,
    image_of,
    sizes_of,
)

EXAMPLES = """\b
Examples:
  hwsim trace resnet34 -m tpu-v1 --layer conv3_1.conv1 --out layer.pftrace
  hwsim trace resnet34 -m davinci-310p --stage conv4_x --form xvolution-fused \
    --layer conv4_2.conv1 --out fused.pftrace          # open it at ui.perfetto.dev
"""


def trace_command(
    name: NetworkName,
    machine: MachineName,
    layer: Annotated[str, typer.Option(help="The layer, as hwsim estimate names it.")],
    out: Annotated[Path, typer.Option(help="Trace to write; overwritten.")] = Path("layer.pftrace"),
    stage: Annotated[str | None, typer.Option(help="Stage whose 3x3 layers are replaced.")] = None,
    form: Annotated[str, typer.Option(help="What they become.")] = "convolution",
    version: Version = "1.5",
    batch: Batch = None,
    image: Image = None,
    sizes: Sizes = None,
    vector_lanes: VectorLanes = None,
    tiles: Annotated[
        int | None, typer.Option(min=1, help="Tiles of a convolution to tell; the rest in one.")
    ] = None,
) -> None:
    """Write when each unit does what for one layer, tile by tile: a cycle is a nanosecond."""
    from hwsim.evaluate import estimate  # noqa: PLC0415 - as the next: for this one command
    from hwsim.io import find_machine, find_network, write_bytes  # noqa: PLC0415
    from hwsim.machine import with_vector_unit  # noqa: PLC0415
    from hwsim.timeline import MOST_TILES, timeline  # noqa: PLC0415

    try:
        from hwsim.report.perfetto import perfetto_trace  # noqa: PLC0415
    except ImportError as error:
        raise ValueError(
            f"a trace needs the extra report: pip install 'xvolution[report]' ({error.name})"
        ) from error
    unit = find_machine(machine)
    if vector_lanes is not None:
        unit = with_vector_unit(unit, vector_lanes)
    asked = find_network(
        name,
        batch=batch,
        image=image_of(image),
        sizes=sizes_of(sizes),
        stage=stage,
        form=form,
        version=version,
    ).only(layer)
    (cost,) = estimate(asked, unit).layers
    events = timeline(cost, unit, most_tiles=MOST_TILES if tiles is None else tiles)
    title = f"{asked.name} {layer} on {unit.title}, {unit.clock_hz / 1e6:g} MHz"
    write_bytes(out, perfetto_trace(title, events))
    for reason in cost.not_executable:
        typer.echo(f"not in it: {reason}", err=True)
    typer.echo(f"{out}: {len(events):,} events, {cost.cost.cycles:,} cycles (ns in the trace)")
