"""Networks layer by layer: shapes, parameters, multiplications."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from refimpl.cli.terminal import sentences, size
from refimpl.nets.catalogue import NETWORKS, build
from refimpl.nets.resnet import STAGES, VERSIONS
from refimpl.nets.shapes import NodeShape, node_shapes, total
from refimpl.nets.sites import OPERATORS
from refimpl.nets.work import Part

WIDTH = 130  # columns of a table, whatever it is written to, so that two runs give the same bytes
HEADINGS = ("layer", "kind", "step", "in", "out", "parameters", "macs", "products")
Stage = Annotated[
    str,
    typer.Option(
        "--stage", help=f"Stage whose 3×3 convolutions are replaced: {', '.join(STAGES)} or none."
    ),
]


class Format(StrEnum):
    """What to print."""

    table = "table"
    csv = "csv"
    json = "json"


def layers(
    network: Annotated[str, typer.Argument(help=f"One of {', '.join(NETWORKS)}.")] = "resnet50",
    stage: Stage = "none",
    operator: Annotated[
        str, typer.Option(help=f"What replaces them: {', '.join(OPERATORS)}.")
    ] = "xvolution",
    kernel: Annotated[int, typer.Option(help="Side of the attention's kernel or window.")] = 3,
    version: Annotated[
        str, typer.Option(help=f"ResNet: {', '.join(VERSIONS)} (stride on the 3×3, the 1×1).")
    ] = "1.5",
    image: Annotated[
        str | None,
        typer.Option("--input", help="Height x width, in pixels; the published size if left out."),
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="What to print.")] = Format.table,
) -> None:
    """List what each layer of a network takes, one line per step, and the totals.

    MACs are products added up over channels, taps or pixels; the products beside them stand alone.
    Layers that only move or compare numbers are left out of the table, and are in csv and json.

    For example:

      refimpl layers resnet50

      refimpl layers resnet50 --stage conv3_x --operator global_attention

      refimpl layers resnet50-fpn --stage conv5_x --input 800x1333 --format csv

      refimpl layers alexnet --format json
    """
    with sentences():
        if network not in NETWORKS:
            raise ValueError(f"network must be one of {', '.join(NETWORKS)}, not {network!r}")
        entry = NETWORKS[network]
        height, width = (entry.height, entry.width) if image is None else size(image)
        built = build(
            network,
            stage=None if stage == "none" else stage,
            operator=operator,
            kernel=kernel,
            version=version,
            height=height,
            width=width,
        )
        rows = node_shapes(built, height, width)
    if output is Format.table:
        _print_table(f"{built.name}, input 3×{height}×{width}", rows)
    elif output is Format.csv:
        typer.echo(_csv(rows), nl=False)
    else:
        typer.echo(json.dumps(_document(built.name, (height, width), rows), indent=2))


def _lines(rows: Sequence[NodeShape]) -> Iterator[tuple[NodeShape, Part]]:
    """Every step of every layer; a layer without steps has one that takes nothing."""
    for row in rows:
        for part in row.parts or (Part(""),):
            yield row, part


def _print_table(title: str, rows: Sequence[NodeShape]) -> None:
    table, sums = Table(title=title, show_footer=True, box=SIMPLE), total(rows)
    for name in HEADINGS[:5]:
        table.add_column(name, footer="total" if name == "layer" else "", no_wrap=True)
    for name, count in (
        ("parameters", sums.parameters),
        ("MACs", sums.macs),
        ("products", sums.products),
    ):
        table.add_column(name, footer=f"{count:,}", justify="right", no_wrap=True)
    for row, part in _lines(rows):
        if part.name:
            first = part is row.parts[0]
            table.add_row(
                row.name if first else "",
                row.kind if first else "",
                part.name,
                _text(row.inputs[0]) if first else "",
                _text(row.output) if first else "",
                *(f"{count:,}" if count else "" for count in part[1:]),
            )
    Console(width=WIDTH).print(table)


def _csv(rows: Sequence[NodeShape]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADINGS)
    for row, part in _lines(rows):
        shapes = _text(row.inputs[0], "x"), _text(row.output, "x")
        writer.writerow((row.name, row.kind, part.name, *shapes, *part[1:]))
    writer.writerow(("total", "", "", "", "", *total(rows)[1:]))
    return text.getvalue()


def _document(name: str, size: tuple[int, int], rows: Sequence[NodeShape]) -> dict[str, Any]:
    layers = [
        {
            "layer": row.name,
            "kind": row.kind,
            "inputs": [list(shape) for shape in row.inputs],
            "output": list(row.output),
            "parameters": row.parameters,
            "macs": row.macs,
            "products": row.products,
            "steps": [part._asdict() for part in row.parts],
        }
        for row in rows
    ]
    sums = total(rows)._asdict()
    del sums["name"]
    return {"network": name, "input": [3, *size], "layers": layers, "total": sums}


def _text(shape: tuple[int, ...], times: str = "×") -> str:
    return times.join(map(str, shape))
