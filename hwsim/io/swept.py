"""A sweep's points read back: columns of all, of one machine, or summed machine by machine."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hwsim.io.sweeps import ABOUT, read_about


def varied_keys(directory: Path) -> list[str]:
    """Columns that tell a sweep's machines apart: its base, and what was varied."""
    return ["machine", *read_about(directory / ABOUT).get("varied", [])]


def read_points(
    directory: Path, names: Sequence[str], *, machine: int | None = None
) -> Mapping[str, np.ndarray[Any, Any]]:
    """Some columns of all points, in order, or of the points of one machine, by its number.

    Raises ``ValueError`` if there are none or a column is unknown.
    """
    layers = read_about(directory / ABOUT).get("layers", 1) if machine is not None else 1
    where = "" if machine is None else f"WHERE point // {int(layers)} = {int(machine)}"
    query = f"SELECT {_listed(names)} FROM parts {where} ORDER BY point"  # noqa: S608 - quoted names
    return _asked(directory, names, query)


def read_machines(
    directory: Path, sums: Sequence[str], each: Sequence[str] = ()
) -> Mapping[str, np.ndarray[Any, Any]]:
    """A row per machine, in order: its keys, ``sums`` over its layers, ``each`` as it is.

    ``number`` counts the machines, ``fits`` says whether every layer runs. DuckDB streams the
    parts, so memory is bounded by the machines. Raises ``ValueError`` as ``read_points``.
    """
    keys = varied_keys(directory)
    layers = read_about(directory / ABOUT).get("layers")
    if not isinstance(layers, int) or layers < 1:
        raise ValueError(f"{directory / ABOUT} must be of this version's hwsim sweep, with layers")
    columns = [
        *(
            f"any_value({_quoted(name)}) AS {_quoted(name)}"
            for name in dict.fromkeys([*keys, *each])
        ),
        *(f"CAST(sum({_quoted(name)}) AS DOUBLE) AS {_quoted(name)}" for name in sums),
        "bool_and(fits) AS fits",
    ]
    query = f"""
        SELECT point // {layers} AS number, {", ".join(columns)}
        FROM parts GROUP BY number ORDER BY number
    """  # noqa: S608 - quoted names, whole numbers
    return _asked(directory, [*keys, *each, *sums, "fits"], query)


def _asked(directory: Path, names: Sequence[str], query: str) -> Mapping[str, np.ndarray[Any, Any]]:
    """Columns of a query on the points, which it calls ``parts``."""
    files = sorted(directory.glob("part-*.parquet"))
    if not files:
        raise ValueError(f"{directory} must hold parts of a sweep, and it holds none")
    try:
        known = pq.read_schema(files[0]).names
        for name in names:
            if name not in known:
                raise ValueError(f"a column must be one of {', '.join(known)}, not {name!r}")
        with duckdb.connect() as base:
            parts = base.read_parquet([str(each) for each in files])
            answer = parts.query("parts", query)
            assert answer is not None  # noqa: S101 - a SELECT has one
            found: Mapping[str, np.ndarray[Any, Any]] = answer.fetchnumpy()
    except (OSError, pa.ArrowException, duckdb.Error) as error:
        raise ValueError(f"{directory} must hold parts that can be read: {error}") from error
    return found


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(_quoted, names))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
