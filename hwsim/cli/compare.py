"""Two estimates side by side: a gate against regressions."""

from pathlib import Path
from typing import Annotated

import typer

from hwsim.cli.options import percentage
from hwsim.cli.terminal import show
from hwsim.compare import METRICS, compare
from hwsim.report.compare import changes_table

WORSE = 1
EXAMPLES = """\b
Examples:
  hwsim compare before.json after.json --fail-above 2%
  hwsim compare before.json after.json --metric cycles --metric energy_pj --per-layer

Exit code 0: nothing grew beyond the limit; 1: something did, or less is costed; 2: unusable.
"""


def compare_command(
    before: Annotated[Path, typer.Argument(help="JSON of hwsim estimate.")],
    after: Annotated[Path, typer.Argument(help="JSON of hwsim estimate, of the same network.")],
    fail_above: Annotated[str, typer.Option(help="How much a quantity may grow, as in 2%.")] = "0%",
    metric: Annotated[
        list[str] | None,
        typer.Option(help=f"What is judged: {', '.join(METRICS)}; all of them if left out."),
    ] = None,
    per_layer: Annotated[bool, typer.Option(help="Judge every layer, not only the sum.")] = False,
) -> None:
    """Compare two estimates; fail if the second takes more."""
    from hwsim.io.estimates import read_estimate  # noqa: PLC0415 - pydantic, for this one command

    found = compare(
        read_estimate(before),
        read_estimate(after),
        limit=percentage(fail_above),
        metrics=tuple(metric or METRICS),
        per_layer=per_layer,
    )
    show(changes_table(found, str(before), str(after)))
    for sentence in found.sentences:
        typer.echo(sentence)
    if found.sentences:
        raise typer.Exit(WORSE)
