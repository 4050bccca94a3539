"""Machines from TOML, those that come with the package among them.

Keys of a machine file are the fields of ``hwsim.machine.Machine``, its parts as tables. A key that
is none of them, or missing, is refused with a sentence that names the file and the key. Which keys
``[array]`` has depends on ``dataflow``; ``energy`` is the name of a table that comes with the
package, or a table of its own.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from hwsim.checks import instance_of, one_of
from hwsim.importers.scalesim import configuration
from hwsim.io.fields import build
from hwsim.io.files import read_text
from hwsim.machine import ARRAY_KINDS, EnergyTable, MacArray, Machine, Support, without_source
from hwsim.machine.support import read_support


def preset_names() -> tuple[str, ...]:
    """Names of the machines that come with the package."""
    return _names("presets")


def energy_names() -> tuple[str, ...]:
    """Names of the energy tables that come with the package."""
    return _names("presets", "energy")


def preset(name: str) -> Machine:
    """A machine that comes with the package, every constant with its source."""
    one_of("machine", name, preset_names())
    machine = parse_machine(_packaged("presets", f"{name}.toml"), name)
    missing = without_source(machine)
    if missing:
        raise ValueError(f"preset {name} must name a source for {', '.join(missing)}")
    return machine


def read_machine(path: str | Path) -> Machine:
    """The machine a TOML file describes; ``ValueError`` if it describes none."""
    return parse_machine(read_text(path, "machine file"), str(path))


def find_machine(name_or_path: str) -> Machine:
    """A preset by its name, a machine file (.toml) or a SCALE-Sim configuration (.cfg)."""
    if name_or_path.endswith(".toml"):
        return read_machine(name_or_path)
    if name_or_path.endswith(".cfg"):
        return _read_configuration(name_or_path)
    return preset(name_or_path)


def _read_configuration(path: str) -> Machine:
    text = read_text(path, "configuration")
    try:
        return configuration(text, Path(path).stem, preset("scalesim-default"))
    except ValueError as error:
        raise ValueError(f"in {path}, {error}") from error


def parse_machine(text: str, origin: str) -> Machine:
    """The machine that TOML ``text`` describes; errors name ``origin``."""
    table = parse_toml(text, origin)
    readers = {
        "array": lambda key, value: _array(key, value, table.get("dataflow")),
        "support": _support,
        "energy": _energy,
    }
    try:
        machine: Machine = build(Machine, table, readers=readers)
    except ValueError as error:
        raise ValueError(f"in {origin}, {error}") from error
    return machine


@cache
def energy_table(name: str) -> EnergyTable:
    """An energy table that comes with the package; ``ValueError`` if there is no such."""
    one_of("energy", name, energy_names())
    table = parse_toml(_packaged("presets", "energy", f"{name}.toml"), name)
    return _energy("energy", table)


def parse_toml(text: str, origin: str) -> dict[str, Any]:
    """The table that TOML ``text`` is; ``ValueError`` names ``origin``."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(f"{origin} must be TOML: {error}") from error


def _array(key: str, value: Any, dataflow: Any) -> MacArray:
    instance_of(key, value, Mapping, "a table")
    kind = ARRAY_KINDS[one_of("dataflow", str(dataflow), ARRAY_KINDS)]
    built: MacArray = build(kind, value, f"{key}.")
    return built


def _support(key: str, value: Any) -> dict[str, Support]:
    instance_of(key, value, Mapping, "a table")
    return {kind: read_support(f"{key}.{kind}", text) for kind, text in value.items()}


def _energy(key: str, value: Any) -> EnergyTable:
    if isinstance(value, str):
        return energy_table(value)
    instance_of(key, value, Mapping, "the name of an energy table, or a table")
    built: EnergyTable = build(
        EnergyTable, value, f"{key}.", readers={"buffer_pj_per_byte": _by_size}
    )
    return built


def _by_size(key: str, value: Any) -> dict[int, Any]:
    """Keys of a TOML table are texts; these are sizes in bytes."""
    instance_of(key, value, Mapping, "a table")
    for size in value:
        if not (size.isascii() and size.isdigit()):
            raise ValueError(f"each key of {key} must be a size in bytes, not {size!r}")
    return {int(size): energy for size, energy in value.items()}


def _names(*folder: str) -> tuple[str, ...]:
    found = files("hwsim").joinpath(*folder).iterdir()
    return tuple(sorted(f.name.removesuffix(".toml") for f in found if f.name.endswith(".toml")))


def _packaged(*path: str) -> str:
    return files("hwsim").joinpath(*path).read_text("utf-8")
