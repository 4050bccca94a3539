"""Options and wording that scores and coverage share."""

from typing import Annotated

import typer

from refimpl.score.catalogue import CATALOGUE
from refimpl.score.smallest import Suggestion

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
