"""Number formats of vectors, and their words: little-endian bytes and fixed-width hex.

    int8 int32     two's complement          fp32 fp64     IEEE 754 binary32, binary64

A hex word has 2, 8 or 16 digits, zero-padded, no sign: what ``$readmemh`` reads (IEEE 1364-2005,
section 17.2.9). Its comments (``//``) are skipped on reading; x and z digits are kept apart.
"""

from dataclasses import dataclass

import numpy as np

from refimpl.arrays import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A number format: its name, NumPy's little-endian type, and the unsigned type of its word."""

    name: str
    dtype: str
    word: str

    @property
    def bits(self) -> int:
        """Bits of a word."""
        return int(np.dtype(self.word).itemsize * 8)


FORMATS = {
    each.name: each
    for each in (
        Format(name="int8", dtype="<i1", word="<u1"),
        Format(name="int32", dtype="<i4", word="<u4"),
        Format(name="fp32", dtype="<f4", word="<u4"),
        Format(name="fp64", dtype="<f8", word="<u8"),
    )
}


class UnknownBitsError(ValueError):
    """A hex dump holds x or z digits: bits the device never drove."""


def format_of(array: Array) -> Format:
    """Format of an array by its type.

    Raises
    ------
    ValueError
        If vectors do not hold that type.
    """
    little = array.dtype.newbyteorder("<")
    for each in FORMATS.values():
        if np.dtype(each.dtype) == little:
            return each
    raise ValueError(f"a vector must be one of {', '.join(FORMATS)}, not {array.dtype}")


def to_bytes(words: Array, to: Format) -> bytes:
    """Little-endian bytes."""
    return words.astype(to.dtype).tobytes()


def from_bytes(raw: bytes, of: Format, count: int) -> Array:
    """Read little-endian words back.

    Raises
    ------
    ValueError
        If there are not exactly ``count`` words.
    """
    expected = count * of.bits // 8
    if len(raw) != expected:
        raise ValueError(
            f"must hold {count} {of.name} words, {expected} bytes, not {len(raw)} bytes"
        )
    return np.frombuffer(raw, of.dtype)


def to_hex(words: Array, to: Format) -> bytes:
    """One word a line, fixed width, lower case."""
    digits = to.bits // 4
    big = np.ascontiguousarray(words, to.dtype).view(to.word).astype(to.word.replace("<", ">"))
    lines = np.full((len(words), digits + 1), ord("\n"), np.uint8)
    lines[:, :digits] = np.frombuffer(big.tobytes().hex().encode(), np.uint8).reshape(-1, digits)
    return lines.tobytes()


def from_hex(text: str, of: Format, count: int) -> Array:
    """Read hex words back.

    Raises
    ------
    ValueError
        If there are not exactly ``count`` words, or one is not hex or too wide.
    UnknownBitsError
        If a word has x or z digits.
    """
    lines = (line.partition("//")[0] for line in text.splitlines())
    words = [word for line in lines for word in line.split()]
    if len(words) != count:
        raise ValueError(f"must hold {count} hex words, not {len(words)}")
    digits = of.bits // 4
    unknown = next((at for at, word in enumerate(words) if _undriven(word.lower(), digits)), None)
    if unknown is not None:
        raise UnknownBitsError(f"word {unknown} is {words[unknown]}: bits the device never drove")
    for at, word in enumerate(words):
        if len(word) > digits or not all(each in "0123456789abcdefABCDEF" for each in word):
            raise ValueError(f"word {at} must be at most {digits} hex digits, not {word[:20]!r}")
    joined = "".join(word.rjust(digits, "0") for word in words)
    big = np.frombuffer(bytes.fromhex(joined), of.word.replace("<", ">"))
    return big.astype(of.word).view(of.dtype)


def _undriven(word: str, digits: int) -> bool:
    """Whether a word is hex but for x or z digits; the x of a 0x before a whole word is not one."""
    known = set("0123456789abcdef")
    prefixed = word.startswith("0x") and len(word) > digits
    return not prefixed and not set(word) <= known and set(word) <= known | set("xz")


def hex_of(value: Array) -> str:
    """Hex word of one element (a zero-dimensional array or scalar)."""
    array = np.atleast_1d(value)
    return to_hex(array, format_of(array)).decode().strip()
