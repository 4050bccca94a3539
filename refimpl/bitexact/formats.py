"""Number formats as bits: what a word means, and how a real number becomes one.

    integer   two's complement of b bits (int), or plain binary (uint)
    float     sign · exponent e · fraction f of t bits, bias β:
              e = 0: ±f·2^(1−β−t)         otherwise: ±(2^t + f)·2^(e−β−t)
              "ieee": the largest e is ∞ (f = 0) and NaN; "fn": only the word of all ones is NaN

An array's NumPy type is the *label* of its format (``ml_dtypes`` names those NumPy lacks), and its
bytes are the words: ``words_of`` and ``from_words`` only look at them differently. No conversion is
ever left to NumPy or ml_dtypes: binary64 to bf16 or fp8 rounds twice there, e4m3 overflows to NaN,
and sums of bf16 stay bf16.

Sources: IEEE 754-2019, 3.4; Micikevicius et al., "FP8 formats for deep learning", arXiv:2209.05433
(2022), Table 1, for e4m3 and e5m2; bf16 is binary32 without its last 16 bits.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import ml_dtypes
import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.rounding import (
    MODES,
    OVERFLOWS,
    Packing,
    Rounder,
    packing,
    round_to_words,
)

Kind: TypeAlias = Literal["int", "uint", "float"]
Mode: TypeAlias = Literal[
    "nearest_even", "nearest_away", "toward_zero", "toward_positive", "toward_negative"
]
Overflow: TypeAlias = Literal["infinity", "saturate", "nan"]
Subnormals: TypeAlias = Literal["kept", "flushed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberFormat:
    """A number format. ``fraction`` and ``exponent`` count bits, of floats only."""

    name: str
    kind: Kind
    bits: int
    label: Any
    exponent: int = 0
    fraction: int = 0
    infinities: bool = True

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy type that labels arrays of this format."""
        return np.dtype(self.label)

    @property
    def word(self) -> np.dtype[Any]:
        """The unsigned type that carries a word: 8 bits at least."""
        return np.dtype(f"u{self.dtype.itemsize}")

    @property
    def bias(self) -> int:
        """β."""
        return (1 << (self.exponent - 1)) - 1

    @property
    def limits(self) -> tuple[int, int]:
        """Smallest and largest integer."""
        if self.kind == "uint":
            return 0, (1 << self.bits) - 1
        return -(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1

    @property
    def digits(self) -> int:
        """Bits of the significand, the hidden one included."""
        return self.fraction + 1

    @property
    def least(self) -> int:
        """Exponent of two of the smallest subnormal number."""
        return 1 - self.bias - self.fraction

    @property
    def largest(self) -> float:
        """Largest finite number."""
        top = (1 << self.exponent) - (2 if self.infinities else 1)
        odd = (1 << self.digits) - (1 if self.infinities else 2)
        return float(odd) * 2.0 ** (top - self.bias - self.fraction)

    @property
    def quiet(self) -> int:
        """The word of the positive quiet NaN."""
        return self.most + 1 + (1 << (self.fraction - 1) if self.infinities else 0)

    @property
    def most(self) -> int:
        """The word of the largest finite number."""
        ones = (1 << (self.bits - 1)) - 1
        return ones - (1 << self.fraction) if self.infinities else ones - 1

    @property
    def grid(self) -> tuple[int, int, float]:
        """What ``rounding`` needs: digits, least, largest."""
        return self.digits, self.least, self.largest


FORMATS: dict[str, NumberFormat] = {
    each.name: each
    for each in (
        NumberFormat(name="int4", kind="int", bits=4, label=ml_dtypes.int4),
        NumberFormat(name="int8", kind="int", bits=8, label=np.int8),
        NumberFormat(name="int16", kind="int", bits=16, label=np.int16),
        NumberFormat(name="int32", kind="int", bits=32, label=np.int32),
        NumberFormat(name="int64", kind="int", bits=64, label=np.int64),
        NumberFormat(name="uint8", kind="uint", bits=8, label=np.uint8),
        NumberFormat(name="uint16", kind="uint", bits=16, label=np.uint16),
        NumberFormat(name="uint32", kind="uint", bits=32, label=np.uint32),
        NumberFormat(
            name="fp8_e4m3", kind="float", bits=8, label=ml_dtypes.float8_e4m3fn,
            exponent=4, fraction=3, infinities=False,
        ),
        NumberFormat(
            name="fp8_e5m2", kind="float", bits=8, label=ml_dtypes.float8_e5m2,
            exponent=5, fraction=2,
        ),
        NumberFormat(
            name="bf16", kind="float", bits=16, label=ml_dtypes.bfloat16, exponent=8, fraction=7
        ),
        NumberFormat(
            name="fp16", kind="float", bits=16, label=np.float16, exponent=5, fraction=10
        ),
        NumberFormat(
            name="fp32", kind="float", bits=32, label=np.float32, exponent=8, fraction=23
        ),
        NumberFormat(
            name="fp64", kind="float", bits=64, label=np.float64, exponent=11, fraction=52
        ),
    )
}  # fmt: skip
FLOATS = tuple(name for name, each in FORMATS.items() if each.kind == "float")
INTEGERS = tuple(name for name, each in FORMATS.items() if each.kind != "float")
_BY_DTYPE = {each.dtype: each for each in FORMATS.values()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """How a real number becomes a word: format, rounding, and what lies outside. JSON fields.

    ``overflow`` is what a float beyond the largest finite number becomes (an infinite one too);
    integers always saturate. ``subnormals`` "flushed" turns subnormal results into ±0.
    """

    format: str
    rounding: Mode = "nearest_even"
    overflow: Overflow = "infinity"
    subnormals: Subnormals = "kept"

    def __post_init__(self) -> None:
        format_named(self.format)
        for name, value, known in (
            ("rounding", self.rounding, MODES),
            ("overflow", self.overflow, OVERFLOWS),
            ("subnormals", self.subnormals, ("kept", "flushed")),
        ):
            if value not in known:
                raise ValueError(f"{name} of a cast must be {' or '.join(known)}, not {value!r}")

    @property
    def beyond(self) -> Overflow:
        """What a number beyond the largest becomes: NaN for an infinity where there is none."""
        missing = self.overflow == "infinity" and not format_named(self.format).infinities
        return "nan" if missing else self.overflow

    @property
    def overflow_text(self) -> str:
        """The same in words: an infinity is not where a direction leads to."""
        directed = {
            "toward_zero": "the largest, but an infinity stays",
            "toward_positive": "infinity above, the largest below, but an infinity stays",
            "toward_negative": "the largest above, infinity below, but an infinity stays",
        }
        return directed.get(self.rounding, "infinity") if self.beyond == "infinity" else self.beyond

    def as_json(self) -> dict[str, Any]:
        """The record as attributes hold it."""
        return asdict(self)


def default_cast(name: str) -> Cast:
    """To nearest, ties to even; e4m3, which has no infinity, saturates as ONNX's Cast does."""
    of = format_named(name)
    return Cast(format=name, overflow="infinity" if of.infinities else "saturate")


def cast_of(declared: Mapping[str, Any] | None, otherwise: str) -> Cast:
    """The cast that attributes declare, or the default one to the format ``otherwise``."""
    if declared is None:
        return default_cast(otherwise)
    return Cast(**{**default_cast(declared.get("format", otherwise)).as_json(), **declared})


def format_named(name: str) -> NumberFormat:
    """The format of a name.

    Raises
    ------
    ValueError
        If there is none.
    """
    if name not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}, not {name!r}")
    return FORMATS[name]


def integer_format(name: Any, of: str) -> NumberFormat:
    """The integer format of a name that is declared as ``of``.

    Raises
    ------
    ValueError
        If there is none.
    """
    if name not in INTEGERS:
        raise ValueError(f"{of} must be an integer format, {', '.join(INTEGERS)}, not {name!r}")
    return FORMATS[name]


def format_of(array: Array) -> NumberFormat:
    """The format that an array's type labels.

    Raises
    ------
    ValueError
        If it labels none.
    """
    dtype = array.dtype if array.dtype in _BY_DTYPE else array.dtype.newbyteorder("=")
    if dtype not in _BY_DTYPE:
        raise ValueError(f"a vector must be one of {', '.join(FORMATS)}, not {array.dtype}")
    return _BY_DTYPE[dtype]


def words_of(array: Array) -> Array:
    """Words as unsigned integers, one each; an int4 fills the low half of its byte."""
    of = format_of(array)
    words = np.ascontiguousarray(array).view(of.word)
    return words & np.uint8(15) if of.name == "int4" else words


def from_words(words: Array, of: NumberFormat) -> Array:
    """Label words: the inverse of ``words_of``.

    Raises
    ------
    ValueError
        If a word is wider than the format.
    """
    carried = np.ascontiguousarray(words, of.word)
    if of.name != "int4":
        return carried.view(of.dtype)
    if (carried > 15).any():
        raise ValueError("an int4 word must be at most 0xf")
    # ml_dtypes looks at the low half only, and keeps the sign extended.
    return ((carried ^ np.uint8(8)).astype(np.int8) - np.int8(8)).view(of.dtype)


def integers_of(array: Array) -> Array:
    """The integers that an integer array's words stand for, as int64."""
    of = format_of(array)
    if of.kind == "float":
        raise ValueError(f"an integer array must be one of int4 to uint32, not {of.name}")
    if of.name != "int4":
        return array.astype(np.int64)
    return (words_of(array).astype(np.int64) ^ 8) - 8


def to_integers(values: Array, name: str) -> Array:
    """Saturate integers to a format; an array that has it already is returned as it is."""
    of = format_named(name)
    if values.dtype == of.dtype:
        return values
    clipped = np.clip(values, *of.limits)
    if of.name == "int4":
        return from_words((clipped & 15).astype(np.uint8), of)
    return clipped.astype(of.dtype)


def decode(array: Array) -> Array:
    """The real numbers that words stand for, exact in binary64 (int64: below 2⁵³ only)."""
    of = format_of(array)
    if of.kind != "float":
        return integers_of(array).astype(np.float64)
    if of.name == "bf16":  # the first half of a binary32 word
        halves = words_of(array).astype(np.uint32) << np.uint32(16)
        return decode(halves.view(np.float32))
    if of.name in ("fp16", "fp32", "fp64"):
        with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
            return array.astype(np.float64)  # widening is exact, by IEEE 754
    return decode_words(words_of(array), of)


def decode_words(words: Array, of: NumberFormat) -> Array:
    """Words of a float of at most 16 bits, by the formula at the head of this file."""
    wide = words.astype(np.int64)
    fraction = wide & ((1 << of.fraction) - 1)
    exponent = (wide >> of.fraction) & ((1 << of.exponent) - 1)
    significand = np.where(exponent == 0, fraction, fraction + (1 << of.fraction))
    value = np.ldexp(
        significand.astype(np.float64), np.maximum(exponent, 1) - of.bias - of.fraction
    )
    top, ones = (1 << of.exponent) - 1, (1 << of.fraction) - 1
    if of.infinities:
        value = np.where(exponent == top, np.where(fraction == 0, np.inf, np.nan), value)
    else:
        value = np.where((exponent == top) & (fraction == ones), np.nan, value)
    return np.where(wide >> (of.bits - 1) == 1, -value, value)


def encode(values: Array, cast: Cast) -> Array:
    """Round binary64 (or binary32) numbers once, and label the words.

    A NaN becomes the format's positive quiet one (e4m3: 0x7f).

    Raises
    ------
    ValueError
        If the format is an integer one and a value is NaN.
    """
    of = format_named(cast.format)
    if of.kind != "float":
        return _encode_integers(values, cast)
    given = np.asarray(values)
    if of.name == "fp64":
        return given.astype(np.float64)
    if of.name == "fp32" and given.dtype == np.float32 and cast == default_cast("fp32"):
        return _with_quiet_nans(given)
    return from_words(round_to_words(given, _packing(cast)), of)


def rounder_of(cast: Cast) -> Rounder:
    """What ``rounding.round_to`` takes to round to a float format as the cast does."""
    of = format_named(cast.format)
    flush = cast.subnormals == "flushed"
    return (*of.grid, MODES[cast.rounding], OVERFLOWS[cast.beyond], flush)


def _packing(cast: Cast) -> Packing:
    of = format_named(cast.format)
    return packing(rounder_of(cast), of.bits, of.most, of.quiet)


def _with_quiet_nans(values: Array) -> Array:
    nans = np.isnan(values)
    return np.where(nans, np.float32(np.nan), values) if nans.any() else values


def _encode_integers(values: Array, cast: Cast) -> Array:
    of, wide = format_named(cast.format), np.asarray(values, np.float64)
    if np.isnan(wide).any():
        raise ValueError(
            f"a NaN must not be cast to {of.name}, which has none: declare formats and scales in "
            "which nothing overflows"
        )
    if of.bits > 32:
        raise ValueError("a real number must be cast to an integer of at most 32 bits")
    clipped = np.clip(wide, *of.limits)  # before rounding: the limits are integers
    return to_integers(_WHOLE[cast.rounding](clipped).astype(np.int64), of.name)


_WHOLE: dict[str, Callable[[Array], Array]] = {
    "nearest_even": np.rint,
    "toward_zero": np.trunc,
    "nearest_away": lambda x: np.trunc(x) + np.trunc(2 * (x - np.trunc(x))),
    "toward_positive": np.ceil,
    "toward_negative": np.floor,
}
