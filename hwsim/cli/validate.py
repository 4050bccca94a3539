"""The model beside numbers of others, with limits."""

from typing import Annotated, Literal

import typer

from hwsim.cli.terminal import show

BEYOND = 1
EXAMPLES = """\b
Examples:
  hwsim validate
  hwsim validate --target eyeriss --target nvdla
  hwsim validate --target zigzag        what another estimator says, beside ours
  hwsim validate --format json > validation.json

Exit code 0: every comparison is within its limit; 1: one is not; 2: unusable.
"""


def validate_command(
    target: Annotated[
        list[str] | None,
        typer.Option(help="rtl, scalesim, eyeriss, nvdla, tpu, zigzag or vela; all if left out."),
    ] = None,
    output: Annotated[
        Literal["table", "markdown", "json"], typer.Option("--format", help="What to print.")
    ] = "table",
) -> None:
    """Compare the model with RTL, simulators, estimators and silicon; fail beyond a limit."""
    from hwsim.report.validation import (  # noqa: PLC0415 - for this one command
        summary,
        validation_json,
        validation_markdown,
        validation_table,
    )
    from hwsim.validate.targets import TARGETS, validate  # noqa: PLC0415

    found = validate(target or TARGETS)
    if output == "json":
        typer.echo(validation_json(found), nl=False)
    elif output == "markdown":
        typer.echo(validation_markdown(found), nl=False)
    else:
        show(validation_table(found))
        typer.echo(f"{summary(found)}.")
    if any(each.verdict == "misses" for each in found):
        raise typer.Exit(BEYOND)
