"""Words as FPGA tools take them: ``.coe`` (AMD Vivado) and ``.mif`` (Intel Quartus).

Sources: AMD UG896, "COE file syntax"; Intel Quartus Prime, "Memory Initialization File (.mif)".
"""

import re

from refimpl.arrays import Array
from refimpl.vectors.files.readmem import from_hex, to_hex

MIF_HEADER = "WIDTH={width};\nDEPTH={depth};\nADDRESS_RADIX=HEX;\nDATA_RADIX=HEX;\nCONTENT BEGIN\n"


def to_coe(words: Array, width_bits: int) -> bytes:
    """A coefficient file: radix 16, one word a line."""
    lines = to_hex(words, width_bits).decode().split()
    vector = ",\n".join(lines)
    head = "memory_initialization_radix=16;\nmemory_initialization_vector=\n"
    return f"{head}{vector};\n".encode()


def from_coe(text: str, count: int, width_bits: int) -> Array:
    """Words of a ``.coe`` in radix 16.

    Raises
    ------
    ValueError
        If it is not one, or does not hold exactly so many words of the width.
    """
    match = re.fullmatch(
        r"\s*memory_initialization_radix\s*=\s*16\s*;"
        r"\s*memory_initialization_vector\s*=([0-9a-fA-F\s,]*);\s*",
        text,
    )
    if match is None:
        raise ValueError("must be a .coe file of radix 16 with one vector of hex words")
    return from_hex(match[1].replace(",", " "), count, width_bits)


def to_mif(words: Array, width_bits: int) -> bytes:
    """A memory initialisation file: hex addresses and data."""
    lines = to_hex(words, width_bits).decode().split()
    content = "".join(f"{at:x} : {word};\n" for at, word in enumerate(lines))
    header = MIF_HEADER.format(width=width_bits, depth=len(lines))
    return f"{header}{content}END;\n".encode()


def from_mif(text: str, count: int, width_bits: int) -> Array:
    """Words of a ``.mif`` as ``to_mif`` writes it: every address once, in order.

    Raises
    ------
    ValueError
        If it is not one, or its width, depth or addresses are others.
    """
    header = MIF_HEADER.format(width=width_bits, depth=count)
    if not text.startswith(header) or not text.endswith("END;\n"):
        raise ValueError(f"must be a .mif file of width {width_bits} and depth {count}, in hex")
    words = []
    for at, line in enumerate(text[len(header) : -len("END;\n")].splitlines()):
        match = re.fullmatch(r"([0-9a-f]+) : ([0-9a-fA-F]+);", line)
        if match is None or int(match[1], 16) != at:
            raise ValueError(f"line {at} must be address {at:x} and a hex word, not {line[:30]!r}")
        words.append(match[2])
    return from_hex("\n".join(words), count, width_bits)
