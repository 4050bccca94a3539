"""Sweeps: a grid of machines and layers into Parquet, and what is best in it."""

import os
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from hwsim.cli.terminal import progress, show

SWEEP_EXAMPLES = """\b
Examples:
  hwsim sweep grid.toml --out out/sweep
  hwsim sweep grid.toml --out out/sweep --resume           # after it was ended
  hwsim sweep grid.toml --out out/sweep --cluster tcp://127.0.0.1:8786

A declaration, grid.toml:
  [machine]
  base = ["tpu-v1"]
  [machine.vary]
  "array.rows" = [64, 128, 256]
  "dram.bytes_per_cycle" = ["340/7", "680/7"]
  [workload]
  network = ["resnet50", "resnet34"]
  stage = "conv3_x"
  form = ["convolution", "xvolution-fused"]
  batch = [1, 8]
"""
FRONT_EXAMPLES = """\b
Examples:
  hwsim front out/sweep --x peak_macs_per_cycle --y cycles
  hwsim front out/sweep --y dram_bytes
"""


def sweep_command(
    declaration: Annotated[Path, typer.Argument(help="TOML file: machines and workload.")],
    out: Annotated[Path, typer.Option(help="Directory of the parts.")],
    resume: Annotated[bool, typer.Option(help="Go on with what a run left there.")] = False,
    cluster: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler that computes.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes that compute; one a core if left out.")
    ] = None,
) -> None:
    """Estimate every layer of some networks on every machine of a grid, into Parquet."""
    from hwsim.io import sweeps  # noqa: PLC0415 - pyarrow, for this one command
    from hwsim.io.runners import locally, on_cluster  # noqa: PLC0415

    asked = sweeps.read_declaration(declaration)
    typer.echo(
        f"{asked.machines:,} machines x {len(asked.layers):,} layers = {asked.points:,} points: "
        f"{asked.machines:,} machines x {asked.networks:,} networks"
    )
    parts = sweeps.start(out, asked, resume=resume)
    with sweeps.alone(out):
        wanted, damaged = sweeps.missing(parts)
        for sentence in damaged:
            typer.echo(sentence, err=True)
        if resume:
            typer.echo(f"{parts.count - len(wanted)} of {parts.count} parts are there")
        began = time.perf_counter()
        many = processes or os.cpu_count() or 1
        done = on_cluster(parts, wanted, cluster) if cluster else locally(parts, wanted, many)
        with progress("parts", len(wanted)) as advance:
            for number, content in done:
                sweeps.write_part(parts, number, content)
                advance()
        seconds = time.perf_counter() - began
    fresh = sum(last - first for first, last in map(parts.stretch, wanted))
    whole = fresh / len(asked.layers) * asked.networks / seconds
    typer.echo(
        f"{out}: {parts.count} parts; {fresh:,} points in {seconds:.1f} s, "
        f"{fresh / seconds:,.0f} a second; whole networks on a machine: {whole:,.0f} a second"
    )


def front_command(
    directory: Annotated[Path, typer.Argument(help="Directory of a sweep.")],
    x: Annotated[str, typer.Option(help="A column that is better small.")] = "peak_macs_per_cycle",
    y: Annotated[str, typer.Option(help="Another, summed over a machine's layers.")] = "cycles",
) -> None:
    """Print the machines that none beats: less X at no more Y. Only those that run every layer."""
    import numpy as np  # noqa: PLC0415 - as the next: pyarrow and DuckDB

    from hwsim.io.swept import read_machines, varied_keys  # noqa: PLC0415 - for this one command
    from hwsim.sweep import front  # noqa: PLC0415

    names = varied_keys(directory)
    found = read_machines(directory, [y], [x])
    whole = np.flatnonzero(found["fits"])
    if not len(whole):
        raise ValueError(f"{directory} must hold a machine that runs every layer, and none does")
    table = Table(*names, x, f"{y}, summed")
    first, second = (found[name][whole].astype(float) for name in (x, y))
    for row in whole[front(first, second)]:
        said = (str(found[name][row]) for name in names)
        table.add_row(*said, f"{found[x][row]:,.0f}", f"{found[y][row]:,.0f}")
    show(table)
    typer.echo(f"{len(whole):,} of {len(found['fits']):,} machines run every layer")
