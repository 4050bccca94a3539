"""Machines, workloads and results as files: the only package that opens any.

``machines`` and ``workloads`` find what is asked by its name or file; ``fields`` turns tables of
TOML into values, ``onnx_model`` reads ONNX, ``files`` reads and writes text.
A mistake in a file is a ``ValueError`` whose one sentence names the file and the place.
"""

from hwsim.io.files import read_text, write_bytes, write_text
from hwsim.io.machines import find_machine, parse_machine, preset, preset_names, read_machine
from hwsim.io.workloads import find_network

__all__ = [
    "find_machine",
    "find_network",
    "parse_machine",
    "preset",
    "preset_names",
    "read_machine",
    "read_text",
    "write_bytes",
    "write_text",
]
