"""Studies as files: assumptions in TOML, answers in JSON; and the processes that find them."""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from hwsim.io.fields import build
from hwsim.io.files import read_text
from hwsim.io.machines import parse_toml
from hwsim.lowering import Options
from hwsim.study import Answers, Study, answered
from hwsim.study.answers import Part

DEFAULT = Path(__file__).parents[1] / "presets" / "studies" / "conv-friendly.toml"
"""The study that the project is about."""


def read_study(path: str | Path | None = None) -> Study:
    """A study from a file in TOML; the packaged one if there is no path.

    Raises ``ValueError``: one sentence that names the file and the key.
    """
    origin = DEFAULT if path is None else Path(path)
    table: dict[str, Any] = parse_toml(read_text(origin, "study file"), str(origin))
    try:
        study: Study = build(Study, table, readers={"options": _options})
    except ValueError as error:
        raise ValueError(f"{origin}: {error}") from error
    return study


def _options(key: str, table: Any) -> Options:
    """Options of the forms; each direction is a pair of whole numbers."""
    if not isinstance(table, dict):
        raise ValueError(f"{key} must be a table, not {table!r}")  # noqa: TRY004 - a file's content
    made: Options = build(Options, table, f"{key}.", {"directions": _directions})
    return made


def _directions(key: str, value: Any) -> tuple[tuple[int, int], ...]:
    pairs = value if isinstance(value, list) else [value]
    for pair in pairs:
        whole = isinstance(pair, list) and [type(each) for each in pair] == [int, int]
        if not whole:
            raise ValueError(f"each of {key} must be a pair as in [0, 1], not {pair!r}")
    return tuple((down, right) for down, right in pairs)


def answers_of(asked: Sequence[Part], processes: int) -> Iterator[Answers]:
    """Answers of each part, in order; in this process if there is to be one only.

    Raises ``ValueError`` if a process is ended from outside.
    """
    if processes == 1 or len(asked) == 1:
        yield from map(answered, asked)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        try:
            yield from pool.map(answered, asked)
        except BrokenProcessPool as error:
            raise ValueError(
                "a process that answered a part of the study was ended from outside, as by too "
                "little memory: try again with --processes 1"
            ) from error


def read_answers(path: str | Path) -> tuple[Study, Answers]:
    """The study and the answers in a ``study.json``; ``ValueError`` names what is wrong."""
    text = read_text(path, "study")
    try:
        return answers_from(json.loads(text))
    except (json.JSONDecodeError, ValidationError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} must be JSON of hwsim study, and it is not: {_first(error)}"
        ) from error


def answers_from(document: Any) -> tuple[Study, Answers]:
    """The study and the answers of a document that ``hwsim.report.study`` made."""
    study = TypeAdapter(Study).validate_python(document["study"])
    found = {name: document[name] for name in Answers._fields}
    return study, TypeAdapter(Answers).validate_python(found)


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        one = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, one['loc']))}: {one['msg'][:1].lower()}{one['msg'][1:]}"
    return f"no {error}" if isinstance(error, KeyError) else str(error)
