"""The verdict on what a device produced: exact, within a rigorous bound, or wrong, and where. Pure.

    exact                 every bit is equal (NaNs under the manifest's policy)
    within bound          floats: other bits, each element within the bound of any order of
                          summation in the device's class of adders
    bound not applicable  other bits, and the device is outside every class that has a bound, the
                          stage has none, or all of them are where magnitudes may overflow
    wrong                 neither
    unwritten             all that differ still hold the prefill 0xdeadbeef
    unknown bits          all that differ have bits that the device never drove: x or z in a hex
                          dump, or an address that it skips

Only the first two pass. Outputs have a bound; stages before them where the device declares its
adders, and must be equal where it declares none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.bounds import Bound
from refimpl.vectors.chunks import Chunk
from refimpl.vectors.compare import Comparison, FirstBad, compare
from refimpl.vectors.formats import Format, hex_of, is_nan, ordinals, text_of
from refimpl.vectors.patterns import bits_text, pattern, text_map
from refimpl.vectors.physical import Physical, word_at

Outcome: TypeAlias = Literal[
    "exact", "within bound", "bound not applicable", "wrong", "unwritten", "unknown bits"
]
PASSING = frozenset({"exact", "within bound"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BadElement:
    """The first wrong element, in logical order; ``ulps`` counts values of the format between.

    Where bits of it were never driven, ``got`` is unknown, and digits of ``got_hex`` are x or z, or
    - where a dump has no such word.
    """

    index: tuple[int, ...]
    word: int
    lane: int
    expected: str
    expected_hex: str
    got: str
    got_hex: str
    ulps: int | None
    bound: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Maps:
    """How many elements are wrong: per coordinate of each axis, per pixel, per lane of the word."""

    axes: Mapping[str, Array]
    pixels: Array | None
    lanes: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one file of a device is worth; ``local`` is the same judged from the device's own input.

    Elements with ``unknown`` bits, and ``unwritten`` ones, are among the ``wrong`` ones only where
    there are no others. ``bits`` names the few bits that alone are wrong, if so. ``local`` is None
    where the stage was not judged so; else the outcome of recomputing the stage from what the
    device itself left of the stage before it.
    """

    case: str
    tensor: str
    file: str
    outcome: Outcome
    elements: int
    wrong: int = 0
    unknown: int = 0
    unwritten: int = 0
    first: BadElement | None = None
    pattern: str = ""
    bits: str = ""
    maps: Maps | None = None
    note: str = ""
    local: str | None = None
    hints: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the device may stand."""
        return self.outcome in PASSING

    @property
    def sentence(self) -> str:
        """The verdict as text, with the first bad element where there is one."""
        where = f"{self.case} {self.tensor} ({self.file})"
        if self.first is None:
            return f"{where}: {self.outcome}, {self.elements} elements{self.note}"
        bad = self.first
        lane = f", lane {bad.lane}" if bad.lane else ""
        limit = "" if bad.bound is None else f", allowed ±{bad.bound}"
        apart = "" if bad.ulps is None else f", {bad.ulps} apart"
        return (
            f"{where}: {self.outcome}, {self.wrong} of {self.elements} elements; first at "
            f"{list(bad.index)} (word {bad.word}{lane}): must be {bad.expected} "
            f"(0x{bad.expected_hex}), not {bad.got} (0x{bad.got_hex}){apart}{limit}{self.note}"
        )

    @property
    def map_text(self) -> str:
        """The map over (y, x) as text; empty where nothing is wrong or there are no pixels."""
        if self.maps is None or self.maps.pixels is None or not self.wrong:
            return ""
        return text_map(self.maps.pixels)


def judge(
    expected: Array,
    got: Array,
    *,
    of: Physical,
    names: tuple[str, str, str],
    bound: Bound | None = None,
    tiles: Mapping[str, int] | None = None,
    outside: str = "",
) -> Verdict:
    """Compare one tensor of a device, given in logical order, with the golden one.

    ``names`` are the case, the tensor and the file. With a ``bound``, elements whose bits differ
    may still be within it; a NaN, or an element without a bound, never is. ``outside`` says why the
    device is in no class that has a bound.
    """
    flat = None if bound is None else Bound(*(each.reshape(-1) for each in bound))
    chunk = Chunk(0, expected.reshape(-1), got.reshape(-1), flat)
    found = compare([chunk], of, logical=True)
    return verdict_of(found, of, names, tiles=tiles or {}, outside=outside)


def verdict_of(
    found: Comparison,
    of: Physical,
    names: tuple[str, str, str],
    *,
    tiles: Mapping[str, int],
    outside: str = "",
) -> Verdict:
    """The verdict on a comparison."""
    case, tensor, file = names
    common: dict[str, Any] = {
        "case": case,
        "tensor": tensor,
        "file": file,
        "elements": found.elements,
    }
    payloads = f", {found.other_nans} NaNs with other bits" if found.other_nans else ""
    if not found.wrong:
        if found.other_bits:
            note = f", {found.other_bits} with other bits{_first_of(found, of)}{payloads}"
            return Verdict(**common, outcome="within bound", note=note)
        return Verdict(**common, outcome="exact", note=payloads)
    if found.first is None:
        raise AssertionError("a wrong element is the first of some")
    outcome, note = _why(found, of, outside)
    return Verdict(
        **common,
        outcome=outcome,
        wrong=found.wrong,
        unknown=found.unknown,
        unwritten=found.unwritten,
        first=_bad_element(found.first, of),
        pattern=pattern(found, tiles),
        bits="" if outcome in ("unwritten", "unknown bits") else bits_text(found, of.form.bits),
        maps=Maps(axes=found.axes, pixels=found.pixels, lanes=found.lanes),
        note=note,
    )


def _first_of(found: Comparison, of: Physical) -> str:
    """Where the first element with other bits is."""
    return "" if found.first_other is None else f", the first at {_index(found.first_other, of)}"


def _index(flat: int, of: Physical) -> list[int]:
    return [int(at) for at in np.unravel_index(flat, of.shape)] if of.shape else []


def _why(found: Comparison, of: Physical, outside: str) -> tuple[Outcome, str]:
    never = _also(found.unwritten, "still hold the prefill 0xdeadbeef", found.first_unwritten, of)
    if found.first is not None and found.first.undriven is not None:
        skipped = found.first.undriven.x & found.first.undriven.z
        where = ": the dump skips its address" if skipped.any() else ""
        return "unknown bits", f"; {found.unknown} with bits that were never driven{where}{never}"
    if found.first is not None and found.first.flat == found.first_unwritten:
        return "unwritten", f"; {found.unwritten} still hold the prefill 0xdeadbeef"
    undriven = "with bits that were never driven"
    more = f"{_also(found.unknown, undriven, found.first_unknown, of)}{never}"
    if outside:
        return "bound not applicable", f"; {outside}{more}"
    if found.unbounded == found.wrong:
        why = "; the sum of magnitudes may overflow, or errs by all of it"
        return "bound not applicable", f"{why}{more}"
    return "wrong", more


def _also(count: int, what: str, first: int | None, of: Physical) -> str:
    """A clause on elements that are counted apart from the wrong ones."""
    return "" if first is None else f"; {count} more {what}, the first at {_index(first, of)}"


def _bad_element(first: FirstBad, of: Physical) -> BadElement:
    index = tuple(int(step) for step in np.unravel_index(first.flat, of.shape)) if of.shape else ()
    word, lane = word_at(index, of)
    limit = None
    if first.bound is not None:
        reference, reach = (float(each[0]) for each in first.bound)
        limit = f"{reach:.3g} around {reference:.9g}"
    return BadElement(
        index=index,
        word=word,
        lane=lane,
        expected=text_of(first.golden[0], of.form),
        expected_hex=hex_of(first.golden[0], of.form),
        got=text_of(first.device[0], of.form) if first.undriven is None else "unknown",
        got_hex=_digits(first, of.form),
        ulps=_apart(first, of.form),
        bound=limit,
    )


def _digits(first: FirstBad, form: Format) -> str:
    """Hex digits of what the device left, with x, z or - where bits of one were never driven."""
    driven = hex_of(first.device[0], form)
    if first.undriven is None:
        return driven
    return undriven_digits(driven, *(f"{int(b[0]):0{len(driven)}x}" for b in first.undriven))


def undriven_digits(driven: str, x: str, z: str) -> str:
    """Hex digits with x, z or - in place of those that have ones in ``x``, in ``z`` or in both."""
    return "".join(
        each if (a, b) == ("0", "0") else "-" if int(a, 16) & int(b, 16) else "zx"[b == "0"]
        for each, a, b in zip(driven, x, z, strict=True)
    )


def _apart(first: FirstBad, form: Format) -> int | None:
    """Values of the format from one to the other; None where one is NaN or unknown."""
    if first.undriven is not None:
        return None
    if is_nan(first.golden, form)[0] or is_nan(first.device, form)[0]:
        return None
    return abs(int(ordinals(first.golden, form)[0]) - int(ordinals(first.device, form)[0]))
