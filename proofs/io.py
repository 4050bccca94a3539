"""The only place where ``proofs`` opens files of its own: the measurements that ship with it."""

import json
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from proofs.accuracy import study as accuracy
from proofs.approximation.study import Row

RESULTS = "approximation/results.json"
ACCURACIES = "accuracy/results.jsonl"


def read_results() -> tuple[Row, ...]:
    """The committed measurement, as ``proofs measure`` wrote it."""
    text = files("proofs").joinpath(RESULTS).read_text(encoding="utf-8")
    return tuple(Row(*row) for row in json.loads(text))


def write_results(path: Path, rows: Iterable[Row]) -> None:
    """Write a measurement, one line a number, rounded to nine decimals."""
    lines = (json.dumps([*row[:-1], round(row.value, 9)], ensure_ascii=False) for row in rows)
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


def read_accuracies(path: Path | None = None) -> tuple[accuracy.Row, ...]:
    """Epochs of trained networks, one a line: those that ship, or a file's (none if it is new)."""
    if path is not None and not path.exists():
        return ()
    source = files("proofs").joinpath(ACCURACIES) if path is None else path
    lines = source.read_text(encoding="utf-8").splitlines()
    return tuple(accuracy.Row(*json.loads(line)) for line in lines)


def append_accuracies(path: Path, rows: Iterable[accuracy.Row]) -> None:
    """Add the epochs of one trained network to a file, all at once."""
    text = "".join(f"{json.dumps([*row[:3], round(row.loss, 9), row.accuracy])}\n" for row in rows)
    with path.open("a", encoding="utf-8") as file:
        file.write(text)
