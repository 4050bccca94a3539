"""Words as ``$readmemh`` reads them: fixed-width hex, one word a line, no sign.

Simulators zero-extend short words, fill what a short file leaves with x or with 0, and call a
minus sign a syntax error; so the files have exactly so many words of exactly so many digits. Read
back: comments, ``@address`` and underscores as the standard has them; x and z digits are what a
device never drove, and are told apart from words that are wrong. A dump that ``$writememh`` left
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
    """A hex dump holds x or z digits: bits the device never drove."""


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

    ``undriven`` has ones where digits are x or z (None: nowhere), ``said`` is the first such word
    as it was written. ``addressed`` says whether the dump has had an address so far.
    """

    address: int
    words: Array
    undriven: Array | None
    said: str
    addressed: bool

    @property
    def end(self) -> int:
        """The address after the last word."""
        return self.address + len(self.words)

    @property
    def unknown(self) -> Array:
        """Places of the words that have x or z digits."""
        return np.flatnonzero([] if self.undriven is None else self.undriven.any(axis=1))


def from_hex(text: str, count: int, width_bits: int) -> Array:
    """Words (count, bytes) of a hex dump.

    Raises
    ------
    ValueError
        If there are not exactly ``count`` words, or one is not hex or too wide.
    UnknownBitsError
        If a word has x or z digits, or an address was skipped.
    """
    raw = text.encode("ascii", "replace")
    plain = from_plain_hex(raw, width_bits)
    if plain is not None and len(plain) == count:
        return plain
    pieces = (raw[at : at + PIECE] for at in range(0, len(raw), PIECE))
    return _placed(list(runs_of(pieces, width_bits)), count)


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

    Raises
    ------
    UnknownBitsError
        If it has, and one has x or z digits.
    """
    at, found, first = 0, 0, ""
    for run in runs:
        if run.address != at:
            return False
        at = run.end
        unknown = run.unknown
        if len(unknown) and not found:
            first = f"word {run.address + unknown[0]} is {run.said}"
        found += len(unknown)
    if at == count and found:
        raise _never_driven(first, found)
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


def _placed(runs: list[Run], count: int) -> Array:
    """Words by address; what is written twice is what was written last."""
    total = sum(len(run.words) for run in runs)
    if not any(run.addressed for run in runs) and total != count:
        raise ValueError(f"must hold {count} hex words, not {total}")
    for run in runs:
        if run.end > count:
            beyond = max(run.address, count)
            raise ValueError(f"must hold {count} hex words, not one at address {beyond:#x}")
    missing = _first_missing(runs, count)
    if missing is not None:
        raise UnknownBitsError(f"word {missing} is at no address: the device never wrote it")
    width = runs[0].words.shape[1] if runs else 1
    words = np.empty((count, width), np.uint8)
    unknown = np.zeros(count, bool)
    for run in runs:
        words[run.address : run.end] = run.words
        unknown[run.address : run.end] = False
        unknown[run.address + run.unknown] = True
    at = np.flatnonzero(unknown)
    if len(at):
        said = {run.address + run.unknown[0]: run.said for run in runs if len(run.unknown)}
        raise _never_driven(f"word {at[0]} is {said.get(at[0], 'x')}", len(at))
    return words


def _first_missing(runs: list[Run], count: int) -> int | None:
    at = 0
    for run in sorted(runs, key=lambda run: run.address):
        if run.address > at:
            return at
        at = max(at, run.end)
    return at if at < count else None


def _never_driven(first: str, count: int) -> UnknownBitsError:
    more = f", and {count - 1} more words" if count > 1 else ""
    return UnknownBitsError(f"{first}: bits the device never drove{more}")


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
        yield Run(address, plain, None, "", addressed)
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
    values = VALUES[np.frombuffer(joined, np.uint8).reshape(len(words), digits)]
    driven = words_of_digits(np.where(values > 15, 0, values), width_bits, address)
    if not unknown:
        yield Run(address, driven, None, "", addressed)
        return
    ones = words_of_digits(np.where(values > 15, _full(width_bits), 0).astype(np.uint8), width_bits)
    yield Run(address, driven, ones, texts[unknown[0]], addressed)


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
