"""Designed sets: few outputs that catch what is known."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from refimpl import io
from refimpl.bitexact.requantise import ALL_RULES
from refimpl.cli.terminal import progress, sentences
from refimpl.cli.worth import Operators
from refimpl.score.measure import covered_ids
from refimpl.score.select import default_cases, known_operators
from refimpl.vectors.case import Case, Choices
from refimpl.vectors.memory import Plan, run_in_one_memory
from refimpl.vectors.write import About, Written, set_files


def designed(
    out: Annotated[Path, typer.Argument(help="Directory to create; it must not exist yet.")],
    operator: Operators = None,
    rounding: Annotated[str, typer.Option(help=f"int8: {', '.join(ALL_RULES)}.")] = "half_up",
    sequence: Annotated[
        bool, typer.Option(help="Also all cases in one memory, without reset, under stalls.")
    ] = False,
    layout: Annotated[
        str, typer.Option(help="Layout of .bin and .hex; see docs/vectors.md.")
    ] = "nchw",
) -> None:
    """Write the default designed sets: few outputs, every known bug of the design half.

    For example:

      refimpl designed out/designed

      refimpl designed out/conv --operator conv2d.int8 --rounding half_even
    """
    with sentences():
        io.must_be_new(out)
        chosen = known_operators(operator)
        choices = Choices(rounding=rounding)
        cases = default_cases(chosen, choices)
        words = ["refimpl", "designed", "SET", *(f"--operator {each}" for each in operator or ())]
        words += [] if rounding == "half_up" else [f"--rounding {rounding}"]
        words += ["--sequence"] if sequence else []
        words += [] if layout == "nchw" else [f"--layout {layout}"]
        with progress("writing", len(cases)) as advance:
            files = set_files(
                _each(cases, advance),
                about=About(command=" ".join(words), tool_version=io.tool_version()),
                written=Written(layout=layout),
                sequencer=partial(run_in_one_memory, plan=Plan()) if sequence else None,
                coverage=lambda case, _: covered_ids(case),
            )
            count = io.write_directory(out, files)
    typer.echo(f"{out}: {len(cases)} cases of {len(chosen)} operators, {count} files")


def _each(cases: Sequence[Case], advance: Any) -> Iterator[Case]:
    for case in cases:
        yield case
        advance(case.id)
