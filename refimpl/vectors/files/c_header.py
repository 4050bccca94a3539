"""Words as a C header: one constant array, and what it is, as macros."""

import re

from refimpl.arrays import Array
from refimpl.vectors.files.readmem import from_hex, to_hex

MOST_BITS = 64  # of a C integer that every compiler has


def to_c_header(words: Array, width_bits: int, name: str) -> bytes:
    """``static const uintN_t name[count]``, in hex, with its count and width.

    Raises
    ------
    ValueError
        If a word is wider than C's integers.
    """
    integer = _integer(width_bits)
    macro = identifier(name).upper()
    lines = to_hex(words, width_bits).decode().split()
    body = "".join(f"  0x{word}u,\n" for word in lines)
    return (
        f"#ifndef {macro}_H\n#define {macro}_H\n#include <stdint.h>\n"
        f"#define {macro}_WORDS {len(lines)}\n#define {macro}_WORD_BITS {width_bits}\n"
        f"static const {integer} {identifier(name)}[{macro}_WORDS] = {{\n{body}}};\n"
        f"#endif\n"
    ).encode()


def from_c_header(text: str, count: int, width_bits: int) -> Array:
    """Words of a header that ``to_c_header`` wrote.

    Raises
    ------
    ValueError
        If it is not one, or does not hold exactly so many words of the width.
    """
    match = re.search(r"static const (uint\d+_t) \w+\[\w+\] = \{\n([^}]*)\};", text)
    if match is None or match[1] != _integer(width_bits):
        raise ValueError(f"must be a C header with one array of {_integer(width_bits)}")
    digits = re.sub(r"0x([0-9a-fA-F]+)u,", r"\1", match[2])
    return from_hex(digits, count, width_bits)


def identifier(name: str) -> str:
    """Turn a case or tensor id into a name that C and Verilog take."""
    plain = re.sub(r"[^0-9A-Za-z_]", "_", name)
    return f"_{plain}" if plain[:1].isdigit() else plain


def _integer(width_bits: int) -> str:
    for bits in (8, 16, 32, MOST_BITS):
        if width_bits <= bits:
            return f"uint{bits}_t"
    raise ValueError(f"a C header must hold words of at most {MOST_BITS} bits, not {width_bits}")
