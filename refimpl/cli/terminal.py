"""What every command shares: errors as one sentence, a bar where a person watches, exit codes."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

WRONG, UNUSABLE = 1, 2
err = Console(stderr=True)


@contextmanager
def progress(doing: str, steps: int) -> Iterator[Any]:
    """A bar on stderr where a person watches; nothing in a log."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(doing, total=steps)
        yield lambda name, count=1: bar.update(task, advance=count, description=f"{doing} {name}")


@contextmanager
def sentences() -> Iterator[None]:
    """Turn an error of the user's input into one sentence and exit code 2."""
    try:
        yield
    except ValueError as error:
        err.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True, highlight=False)
        raise typer.Exit(UNUSABLE) from error


def size(text: str) -> tuple[int, int]:
    """Height and width of an image, as in 224x224.

    Raises
    ------
    ValueError
        If it is not two whole numbers.
    """
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None:
        raise ValueError(f"input must be height x width as in 224x224, not {text!r}")
    return int(match[1]), int(match[2])
