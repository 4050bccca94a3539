"""What a package said once, as a file of ``hwsim/published``, and what it says when run again."""

import csv
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import pytest

from hwsim.io.published import published

ROOT = Path(__file__).parents[2]
TIMES = ("seconds",)
"""Columns that say how long a run took: the only ones that another run may change."""


def runs_again(package, python):
    """Marks of tests that run a package: skipped by name without it, and in quicker tests."""
    missing = pytest.mark.skipif(
        not python.exists(), reason=f"{package} is not installed in {python.parents[1].name}"
    )
    elsewhere = pytest.mark.skipif(  # PyTorch is what the environment of test-oracles alone has
        find_spec("torch") is None, reason=f"make test-oracles runs {package}, for a minute or less"
    )
    return [missing, elsewhere]


def print_rows(said, rows, file):
    """Rows as CSV under a comment that says what made them, and when."""
    print(f"# {said}; {datetime.now(UTC):%Y-%m-%d}", file=file)
    writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def differences(name, rows):
    """(layer, column, recorded, said now) wherever the rows are not the recorded ones."""
    recorded = published(name)
    assert [row["layer"] for row in recorded] == [row["layer"] for row in rows]
    assert all(set(one) == set(other) for one, other in zip(recorded, rows, strict=True))
    return [
        (row["layer"], column, row[column], now[column])
        for row, now in zip(recorded, rows, strict=True)
        for column in row
        if column not in TIMES and row[column] != now[column]
    ]
