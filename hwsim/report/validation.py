"""The table of errors: on a terminal, in Markdown and as JSON."""

import json
from collections.abc import Sequence

from rich.table import Table

from hwsim.validate.comparison import Comparison

HEADINGS = ("target", "case", "quantity", "ours", "theirs", "error", "limit", "verdict", "reason")


def validation_table(found: Sequence[Comparison]) -> Table:
    """A line per comparison."""
    table = Table(title="hwsim beside others", title_justify="left")
    for heading in HEADINGS:
        numeric = heading in {"ours", "theirs", "error", "limit"}
        table.add_column(heading, justify="right" if numeric else "left", no_wrap=True)
    for comparison in found:
        table.add_row(*_cells(comparison))
    return table


def validation_markdown(found: Sequence[Comparison]) -> str:
    """The same as a table in Markdown."""
    rows = [HEADINGS, ["---"] * len(HEADINGS), *(_cells(each) for each in found)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def validation_json(found: Sequence[Comparison]) -> str:
    """The same as JSON."""
    document = {"comparisons": [each.record for each in found]}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def summary(found: Sequence[Comparison]) -> str:
    """How many comparisons hold, miss and are only shown."""
    verdicts = [each.verdict for each in found]
    counts = {verdict: verdicts.count(verdict) for verdict in ("holds", "misses", "shown")}
    return (
        f"{counts['holds']} within their limits, {counts['misses']} beyond, "
        f"{counts['shown']} shown without a limit"
    )


def _cells(comparison: Comparison) -> list[str]:
    return [
        comparison.target,
        comparison.case,
        comparison.quantity,
        _number(comparison.ours),
        _number(comparison.theirs),
        f"{comparison.error:+.1%}",
        "" if comparison.limit is None else f"{comparison.limit:.1%}",
        comparison.verdict,
        comparison.reason,
    ]


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"
