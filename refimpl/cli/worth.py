"""Options and wording that scores and coverage share."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from refimpl import io
from refimpl.score.catalogue import CATALOGUE
from refimpl.score.kill import Subject
from refimpl.score.smallest import Suggestion
from refimpl.score.target import Target, case_excluded, target_of

WIDTH = 110  # columns of a table, whatever it is written to, so that two runs give the same bytes
FailUnder = Annotated[
    float, typer.Option("--fail-under", help="Exit with 1 below this share, from 0 to 1.")
]
Suggest = Annotated[
    bool, typer.Option(help="Look for the smallest case that would do what the set does not.")
]
Operators = Annotated[
    list[str] | None, typer.Option("--operator", help=f"Only these: {', '.join(CATALOGUE)}.")
]
Declared = Annotated[
    Path | None,
    typer.Option(
        "--dut", help="The device's declaration; see docs/vectors.md. Default: the set's."
    ),
]


def declared(dut: Path | None, golden: Path | None = None) -> Target:
    """The device that is declared: in a file, in the set's manifest, or ours."""
    if dut is not None:
        return target_of(io.read_dut(dut))
    if golden is None or not io.is_set(golden):
        return target_of(None)
    return target_of(io.dut_of(io.read_manifest(golden).device))


def runnable(
    subjects: Iterator[Subject], target: Target, told: Callable[[str, str], None]
) -> Iterator[Subject]:
    """Subjects that the device can run; ``told`` hears which others there are, and why not."""
    for subject in subjects:
        reason = case_excluded(subject.case, target)
        if reason:
            told(f"case {subject.case.id}", reason)
        else:
            yield subject


def print_excluded(left_out: dict[str, str]) -> None:
    """What does not count, by reason."""
    for reason in dict.fromkeys(left_out.values()):
        names = [what for what, why in left_out.items() if why == reason]
        typer.echo(f"left out, as {reason}: {', '.join(names)}")


def must_be_share(value: float) -> None:
    """Refuse a threshold that is no share.

    Raises
    ------
    ValueError
        If it is not from 0 to 1.
    """
    if not 0 <= value <= 1:
        raise ValueError(f"--fail-under must be a share from 0 to 1, not {value:g}")


def said(suggestion: Suggestion | None) -> str:
    """What a suggestion says, or that there is none."""
    if suggestion is None:
        return "no designed case"
    return f"{suggestion.sentence}, {suggestion.outputs} outputs"
