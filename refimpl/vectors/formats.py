"""Number formats as files hold them: bits of an element, the type that carries them, their values.

    int4 … int64, uint8/16    two's complement, or plain binary
    int9 int17 int33          the wires of a product of differences of two int4, int8, int16
    bf16 fp16 fp32 fp64       IEEE 754 (bfloat16 as binary32 cut to 16 bits)
    fp8_e4m3 fp8_e5m2         OCP 8-bit floating point (e4m3 has no infinity)

Types that NumPy does not know are carried as their bits in unsigned integers, and integers of other
widths in the next wider one, sign-extended: a ``.npy`` file loses the name of such a type, a
manifest does not.

Source: IEEE 754-2019; Micikevicius et al., "FP8 formats for deep learning", arXiv:2209.05433.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import ml_dtypes
import numpy as np

from refimpl.arrays import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A number format: its name, the bits of an element, and NumPy's little-endian carrier."""

    name: str
    bits: int
    dtype: str
    floating: bool = False
    meaning: type | None = None  # the type whose values the carrier's bits are, if it is another

    @property
    def word(self) -> str:
        """The unsigned type of the carrier's bits."""
        return f"<u{np.dtype(self.dtype).itemsize}"

    @property
    def carrier_bits(self) -> int:
        """Bits of the carrier: what one element takes in a ``.bin`` that is not packed."""
        return int(np.dtype(self.dtype).itemsize * 8)


FORMATS = {
    each.name: each
    for each in (
        Format(name="int4", bits=4, dtype="|i1"),
        Format(name="int8", bits=8, dtype="|i1"),
        Format(name="uint8", bits=8, dtype="|u1"),
        Format(name="int16", bits=16, dtype="<i2"),
        Format(name="int32", bits=32, dtype="<i4"),
        Format(name="int64", bits=64, dtype="<i8"),
        Format(name="int9", bits=9, dtype="<i2"),
        Format(name="int17", bits=17, dtype="<i4"),
        Format(name="int33", bits=33, dtype="<i8"),
        Format(name="uint16", bits=16, dtype="<u2"),
        Format(name="uint32", bits=32, dtype="<u4"),
        Format(
            name="fp8_e4m3", bits=8, dtype="|u1", floating=True, meaning=ml_dtypes.float8_e4m3fn
        ),
        Format(name="fp8_e5m2", bits=8, dtype="|u1", floating=True, meaning=ml_dtypes.float8_e5m2),
        Format(name="bf16", bits=16, dtype="<u2", floating=True, meaning=ml_dtypes.bfloat16),
        Format(name="fp16", bits=16, dtype="<f2", floating=True),
        Format(name="fp32", bits=32, dtype="<f4", floating=True),
        Format(name="fp64", bits=64, dtype="<f8", floating=True),
    )
}
BY_DTYPE: Mapping[str, str] = {
    "int8": "int8",
    "uint8": "uint8",
    "int16": "int16",
    "int32": "int32",
    "int64": "int64",
    "uint16": "uint16",
    "uint32": "uint32",
    "float16": "fp16",
    "float32": "fp32",
    "float64": "fp64",
    "int4": "int4",
    "bfloat16": "bf16",
    "float8_e4m3fn": "fp8_e4m3",
    "float8_e5m2": "fp8_e5m2",
}


def format_of(array: Array, declared: str | None = None) -> Format:
    """Format of an array: as declared, or else by its type.

    Raises
    ------
    ValueError
        If vectors do not hold that type, or it is not the carrier of the declared format.
    """
    name = declared or BY_DTYPE.get(array.dtype.name)
    if name is None or name not in FORMATS:
        raise ValueError(
            f"a vector must be one of {', '.join(FORMATS)}, not {declared or array.dtype}"
        )
    form = FORMATS[name]
    if array.dtype.newbyteorder("<") not in _carriers(form):
        raise ValueError(f"{name} must be carried by {form.dtype}, not {array.dtype}")
    return form


def carried(array: Array, form: Format) -> Array:
    """Return the array as its carrier type: bits unchanged, int4 of ml_dtypes sign-extended."""
    if array.dtype.name == "int4":
        return array.astype(np.int8)
    if form.meaning is not None and array.dtype == form.meaning:
        return array.view(form.dtype)
    return array.astype(form.dtype, copy=False)


def labelled(array: Array, form: Format) -> Array:
    """The array by the type that names its format, as the bit-exact operators take it."""
    if form.name == "int4" and array.dtype == np.int8:
        return array.astype(ml_dtypes.int4)
    if form.meaning is not None and array.dtype == np.dtype(form.dtype):
        return np.ascontiguousarray(array).view(form.meaning)
    return array


def bits_of(array: Array, form: Format) -> Array:
    """Bits of each element as an unsigned integer of the carrier's width; those beyond are 0."""
    unsigned = np.ascontiguousarray(carried(array, form), form.dtype).view(form.word)
    if form.bits == form.carrier_bits:
        return unsigned
    return unsigned & np.array((1 << form.bits) - 1, form.word)


def must_fit(array: Array, form: Format) -> None:
    """Refuse numbers that the carrier holds and the format does not.

    Raises
    ------
    ValueError
        If there is one.
    """
    if form.bits == form.carrier_bits or form.floating or array.dtype.name == "int4":
        return
    half = 1 << (form.bits - 1)
    flat = array.reshape(-1)
    over = np.flatnonzero((flat < -half) | (flat >= half))
    if len(over):
        raise ValueError(
            f"must hold {form.name}, numbers from {-half} to {half - 1}, not {flat[over[0]]} as "
            f"element {over[0]} of the file"
        )


def from_bits(bits: Array, form: Format) -> Array:
    """Undo ``bits_of``: the carrier, with the sign extended where it is wider."""
    words = np.ascontiguousarray(bits, form.word)
    if form.bits < form.carrier_bits:
        spare = form.carrier_bits - form.bits
        return (words << spare).view(form.dtype) >> spare
    return words.view(form.dtype)


def values_of(array: Array, form: Format) -> Array:
    """Values as binary64 (exact for every format but int64)."""
    plain = carried(array, form)
    meant = plain if form.meaning is None else np.ascontiguousarray(plain).view(form.meaning)
    with np.errstate(invalid="ignore"):  # of a signalling NaN
        return meant.astype(np.float64)


def is_nan(array: Array, form: Format) -> Array:
    """Which elements are NaN; none in an integer format."""
    if not form.floating:
        return np.zeros(array.shape, bool)
    return np.isnan(values_of(array, form))


def canonical_nans(array: Array, form: Format) -> Array:
    """Replace every NaN by the format's positive quiet one without payload: the same on any CPU.

    The type stays: that of an array of bf16 or fp8 is what names its format.
    """
    nans = is_nan(array, form)
    if not nans.any():
        return array
    bits = bits_of(array, form).copy()
    bits[nans] = QUIET_NANS[form.name]
    words = from_bits(bits, form)
    return words if form.meaning is None else words.view(array.dtype)


QUIET_NANS = {
    "fp8_e4m3": 0x7F,
    "fp8_e5m2": 0x7E,
    "bf16": 0x7FC0,
    "fp16": 0x7E00,
    "fp32": 0x7FC00000,
    "fp64": 0x7FF8000000000000,
}


def ordinals(array: Array, form: Format) -> Array:
    """Place of each element among all values of its format: neighbours differ by one (NaN: none).

    Both zeros of a floating format have place 0. Python integers, so that no difference overflows.
    """
    if not form.floating:
        return carried(array, form).astype(object)
    bits = bits_of(array, form).astype(object)
    sign = 1 << (form.bits - 1)
    return np.where(bits >= sign, sign - bits, bits)


def hex_of(value: Array, form: Format) -> str:
    """Hex word of one element, zero-padded, no sign."""
    (bits,) = bits_of(np.atleast_1d(value), form).tolist()
    return f"{bits:0{-(-form.bits // 4)}x}"


def text_of(value: Array, form: Format) -> str:
    """Shortest text of one element's value that reads back."""
    if not form.floating:
        return str(int(np.asarray(carried(np.atleast_1d(value), form))[0]))
    if form.meaning is None:
        return repr(np.asarray(value).item())
    return repr(float(values_of(np.atleast_1d(value), form)[0]))


def _carriers(form: Format) -> tuple[np.dtype, ...]:
    """Types an array of a format may have: the carrier, or what it means; int4 has one more."""
    meanings = (form.meaning,) if form.meaning is not None else ()
    int4 = (ml_dtypes.int4,) if form.name == "int4" else ()
    return tuple(np.dtype(each) for each in (form.dtype, *meanings, *int4))
