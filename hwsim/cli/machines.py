"""Machines: a list of them, or one in full."""

from typing import Annotated, Literal

import typer

from hwsim.cli.terminal import show
from hwsim.io import find_machine, preset, preset_names
from hwsim.report.machines import machine_table, machines_json, machines_table, support_table

EXAMPLES = """\b
Examples:
  hwsim machines
  hwsim machines eyeriss-v1
  hwsim machines my_npu.toml --format json
"""


def machines_command(
    machine: Annotated[
        str | None, typer.Argument(help="A preset or a file in .toml or .cfg; a list if left out.")
    ] = None,
    output: Annotated[
        Literal["table", "json"], typer.Option("--format", help="What to print.")
    ] = "table",
) -> None:
    """List machines, or show one in full: every constant and what it executes, with sources."""
    shown = [find_machine(machine)] if machine else [preset(name) for name in preset_names()]
    if output == "json":
        typer.echo(machines_json(shown), nl=False)
    elif machine is None:
        show(machines_table(shown))
        typer.echo("hwsim machines NAME shows one in full, every constant with its source.")
    else:
        for table in (machine_table(shown[0]), support_table(shown[0])):
            show(table)
