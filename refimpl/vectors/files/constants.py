"""Constants of a case for Verilog: sizes, widths, zero points, strides, as ``localparam``.

Only whole numbers and lists of them become constants; a list gets an index after its name.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from refimpl.vectors.files.c_header import identifier

LINE = re.compile(r"localparam (?:integer|signed \[63:0\]) (\w+) = (-?)(?:64'sd)?(\d+);")


def to_verilog(values: Mapping[str, Any]) -> bytes:
    """Text of a ``.vh``: one ``localparam`` a number."""
    lines = [_line(name, number) for name, number in _flat(values.items())]
    return ("".join(lines) or "// no constants\n").encode()


def from_verilog(text: str) -> dict[str, int]:
    """Read a ``.vh`` of ours back: number by name.

    Raises
    ------
    ValueError
        If a line is anything else.
    """
    found = {}
    for line in text.splitlines():
        if line.startswith("//"):
            continue
        match = LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"a line must be a localparam of a whole number, not {line[:60]!r}")
        found[match[1]] = int(match[2] + match[3])
    return found


def _line(name: str, number: int) -> str:
    if -(2**31) < number < 2**31:
        return f"localparam integer {name} = {number};\n"
    sign = "-" if number < 0 else ""
    return f"localparam signed [63:0] {name} = {sign}64'sd{abs(number)};\n"


def _flat(items: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, int]]:
    for name, value in items:
        plain = identifier(name).upper()
        if isinstance(value, bool | int):
            yield plain, int(value)
        elif isinstance(value, list | tuple):
            yield from _flat((f"{name}_{at}", each) for at, each in enumerate(value))
