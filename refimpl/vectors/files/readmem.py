"""Words as ``$readmemh`` reads them: fixed-width hex, one word a line, no sign.

Simulators zero-extend short words, fill what a short file leaves with x or with 0, and call a
minus sign a syntax error; so the files have exactly so many words of exactly so many digits. Read
back: comments, ``@address`` and underscores as the standard has them; x and z digits, and words at
addresses that a dump skips, are bits that a device never drove: they come beside the words, since
only who knows what the bits are for can say whether they matter. A dump that ``$writememh`` left
begins with a comment: it is read in pieces all the same, in bounded memory (``runs_of``).

Source: IEEE 1364-2005, sections 3.3 (comments) and 17.2.9.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from refimpl.arrays import Array

COMMENT = re.compile(rb"//[^\n]*\n|/\*.*?\*/", re.DOTALL)
BEGUN = re.compile(rb"//|/\*|/\Z")  # a comment that goes on in the next piece
ADDRESS = re.compile(rb"@[0-9a-fA-F_]{1,16}")
SPACE = (b" ", b"\n", b"\t", b"\r", b"\v", b"\f")
PIECE = 2**18  # ours: bytes of text at a time
LONGEST_WORD = 2**16  # ours: 1024 lanes of 64 bits are 16384 digits, with room for underscores
HEX = frozenset("0123456789abcdef")


class UnknownBitsError(ValueError):
    """A hex dump holds bits that the device never drove, where they matter."""


class Undriven(NamedTuple):
    """Ones in the bits of x digits, and in those of z; in both where a dump has no such word."""

    x: Array
    z: Array

    @property
    def bits(self) -> Array:
        """Ones wherever nothing was driven."""
        return self.x | self.z


class Dump(NamedTuple):
    """Words (count, bytes) by address, zeros where ``undriven`` has ones (None: nowhere)."""

    words: Array
    undriven: Undriven | None


def to_hex(words: Array, width_bits: int) -> bytes:
    """One word a line, fixed width, lower case."""
    digits = -(-width_bits // 4)
    text = np.ascontiguousarray(words[:, ::-1]).tobytes().hex().encode()
    wide = np.frombuffer(text, np.uint8).reshape(len(words), 2 * words.shape[1])
    lines = np.full((len(words), digits + 1), ord("\n"), np.uint8)
    lines[:, :digits] = wide[:, 2 * words.shape[1] - digits :]
    return lines.tobytes()


class Run(NamedTuple):
    """Words of a dump one after another: the address of the first, and their bytes (k, bytes).

    ``undriven`` has ones where digits are x or z (None: nowhere). ``addressed`` says whether the
    dump has had an address so far.
    """

    address: int
    words: Array
    undriven: Undriven | None
    addressed: bool

    @property
    def end(self) -> int:
        """The address after the last word."""
        return self.address + len(self.words)


def from_hex(text: str, count: int, width_bits: int) -> Array:
    """Words (count, bytes) of a hex dump in which every bit is driven.

    Raises
    ------
    ValueError
        If there are not exactly ``count`` words, or one is not hex or too wide.
    UnknownBitsError
        If a word has x or z digits, or an address was skipped.
    """
    dump = from_dump(text, count, width_bits)
    if dump.undriven is not None:
        at = int(np.flatnonzero(dump.undriven.bits.any(axis=1))[0])
        raise UnknownBitsError(f"word {at} has bits that were never driven")
    return dump.words


def from_dump(text: str, count: int, width_bits: int, base: int = 0) -> Dump:
    """Words of a hex dump, and which of their bits the device never drove.

    Addresses count from the first word, or where that is too far, from ``base`` words before it.

    Raises
    ------
    ValueError
        If there are not exactly ``count`` words, or one is not hex or too wide.
    """
    raw = text.encode("ascii", "replace")
    plain = from_plain_hex(raw, width_bits)
    if plain is not None and len(plain) == count:
        return Dump(plain, None)
    pieces = (raw[at : at + PIECE] for at in range(0, len(raw), PIECE))
    runs = list(runs_of(pieces, width_bits))
    beyond = any(run.end > count for run in runs)
    if beyond and all(base <= run.address and run.end <= base + count for run in runs):
        runs = [run._replace(address=run.address - base) for run in runs]
    return placed(runs, count, width_bits)


def runs_of(pieces: Iterable[bytes], width_bits: int) -> Iterator[Run]:
    """Words of a dump as they stand in it, some at a time, whatever pieces its text comes in.

    Raises
    ------
    ValueError
        If a word is not hex or too wide, or an address is none.
    """
    at, addressed = 0, False
    for text in _without_comments(pieces):
        words: list[bytes] = []
        tokens = text.split()
        if b"@" not in text:
            words = tokens
            tokens = []
        for token in tokens:
            if not token.startswith(b"@"):
                words.append(token)
                continue
            addressed, to = True, _address(token)
            if to != at + len(words):
                yield from _run(words, at, width_bits, addressed=True)
                words, at = [], to
        yield from _run(words, at, width_bits, addressed=addressed)
        at += len(words)


def in_order(runs: Iterable[Run], count: int) -> bool:
    """Whether a dump has exactly ``count`` words in the order of their addresses.

    Then it need not be held whole.
    """
    at = 0
    for run in runs:
        if run.address != at:
            return False
        at = run.end
    return at == count


def from_plain_hex(raw: bytes, width_bits: int, first: int = 0) -> Array | None:
    """Words of lines of exactly so many hex digits; None if the text is anything else.

    ``first`` is what the first word is called in an error.
    """
    digits = -(-width_bits // 4)
    if len(raw) % (digits + 1):
        return None
    lines = np.frombuffer(raw, np.uint8).reshape(-1, digits + 1)
    values = VALUES[lines[:, :digits]]
    if (lines[:, digits] != ord("\n")).any() or (values > 15).any():
        return None
    return words_of_digits(values, width_bits, first)


def words_of_digits(values: Array, width_bits: int, first: int = 0) -> Array:
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
            raise ValueError(f"word {first + over[0]} must be at most {width_bits} bits wide")
    even = values if values.shape[1] % 2 == 0 else np.pad(values, ((0, 0), (1, 0)))
    return np.ascontiguousarray(((even[:, 0::2] << 4) | even[:, 1::2])[:, ::-1])


def placed(runs: list[Run], count: int, width_bits: int) -> Dump:
    """Words by address; what is written twice is what was written last.

    Raises
    ------
    ValueError
        If there are words beyond ``count``, or too few of a dump without addresses.
    """
    total = sum(len(run.words) for run in runs)
    if not any(run.addressed for run in runs) and total != count:
        raise ValueError(f"must hold {count} hex words, not {total}")
    for run in runs:
        if run.end > count:
            beyond = max(run.address, count)
            raise ValueError(f"must hold {count} hex words, not one at address {beyond:#x}")
    words = np.zeros((count, -(-width_bits // 8)), np.uint8)
    none = words_of_digits(np.tile(_full(width_bits), (count, 1)), width_bits)
    undriven = Undriven(none, none.copy())
    for run in runs:
        at = slice(run.address, run.end)
        words[at] = run.words
        for whole, own in zip(undriven, run.undriven or (0, 0), strict=True):
            whole[at] = own
    return Dump(words, undriven if undriven.bits.any() else None)


def _without_comments(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The text of a dump in pieces that end between words; a comment is a space."""
    left = b""
    for piece in pieces:
        text = COMMENT.sub(b" ", left + piece)
        begun = BEGUN.search(text)
        end = len(text) if begun is None else begun.start()
        text, begun_with = text[:end], text[end:]
        if len(begun_with) > 2:  # only how a comment began, and whether it may be about to end
            ending = begun_with.startswith(b"/*") and begun_with.endswith(b"*")
            begun_with = begun_with[:2] + (b"*" if ending else b"")
        cut = 1 + max(text.rfind(space) for space in SPACE)
        yield text[:cut]
        left = text[cut:] + begun_with
        if len(left) > LONGEST_WORD:
            raise ValueError(f"a word must have at most {LONGEST_WORD} characters")
    yield re.sub(rb"//.*", b"", left)


def _address(token: bytes) -> int:
    if not ADDRESS.fullmatch(token):
        raise ValueError(
            f"an address must be as @1f, not {token[:20].decode('ascii', 'replace')!r}"
        )
    return int(token[1:].replace(b"_", b"") or b"0", 16)


def _run(tokens: list[bytes], address: int, width_bits: int, *, addressed: bool) -> Iterator[Run]:
    """Words as numbers: all at once if they are of the full width, or else one by one."""
    if not tokens:
        return
    plain = from_plain_hex(b"\n".join(tokens) + b"\n", width_bits, address)
    if plain is not None:
        yield Run(address, plain, None, addressed)
        return
    digits = -(-width_bits // 4)
    texts = [token.decode("ascii", "replace") for token in tokens]
    words = [text.replace("_", "").lower() for text in texts]
    unknown = [at for at, word in enumerate(words) if _undriven(word, digits)]
    for at in unknown:
        words[at] = words[at].rjust(digits, words[at][0] if words[at][0] in "xz" else "0")[-digits:]
    known = set(unknown)
    for at, word in enumerate(words):
        if at not in known and not (1 <= len(word) <= digits and set(word) <= HEX):
            raise ValueError(
                f"word {address + at} must be at most {digits} hex digits, not {texts[at][:20]!r}"
            )
    joined = "".join(word.rjust(digits, "0") for word in words).encode()
    written = np.frombuffer(joined, np.uint8).reshape(len(words), digits)
    values = VALUES[written]
    driven = words_of_digits(np.where(values > 15, 0, values), width_bits, address)
    if not unknown:
        yield Run(address, driven, None, addressed)
        return
    x, z = (
        words_of_digits(np.where(written == ord(digit), _full(width_bits), 0), width_bits)
        for digit in "xz"
    )
    yield Run(address, driven, Undriven(x, z), addressed)


def _full(width_bits: int) -> Array:
    """Digits of a word of ones."""
    digits = -(-width_bits // 4)
    full = np.full(digits, 15, np.uint8)
    full[0] = (1 << (width_bits - 4 * (digits - 1))) - 1
    return full


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
