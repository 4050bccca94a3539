"""Sweeps as files: a declaration in TOML, parts in Parquet, and what makes a killed run go on.

    OUT/sweep.json              what was asked: a digest, how many points, how many in a part
    OUT/part-000000.parquet …   the points, part by part, each written whole or not at all

A part is computed if its file is not there. It is written beside its place and renamed, so a run
may be killed at any moment: what is there is whole, and nothing is computed twice. A part that
something else damaged is found by its footer, named, and computed again.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hwsim.io.files import read_text, reason, write_text
from hwsim.io.machines import find_machine, parse_toml
from hwsim.io.workloads import find_network
from hwsim.networks import Network
from hwsim.sweep import Plan, columns, plan
from hwsim.sweep.columns import Coded, Column

PART_POINTS = 1 << 16
"""Points of a part: ours, a few MB of Parquet."""
ABOUT = "sweep.json"
MOST_VALUES = 10_000
"""Values that one key may have: ours."""


class _Machines(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    base: list[str] = Field(min_length=1)
    vary: dict[str, list[bool | int | str]] = Field(default_factory=dict)


class _Workload(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    network: list[str] = Field(min_length=1)
    stage: str | None = None
    form: list[str] = Field(default=["convolution"], min_length=1)
    batch: list[int] = Field(default=[1], min_length=1)
    input: list[str] = Field(default=[], max_length=1000)


class _Declaration(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    machine: _Machines
    workload: _Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Where a sweep's parts are, which points each has, and of what they are."""

    directory: Path
    asked: Plan
    part_points: int

    @property
    def count(self) -> int:
        """How many parts there are when all is done."""
        return -(-self.asked.points // self.part_points)

    def path(self, number: int) -> Path:
        """The file of a part."""
        return self.directory / f"part-{number:06d}.parquet"

    def stretch(self, number: int) -> tuple[int, int]:
        """First point of a part, and first of the next."""
        first = number * self.part_points
        return first, min(first + self.part_points, self.asked.points)


def read_declaration(path: str | Path) -> Plan:
    """The grid that a TOML file declares; ``ValueError`` names what must be otherwise."""
    table = parse_toml(read_text(path, "sweep"), str(path))
    try:
        found = _Declaration.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "it"
        raise ValueError(
            f"{path} must declare a sweep, but of {place} we read: "
            f"{first['msg'][:1].lower()}{first['msg'][1:]}"
        ) from error
    for key, values in found.machine.vary.items():
        if len(values) > MOST_VALUES:
            raise ValueError(f"{path}: {key} must have at most {MOST_VALUES} values")
    try:
        return plan(
            [find_machine(name) for name in found.machine.base],
            {
                key: [_exact(value) for value in values]
                for key, values in found.machine.vary.items()
            },
            list(_networks(found.workload)),
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _exact(value: bool | int | str) -> bool | int | str | Fraction:
    """A number in quotes is a fraction, other texts are names."""
    if isinstance(value, str):
        try:
            return Fraction(value)
        except (ValueError, ZeroDivisionError):
            return value
    return value


def _networks(asked: _Workload) -> Iterator[Network]:
    sides: list[tuple[int, int] | None] = [_sides(each) for each in asked.input] or [None]
    for name in asked.network:
        for form in asked.form:
            for batch in asked.batch:
                for image in sides:
                    yield find_network(
                        name, batch=batch, image=image, sizes={}, stage=asked.stage, form=form,
                        version="1.5",
                    )  # fmt: skip


def _sides(text: str) -> tuple[int, int]:
    height, _, width = text.partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise ValueError(f"an input must be height x width, as in 224x224, not {text!r}")
    return int(height), int(width)


def start(directory: Path, asked: Plan, *, resume: bool, part_points: int = PART_POINTS) -> Parts:
    """Make a directory for a sweep, or go on in one.

    Raises ``ValueError`` if it is there and is not to be resumed, or holds another sweep.
    """
    about, digest = directory / ABOUT, asked.digest
    if about.is_file():
        known = read_about(about)
        if not resume:
            raise ValueError(f"{directory} must not hold a sweep yet: --resume goes on with it")
        if known.get("digest") != digest:
            raise ValueError(
                f"{directory} must hold parts of this very declaration, but it or a machine or "
                f"network that it names has changed since: put it back, or take another directory"
            )
        part_points = int(known["part_points"])
    elif resume:
        raise ValueError(f"{directory} must hold a sweep that can be resumed, with its {ABOUT}")
    else:
        if directory.exists() and any(directory.iterdir()):
            raise ValueError(f"{directory} must be new or empty, and it holds files")
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"{directory} must be a directory: {reason(error)}") from error
        said = {
            "digest": digest, "points": asked.points, "part_points": part_points,
            "varied": list(asked.keys), "machines": asked.machines, "layers": len(asked.layers),
        }  # fmt: skip
        write_text(about, json.dumps(said, indent=2) + "\n")
    return Parts(directory=directory, asked=asked, part_points=part_points)


def read_about(path: Path) -> dict[str, Any]:
    """What a sweep's file says of it; ``ValueError`` if it is none."""
    try:
        found = json.loads(read_text(path, "sweep"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} must be JSON that hwsim sweep wrote: {error}") from error
    if not isinstance(found, dict) or not isinstance(found.get("part_points"), int):
        raise ValueError(  # noqa: TRY004 - the file's content is wrong, not an argument's type
            f"{path} must be JSON that hwsim sweep wrote, with part_points"
        )
    return found


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Hold a directory: two runs in it would write the same parts; ``ValueError`` if one does."""
    with (directory / ".lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ValueError(f"{directory} must not be in use by another run, and it is") from error
        yield


def missing(parts: Parts) -> tuple[list[int], list[str]]:
    """Parts still to be computed, and a sentence for each that is there but is no part of this.

    Files that a killed run left beside their place are removed.
    """
    for left in parts.directory.glob(".part-*"):
        left.unlink()
    wanted, damaged = [], []
    for number in range(parts.count):
        path = parts.path(number)
        if not path.exists():
            wanted.append(number)
        elif not _whole(path, parts, number):
            damaged.append(f"{path} is damaged, and is computed again")
            wanted.append(number)
    return wanted, damaged


def _whole(path: Path, parts: Parts, number: int) -> bool:
    first, last = parts.stretch(number)
    try:
        footer = pq.read_metadata(path)
    except (OSError, pa.ArrowException):
        return False
    said = (footer.metadata or {}).get(b"hwsim")
    return footer.num_rows == last - first and said == _mark(parts.asked.digest, number)


def _mark(digest: str, number: int) -> bytes:
    return f"{digest} {number}".encode()


def part_bytes(asked: Plan, digest: str, number: int, first: int, last: int) -> bytes:
    """A part as Parquet: the same bytes wherever it is computed."""
    found = columns(asked, first, last)
    table = pa.table(
        {name: _array(column) for name, column in found.items()}
    ).replace_schema_metadata({"hwsim": _mark(digest, number)})
    sink = BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _array(column: Column) -> pa.Array:
    """Text as a dictionary, each different one once; numbers as they are."""
    if not isinstance(column, Coded):
        return pa.array(column)
    values = pa.array(column.values)
    if not pa.types.is_string(values.type):
        return values.take(pa.array(column.codes))
    once = values.dictionary_encode()
    return pa.DictionaryArray.from_arrays(
        once.indices.take(pa.array(column.codes)), once.dictionary
    )


def write_part(parts: Parts, number: int, content: bytes) -> None:
    """Put a part in its place, whole or not at all; ``ValueError`` if the disk refuses."""
    path = parts.path(number)
    beside = path.with_name(f".{path.name}")
    try:
        with beside.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ValueError(
            f"{path} must be writable: {reason(error)}; what is there is whole, --resume goes on"
        ) from error
