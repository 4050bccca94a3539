"""Two estimates side by side, as a table."""

from rich.table import Table

from hwsim.compare import Change, Comparison


def changes_table(found: Comparison, before: str, after: str) -> Table:
    """A line for everything that changed, and for the totals."""
    table = Table(title=f"{before} -> {after}", title_justify="left")
    table.add_column("where", no_wrap=True)
    table.add_column("what", no_wrap=True)
    for name in ("before", "after", "growth"):
        table.add_column(name, justify="right", no_wrap=True)
    for change in found.changes:
        if change.where == "total" or change.before != change.after:
            table.add_row(
                change.where,
                change.metric,
                *(_number(value) for value in (change.before, change.after)),
                _growth(change),
            )
    return table


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _growth(change: Change) -> str:
    return "" if change.growth is None else f"{change.growth:+.2%}"
