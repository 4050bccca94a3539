"""Machines, workloads and results as files: the only package that opens any.

``machines`` reads TOML, ``fields`` turns its tables into values, ``files`` reads and writes text.
A mistake in a file is a ``ValueError`` whose one sentence names the file and the place.
"""

from hwsim.io.files import read_text, write_text
from hwsim.io.machines import find_machine, parse_machine, preset, preset_names, read_machine

__all__ = [
    "find_machine",
    "parse_machine",
    "preset",
    "preset_names",
    "read_machine",
    "read_text",
    "write_text",
]
