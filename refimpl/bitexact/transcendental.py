"""exp, reciprocal and reciprocal square root, each as a machine declares it.

    "correct"     the real function of the input, rounded once: the reference for error reports
    "table"       f at 2^index_bits points of [low, high], entries rounded to the format as
                  ``rounding`` says; ``interpolation`` takes the nearest entry (ties upwards), the
                  one below (truncated), or the line between two (linear), e + (e' − e)·rest, each
                  operation in binary64 and the result rounded to the format
    "piecewise"   2^index_bits pieces of [low, high]; in each, slope·(x − start) + value, x − start
                  in binary64; slope, product and sum each in binary64, then rounded to the format
    "pow2_shift"  exp only: t = R(x·R(log₂e)), n = ⌊t⌋, R(2^n·(1 + (t − n))): a shift, an addition
    "user_table"  the entries are the case's own tensor; index and interpolation as in "table"

R rounds to the function's own format, to nearest even, and the input is rounded to it first. A NaN
gives NaN, whatever the kind. Tables are made of correctly rounded values; an input outside
[low, high], whose width is a power of two, is clamped. The place in the table is
(x − low)·2^index_bits/(high − low), in binary64. For reciprocal and rsqrt, tables work on the
significand: x = s·2^e, s ∈ [1, 2) (rsqrt: e even and s ∈ [1, 4), a table of [1, 5]), and the result
is the table's f(s), times 2^−e (2^(−e/2)).

Sources: the definitions are stated here; IEEE 754-2019, 9.2, for correct rounding.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import lru_cache
from math import frexp, isfinite
from typing import Any, Literal, TypeAlias

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.exponential import LOG2_E, exp_near
from refimpl.bitexact.formats import Mode, decode, default_cast, encode
from refimpl.bitexact.real_functions import rounded_function
from refimpl.bitexact.rounding import MODES

Name: TypeAlias = Literal["exp", "reciprocal", "rsqrt"]
NAMES = ("exp", "reciprocal", "rsqrt")
KINDS = ("correct", "table", "piecewise", "pow2_shift", "user_table")
INTERPOLATIONS = ("nearest", "truncated", "linear")
DOMAINS = {"exp": (-16.0, 0.0), "reciprocal": (1.0, 2.0), "rsqrt": (1.0, 5.0)}
MOST_INDEX_BITS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function as declared; ``format`` is that of its input, its entries and its result.

    ``entries`` names the tensor of a user table. ``low`` and ``high`` are the domain of a table of
    exp, where it is not the usual one; ``rounding`` is of the entries that are computed.
    """

    name: Name
    kind: str = "correct"
    format: str = "fp32"
    index_bits: int = 8
    interpolation: Literal["nearest", "truncated", "linear"] = "nearest"
    rounding: Mode = "nearest_even"
    low: float | None = None
    high: float | None = None
    entries: str = ""

    def __post_init__(self) -> None:
        for what, value, known in (
            ("function", self.name, NAMES),
            ("kind of function", self.kind, KINDS),
            ("interpolation", self.interpolation, INTERPOLATIONS),
            ("rounding of entries", self.rounding, tuple(MODES)),
        ):
            if value not in known:
                raise ValueError(f"{what} must be one of {', '.join(known)}, not {value!r}")
        default_cast(self.format)
        self._check_domain()
        if not 1 <= self.index_bits <= MOST_INDEX_BITS:
            raise ValueError(
                f"index_bits must be from 1 to {MOST_INDEX_BITS}, not {self.index_bits}"
            )
        if self.kind == "pow2_shift" and self.name != "exp":
            raise ValueError(f"a power-of-two shift must stand for exp, not {self.name}")
        if (self.kind == "user_table") != bool(self.entries):
            raise ValueError("entries must name the tensor of a user table, and of nothing else")
        if self.rounding != "nearest_even" and self.kind not in ("table", "piecewise"):
            raise ValueError(
                f"rounding must be that of the entries of a table or piecewise, not of {self.kind}"
            )

    def _check_domain(self) -> None:
        given = [each for each in (self.low, self.high) if each is not None]
        if given and self.name != "exp":
            raise ValueError(f"low and high must be given of exp alone, not of {self.name}")
        if any(isinstance(each, bool) or not isfinite(each) for each in given):
            raise ValueError("low and high of a table must be finite numbers")
        low, high = self.domain
        if low >= high:
            raise ValueError(f"low of a table must be below high, not [{low:g}, {high:g}]")
        if frexp(high - low)[0] != 0.5:
            raise ValueError(f"a table must be a power of two wide, not [{low:g}, {high:g}]")

    def as_json(self) -> dict[str, Any]:
        """The record as attributes hold it."""
        return asdict(self)

    @property
    def domain(self) -> tuple[float, float]:
        """Where the table lies."""
        low, high = DOMAINS[self.name]
        return low if self.low is None else self.low, high if self.high is None else self.high

    @property
    def formula(self) -> str:
        """One line for the manifest."""
        low, high = self.domain
        size = f"2^{self.index_bits}"
        kept = "" if self.rounding == "nearest_even" else f", entries {self.rounding}"
        text = {
            "correct": "correctly rounded",
            "table": f"{size} intervals of [{low:g}, {high:g}], {self.interpolation}{kept}",
            "piecewise": f"{size} pieces of [{low:g}, {high:g}], slope*(x - start) + value{kept}",
            "pow2_shift": "t = x*log2(e), n = floor(t), 2^n*(1 + (t - n))",
            "user_table": f"tensor {self.entries}, {size} intervals of [{low:g}, {high:g}], "
            f"{self.interpolation}",
        }[self.kind]
        return f"{self.name} in {self.format}: {text}"


def function_of(declared: Mapping[str, Any] | None, name: Name, form: str = "fp32") -> Function:
    """The function that attributes declare, or the correctly rounded one."""
    chosen = {"format": form, **(declared or {})}
    unknown = set(chosen) - set(Function.__dataclass_fields__)
    if unknown:
        raise ValueError(f"a function must not have the fields {', '.join(sorted(unknown))}")
    if chosen.get("name", name) != name:
        raise ValueError(f"the function here must be {name}, not {chosen['name']!r}")
    return Function(**{**chosen, "name": name})


def must_fit(of: Function, form: str, what: str) -> None:
    """Refuse fp64 among narrower numbers, whose products have no wider format to be exact in.

    Raises
    ------
    ValueError
        If the function is in fp64, and what it stands in is not.
    """
    if of.format == "fp64" and form != "fp64":
        raise ValueError(f"{of.name} must be in {form} or a narrower format, or {what} in fp64 too")


def evaluate(of: Function, x: Array, tensors: Mapping[str, Array]) -> Array:
    """The function of binary64 numbers, rounded to its format first; numbers of that format."""
    x = _round(x, of)
    if of.kind == "correct":
        return correct(of.name, x, of.format)
    if of.kind == "pow2_shift":
        return _shifted_power(x, of)
    if of.name == "exp":
        return _tabled(of, x, tensors)
    return _tabled_significand(of, x, tensors)


def correct(name: str, x: Array, form: str, rounding: Mode = "nearest_even") -> Array:
    """The real function of numbers of a format (binary64 array), rounded once to that format."""
    cast = replace(default_cast(form), rounding=rounding)
    near = _CORRECT[name](x)
    if rounding == "nearest_even" and (form != "fp64" or name == "reciprocal"):
        return decode(encode(near, cast))  # 1/x is IEEE 754's own division
    regular = np.isfinite(x) & (x != 0) & ((x > 0) | (name != "rsqrt"))
    exactly = rounded_function(name, x[regular], rounding if form == "fp64" else "odd")
    out = np.array(near, np.float64)
    out[regular] = exactly
    return decode(encode(out, cast))


def table_of(of: Function, tensors: Mapping[str, Array]) -> Array:
    """The entries: f at the 2^index_bits + 1 ends of the intervals, in the declared format."""
    if of.kind == "user_table":
        entries = _round(decode(tensors[of.entries]), of)
        if entries.shape != (2**of.index_bits + 1,):
            raise ValueError(
                f"table {of.entries} must hold {2**of.index_bits + 1} entries, not {entries.shape}"
            )
        return entries
    return _computed_table(of)


@lru_cache(maxsize=16)
def _computed_table(of: Function) -> Array:
    low, high = of.domain
    ends = low + (high - low) * np.arange(2**of.index_bits + 1) / 2**of.index_bits
    entries = correct(of.name, ends, of.format, of.rounding)
    entries.flags.writeable = False
    return entries


def _round(values: Array, of: Function) -> Array:
    return decode(encode(values, default_cast(of.format)))


def _tabled(of: Function, x: Array, tensors: Mapping[str, Array]) -> Array:
    low, high = of.domain
    number = ~np.isnan(x)
    x = np.clip(np.where(number, x, low), low, high)
    place = (x - low) * (2**of.index_bits / (high - low))
    at = np.minimum(np.floor(place), 2**of.index_bits - 1).astype(np.int64)
    entries = table_of(of, tensors)
    if of.kind == "piecewise":
        width = (high - low) / 2**of.index_bits
        slope = _round((entries[at + 1] - entries[at]) / width, of)
        rise = _round(slope * (x - (low + at * width)), of)
        y = _round(rise + entries[at], of)
    elif of.interpolation == "nearest":
        y = entries[np.floor(place + 0.5).astype(np.int64)]
    elif of.interpolation == "truncated":
        y = entries[np.floor(place).astype(np.int64)]
    else:
        y = _round(entries[at] + (entries[at + 1] - entries[at]) * (place - at), of)
    return np.where(number, y, np.nan)


def _tabled_significand(of: Function, x: Array, tensors: Mapping[str, Array]) -> Array:
    fraction, exponent = np.frexp(np.abs(x))
    significand, exponent = fraction * 2, exponent.astype(np.int64) - 1
    power = -exponent
    if of.name == "rsqrt":
        odd = exponent & 1
        significand, power = significand * (1 + odd), -((exponent - odd) >> 1)
    regular = np.isfinite(x) & (x != 0)
    found = _tabled(of, np.where(regular, significand, 1.0), tensors)
    y = _round(np.ldexp(np.where(x < 0, -found, found), power), of)
    regular &= (x > 0) | (of.name == "reciprocal")
    return np.where(regular, y, correct(of.name, x, of.format))


def _shifted_power(x: Array, of: Function) -> Array:
    constant = _round(np.array(LOG2_E), of)
    t = np.clip(_round(x * constant, of), -2000.0, 2000.0)  # beyond, ∞ and 0 in every format
    n = np.floor(np.where(np.isnan(t), 0.0, t))
    with np.errstate(over="ignore"):
        y = _round(np.ldexp((1 - n) + t, n.astype(np.int64)), of)  # one rounded addition
    return np.where(np.isnan(x), np.nan, y)


def _reciprocal(x: Array) -> Array:
    """1/x in binary64; rounding it to p digits again is rounding once, as 53 ≥ 2·p."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return 1.0 / x


def _rsqrt(x: Array) -> Array:
    """1/√x, so near that it rounds to 28 digits or fewer as the exact value does.

    NaN of a negative number, ∞ of 0. Two correctly rounded operations leave at most two units in
    the last place; only beside a number of 29 digits (a midpoint) can that matter, and there the
    side is decided by exact integers.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        y = np.asarray(1.0 / np.sqrt(x))
    low = np.ascontiguousarray(y).view(np.int64) & ((1 << 24) - 1)
    near = ((low < 8) | (low > (1 << 24) - 8)) & np.isfinite(y) & np.isfinite(x)
    out = y.copy()
    for at in np.argwhere(near):
        place = tuple(at)
        out[place] = _beside(float(y[place]), float(x[place]))
    return out


def _beside(y: float, x: float) -> float:
    """The midpoint nearest to y if it is 1/√x, or else its neighbour on the side of 1/√x."""
    word = int(np.float64(y).view(np.int64))
    middle = ((word + (1 << 23)) >> 24) << 24
    point = float(np.int64(middle).view(np.float64))
    rest = 1 - Fraction(point) ** 2 * Fraction(x)
    if rest == 0:
        return point
    return float(np.int64(middle + (1 if rest > 0 else -1)).view(np.float64))


_CORRECT: dict[str, Callable[[Array], Array]] = {
    "exp": exp_near,
    "reciprocal": _reciprocal,
    "rsqrt": _rsqrt,
}
