"""The only place where ``proofs`` opens files of its own: the measurements that ship with it."""

import json
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from proofs.approximation.study import Row

RESULTS = "approximation/results.json"


def read_results() -> tuple[Row, ...]:
    """The committed measurement, as ``proofs measure`` wrote it."""
    text = files("proofs").joinpath(RESULTS).read_text(encoding="utf-8")
    return tuple(Row(*row) for row in json.loads(text))


def write_results(path: Path, rows: Iterable[Row]) -> None:
    """Write a measurement, one line a number, rounded to nine decimals."""
    lines = (json.dumps([*row[:-1], round(row.value, 9)], ensure_ascii=False) for row in rows)
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
