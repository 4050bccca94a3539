"""Tables of published numbers, and a machine that some are of, from ``hwsim/published``."""

import csv
from importlib.resources import files

from hwsim.io.machines import parse_machine
from hwsim.machine import Machine


def published(name: str) -> list[dict[str, str]]:
    """Rows of ``name``.csv, as text by column; lines that begin with # say where they are from."""
    text = _text(f"{name}.csv")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


def published_machine(name: str) -> Machine:
    """The machine of ``name``.toml: one that somebody's numbers are of, and no preset."""
    return parse_machine(_text(f"{name}.toml"), f"published/{name}.toml")


def _text(name: str) -> str:
    return files("hwsim").joinpath("published", name).read_text("utf-8")
