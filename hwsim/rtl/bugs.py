"""Bugs of the device by name: their number in ``sv/xv_bugs.sv``, and what each is."""

import tomllib
from dataclasses import dataclass
from importlib.resources import files

NO_BUG = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """A bug that a define switches on: XV_BUG=xv_bugs::NAME, the name in capitals."""

    name: str
    number: int
    says: str
    mutant: str


def _read() -> dict[str, Bug]:
    table = tomllib.loads((files("hwsim.rtl") / "bugs.toml").read_text("utf-8"))
    return {name: Bug(name=name, **entry) for name, entry in table.items()}


BUGS = _read()
