"""How every command prints: tables of one width, so that two runs give the same bytes."""

from rich.console import Console, RenderableType

WIDTH = 230  # columns of a table, whatever it is written to
UNUSABLE = 2


def show(renderable: RenderableType) -> None:
    """Print a table."""
    Console(width=WIDTH, highlight=False).print(renderable)
