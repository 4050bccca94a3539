"""Machines from TOML, and results to files: the only module that opens any.

Keys of a machine file are the fields of ``hwsim.machine.Machine``, its parts as tables. A key that
is none of them, or missing, is refused with a sentence that names the file and the key.
"""

import os
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from types import UnionType
from typing import Any, get_args

from hwsim.checks import instance_of, one_of
from hwsim.machine import Machine, without_source


def preset_names() -> tuple[str, ...]:
    """Names of the machines that come with the package."""
    found = (files("hwsim") / "presets").iterdir()
    return tuple(sorted(f.name.removesuffix(".toml") for f in found if f.name.endswith(".toml")))


def preset(name: str) -> Machine:
    """A machine that comes with the package, every constant with its source."""
    one_of("machine", name, preset_names())
    machine = parse_machine((files("hwsim") / "presets" / f"{name}.toml").read_text("utf-8"), name)
    missing = without_source(machine)
    if missing:
        raise ValueError(f"preset {name} must name a source for {', '.join(missing)}")
    return machine


def read_machine(path: str | Path) -> Machine:
    """The machine a TOML file describes; ``ValueError`` if it describes none."""
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"machine file {path} must be readable: {_reason(error)}") from error
    return parse_machine(text, str(path))


def find_machine(name_or_path: str) -> Machine:
    """A preset by its name or, if it ends in .toml, a machine file by its path."""
    if name_or_path.endswith(".toml"):
        return read_machine(name_or_path)
    return preset(name_or_path)


def parse_machine(text: str, origin: str) -> Machine:
    """The machine that TOML ``text`` describes; errors name ``origin``."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{origin} must be TOML: {error}") from error
    try:
        machine = _build(Machine, table, "")
    except ValueError as error:
        raise ValueError(f"in {origin}, {error}") from error
    return machine


def write_text(path: str | Path, text: str) -> None:
    """Write a file whole or not at all; ``ValueError`` if its directory does not exist."""
    target = Path(path)
    if not target.parent.is_dir():
        raise ValueError(f"directory of {target} must exist before the file is written")
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
                stream.write(text)
            Path(temporary).chmod(0o644)
            Path(temporary).replace(target)
        except OSError:
            Path(temporary).unlink()
            raise
    except OSError as error:
        raise ValueError(f"file {target} must be writable: {_reason(error)}") from error


def _build(kind: Any, table: Mapping[str, Any], prefix: str) -> Any:
    """An instance of the dataclass ``kind`` from a table of its fields."""
    known = {f.name: f for f in fields(kind) if f.name != "hypothetical"}
    for key in table:
        one_of(f"key {prefix}{key}", key, known)
    values = {key: _value(known[key].type, value, prefix + key) for key, value in table.items()}
    missing = [name for name, f in known.items() if name not in table and _required(f)]
    if missing:
        raise ValueError(f"there must be a key {prefix}{missing[0]}")
    return kind(**values)


def _value(kind: Any, value: Any, key: str) -> Any:
    """``value`` as the field's type asks; what only a constructor can judge passes through."""
    if isinstance(kind, UnionType):
        kind = get_args(kind)[0]
    if is_dataclass(kind):
        instance_of(key, value, Mapping, "a table")
        return _build(kind, value, f"{key}.")
    if kind is Fraction:
        return _fraction(value, key)
    return value


def _fraction(value: Any, key: str) -> Fraction:
    try:
        return Fraction(str(value))
    except (ValueError, ZeroDivisionError) as error:
        wanted = 'a number or a fraction in quotes such as "340/7"'
        raise ValueError(f"{key} must be {wanted}, not {value!r}") from error


def _required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
