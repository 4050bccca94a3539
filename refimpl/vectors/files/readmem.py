"""Words as ``$readmemh`` reads them: fixed-width hex, one word a line, no sign.

Simulators zero-extend short words, fill what a short file leaves with x or with 0, and call a
minus sign a syntax error; so the files have exactly so many words of exactly so many digits. Read
back: comments, ``@address`` and underscores as the standard has them; x and z digits are what a
device never drove, and are told apart from words that are wrong.

Source: IEEE 1364-2005, section 17.2.9.
"""

import re

import numpy as np

from refimpl.arrays import Array

COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
HEX = frozenset("0123456789abcdef")


class UnknownBitsError(ValueError):
    """A hex dump holds x or z digits: bits the device never drove."""


def to_hex(words: Array, width_bits: int) -> bytes:
    """One word a line, fixed width, lower case."""
    digits = -(-width_bits // 4)
    text = np.ascontiguousarray(words[:, ::-1]).tobytes().hex().encode()
    wide = np.frombuffer(text, np.uint8).reshape(len(words), 2 * words.shape[1])
    lines = np.full((len(words), digits + 1), ord("\n"), np.uint8)
    lines[:, :digits] = wide[:, 2 * words.shape[1] - digits :]
    return lines.tobytes()


def from_hex(text: str, count: int, width_bits: int) -> Array:
    """Words (count, bytes) of a hex dump.

    Raises
    ------
    ValueError
        If there are not exactly ``count`` words, or one is not hex or too wide.
    UnknownBitsError
        If a word has x or z digits, or an address was skipped.
    """
    plain = from_plain_hex(text.encode("ascii", "replace"), width_bits)
    if plain is not None and len(plain) == count:
        return plain
    return _numbers(_placed(COMMENT.sub(" ", text).split(), count), width_bits)


def from_plain_hex(raw: bytes, width_bits: int) -> Array | None:
    """Words of lines of exactly so many hex digits; None if the text is anything else."""
    digits = -(-width_bits // 4)
    if len(raw) % (digits + 1):
        return None
    lines = np.frombuffer(raw, np.uint8).reshape(-1, digits + 1)
    values = VALUES[lines[:, :digits]]
    if (lines[:, digits] != ord("\n")).any() or (values > 15).any():
        return None
    return words_of_digits(values, width_bits)


def words_of_digits(values: Array, width_bits: int) -> Array:
    """Words (count, bytes) of digits (count, digits) 0 … 15, the highest first.

    Raises
    ------
    ValueError
        If a leading digit has bits beyond the width.
    """
    spare = values.shape[1] * 4 - width_bits
    if spare and len(values):
        over = np.flatnonzero(values[:, 0] >> (4 - spare))
        if len(over):
            raise ValueError(f"word {over[0]} must be at most {width_bits} bits wide")
    even = values if values.shape[1] % 2 == 0 else np.pad(values, ((0, 0), (1, 0)))
    return np.ascontiguousarray(((even[:, 0::2] << 4) | even[:, 1::2])[:, ::-1])


def _placed(tokens: list[str], count: int) -> list[str]:
    """Words by address: ``@1f`` says where the next ones go."""
    if not any(token.startswith("@") for token in tokens):
        if len(tokens) != count:
            raise ValueError(f"must hold {count} hex words, not {len(tokens)}")
        return tokens
    placed, at = {}, 0
    for token in tokens:
        if token.startswith("@"):
            if not re.fullmatch(r"@[0-9a-fA-F_]{1,16}", token):
                raise ValueError(f"an address must be as @1f, not {token[:20]!r}")
            at = int(token[1:].replace("_", "") or "0", 16)
            continue
        if at >= count:
            raise ValueError(f"must hold {count} hex words, not one at address {at:#x}")
        placed[at] = token
        at += 1
    missing = next((at for at in range(count) if at not in placed), None)
    if missing is not None:
        raise UnknownBitsError(f"word {missing} is at no address: the device never wrote it")
    return [placed[at] for at in range(count)]


def _numbers(tokens: list[str], width_bits: int) -> Array:
    digits = -(-width_bits // 4)
    words = [token.replace("_", "").lower() for token in tokens]
    unknown = [at for at, word in enumerate(words) if _undriven(word, digits)]
    if unknown:
        raise UnknownBitsError(
            f"word {unknown[0]} is {tokens[unknown[0]]}: bits the device never drove"
            + (f", and {len(unknown) - 1} more words" if len(unknown) > 1 else "")
        )
    for at, word in enumerate(words):
        if not 1 <= len(word) <= digits or not set(word) <= HEX:
            raise ValueError(
                f"word {at} must be at most {digits} hex digits, not {tokens[at][:20]!r}"
            )
    joined = "".join(word.rjust(digits, "0") for word in words).encode()
    values = VALUES[np.frombuffer(joined, np.uint8).reshape(len(words), digits)]
    return words_of_digits(values, width_bits)


def _undriven(word: str, digits: int) -> bool:
    """Whether a word is hex but for x or z digits; the x of a 0x before a whole word is not one."""
    prefixed = word.startswith("0x") and len(word) > digits
    return not prefixed and not set(word) <= HEX and set(word) <= HEX | set("xz")


def _values() -> Array:
    table = np.full(256, 255, np.uint8)
    for value, digit in enumerate("0123456789abcdef"):
        table[ord(digit)] = table[ord(digit.upper())] = value
    return table


VALUES = _values()
