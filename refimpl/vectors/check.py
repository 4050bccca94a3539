"""The verdict on what a device produced: exact, within a rigorous bound, or wrong, and where. Pure.

Integers must be equal. fp32 outputs are "exact" where the bits are equal, and "within bound" where
every element is within the set's per-element bound of the binary64 reference: then the device is
one of the declared class (any order of summation), though not this order. Stages are judged for
equality only.
"""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.bounds import Bound
from refimpl.vectors.formats import hex_of
from refimpl.vectors.layouts import Layout, word_of

Outcome: TypeAlias = Literal["exact", "within bound", "wrong", "unknown bits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BadElement:
    """The first wrong element, in logical order."""

    index: tuple[int, ...]
    word: int
    expected: str
    expected_hex: str
    got: str
    got_hex: str
    bound: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one file of a device is worth."""

    case: str
    tensor: str
    file: str
    outcome: Outcome
    elements: int
    wrong: int = 0
    first: BadElement | None = None
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether the device may stand."""
        return self.outcome in ("exact", "within bound")

    @property
    def sentence(self) -> str:
        """The verdict as text, with the first bad element where there is one."""
        where = f"{self.case} {self.tensor} ({self.file})"
        if self.first is None:
            return f"{where}: {self.outcome}, {self.elements} elements{self.note}"
        bad = self.first
        limit = "" if bad.bound is None else f", allowed ±{bad.bound}"
        return (
            f"{where}: {self.outcome}, {self.wrong} of {self.elements} elements; first at "
            f"{list(bad.index)} (word {bad.word}): must be {bad.expected} (0x{bad.expected_hex}), "
            f"not {bad.got} (0x{bad.got_hex}){limit}{self.note}"
        )


def judge(
    expected: Array,
    got: Array,
    *,
    layout: Layout,
    names: tuple[str, str, str],
    bound: Bound | None = None,
) -> Verdict:
    """Compare one tensor of a device, given in logical order, with the golden one.

    ``names`` are the case, the tensor and the file. With a ``bound``, elements whose bits differ
    may still be within it; a NaN, or an element without a bound, never is.
    """
    case, tensor, file = names
    common: dict[str, Any] = {
        "case": case,
        "tensor": tensor,
        "file": file,
        "elements": expected.size,
    }
    differs = _words(expected) != _words(got)
    if not differs.any():
        return Verdict(**common, outcome="exact")
    wrong = differs if bound is None else differs & ~_within(got, bound)
    if not wrong.any():
        return Verdict(
            **common, outcome="within bound", note=f", {int(differs.sum())} with other bits"
        )
    index = tuple(int(at) for at in np.argwhere(wrong)[0])
    limit = None if bound is None else bound.bound[index]
    first = BadElement(
        index=index,
        word=word_of(index, expected.shape, layout),
        expected=repr(expected[index].item()),
        expected_hex=hex_of(expected[index]),
        got=repr(got[index].item()),
        got_hex=hex_of(got[index]),
        bound=None
        if limit is None
        else f"{limit:.3g} around {bound.reference[index]:.9g}"
        if bound is not None
        else None,
    )
    return Verdict(**common, outcome="wrong", wrong=int(wrong.sum()), first=first)


def _words(array: Array) -> Array:
    return np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")


def _within(got: Array, bound: Bound) -> Array:
    with np.errstate(invalid="ignore"):
        wide = got.astype(np.float64)
        finite = np.isfinite(wide) & np.isfinite(bound.bound)
        near = np.abs(wide - bound.reference) <= bound.bound
    return finite & near
