"""How every command prints: tables of one width, so that two runs give the same bytes; progress."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console, RenderableType

WIDTH = 230  # columns of a table, whatever it is written to
UNUSABLE = 2
SILENT_SECONDS = 2  # ours: between lines of progress where nobody watches a bar


def show(renderable: RenderableType) -> None:
    """Print a table."""
    Console(width=WIDTH, highlight=False).print(renderable)


@contextmanager
def progress(what: str, many: int) -> Iterator[Callable[[], None]]:
    """A bar with the time left where a person watches; elsewhere a line now and then."""
    from rich.progress import (  # noqa: PLC0415 - for who watches
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    if sys.stderr.isatty():
        bar = Progress(
            TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            console=Console(stderr=True), transient=True,
        )  # fmt: skip
        with bar:
            task = bar.add_task(what, total=many)
            yield lambda: bar.advance(task)
        return
    began = said = time.perf_counter()
    done = 0

    def advance() -> None:
        nonlocal said, done
        done += 1
        now = time.perf_counter()
        if now - said > SILENT_SECONDS and done < many:
            said = now
            left = (now - began) / done * (many - done)
            typer.echo(f"{done} of {many} {what}, about {left:.0f} s left", err=True)

    yield advance
