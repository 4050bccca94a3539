"""A device's declaration, read: ``dut.toml``."""

import tomllib
from pathlib import Path

from pydantic import ValidationError

from refimpl.io.files import UnusableError, read
from refimpl.vectors.dut import Dut, must_have_bounds


def read_dut(path: Path) -> Dut:
    """Read a device's declaration.

    Raises
    ------
    UnusableError
        If it is not there, no TOML, or says something that no device may, or that cannot be judged.
    """
    raw = read(path, f"{path} must be a device's declaration in TOML, as docs/vectors.md shows one")
    try:
        dut = Dut.model_validate(tomllib.loads(raw.decode()), strict=False)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnusableError(f"{path} must be TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "it"
        said = {
            "extra_forbidden": "must not be there: no such key",
            "missing": "must be there",
        }.get(first["type"], f"must be right: {first['msg']}")
        raise UnusableError(f"{path}: {where} {said}".replace("\n", " ")) from error
    try:
        must_have_bounds(dut)
    except ValueError as error:
        raise UnusableError(f"{path}: {error}") from error
    return dut


def dut_of(declared: dict[str, object] | None) -> Dut | None:
    """The declaration that a manifest holds.

    Raises
    ------
    UnusableError
        If it is none.
    """
    if declared is None:
        return None
    try:
        return Dut.model_validate(declared)
    except ValidationError as error:
        raise UnusableError(
            f"the manifest must hold a device's declaration: {error.errors()[0]['msg']}"
        ) from error
