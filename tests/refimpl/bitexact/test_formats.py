"""Formats: every word of at most 16 bits against ml_dtypes and NumPy, casts against fractions.

The traps of the libraries are pinned here: if one of these tests fails, a library has changed.
"""

import io

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.bitexact.formats import (
    FLOATS,
    FORMATS,
    Cast,
    cast_of,
    decode,
    default_cast,
    encode,
    format_of,
    from_words,
    integers_of,
    to_integers,
    words_of,
)
from refimpl.bitexact.rounding import MODES, OVERFLOWS, round_to

NARROW = [name for name in FLOATS if FORMATS[name].bits <= 16]
narrow = pytest.mark.parametrize("name", NARROW)


def every(name):
    of = FORMATS[name]
    return from_words(np.arange(1 << of.bits, dtype=of.word), of)


@narrow
def test_every_word_stands_for_the_number_the_libraries_say(name):
    words = every(name)
    with np.errstate(invalid="ignore"):  # of signalling NaNs
        np.testing.assert_array_equal(decode(words), words.astype(np.float64))


@narrow
def test_every_number_is_encoded_as_its_own_word_and_nan_as_the_quiet_one(name):
    of, words = FORMATS[name], words_of(every(name))
    numbers = decode(every(name))
    cast = Cast(format=name, overflow="infinity" if of.infinities else "nan")
    got = words_of(encode(numbers, cast))
    nans = np.isnan(numbers)
    np.testing.assert_array_equal(got[~nans], words[~nans])
    assert set(got[nans].tolist()) == {0x7F if not of.infinities else got[nans].max()}
    assert np.isnan(decode(encode(np.array([np.nan]), cast))).all()


def neighbours(name):
    """Every number of a format, every midpoint of two neighbours, and just beside each."""
    numbers = np.unique(decode(every(name)))
    numbers = numbers[np.isfinite(numbers)]
    middles = (numbers[1:] + numbers[:-1]) / 2
    exact = np.concatenate([numbers, middles])
    return np.concatenate([exact, np.nextafter(exact, np.inf), np.nextafter(exact, -np.inf)])


@narrow
@pytest.mark.parametrize("rounding", list(MODES))
def test_a_cast_from_binary64_rounds_once_everywhere_between_two_neighbours(name, rounding):
    """The neighbours below and above, by sorted search; which of them, by exact distance."""
    x = neighbours(name)
    grid = np.unique(decode(every(name)))
    grid = grid[np.isfinite(grid)]
    even = {float(v): int(w) % 2 == 0 for v, w in zip(decode(every(name)), words_of(every(name)),
            strict=True)}  # fmt: skip
    got = decode(encode(x, Cast(format=name, rounding=rounding, overflow="saturate")))
    at = np.clip(np.searchsorted(grid, x, side="right") - 1, 0, len(grid) - 2)
    columns = (x, grid[at], grid[at + 1], got)
    for value, low, high, rounded in zip(*(each.tolist() for each in columns), strict=True):
        if value <= low or value >= high:
            assert rounded == (low if value <= low else high)
        elif rounding.startswith("toward"):
            down = {"toward_zero": value > 0, "toward_negative": True, "toward_positive": False}
            assert rounded == (low if down[rounding] else high)
        else:
            below, above = value - low, high - value  # exact: they are neighbours
            away = low if abs(low) > abs(high) else high
            tie = away if rounding == "nearest_away" else (low if even[low] else high)
            assert rounded == (low if below < above else high if above < below else tie)


def test_half_precision_from_binary64_is_what_numpy_says():
    x = np.concatenate([neighbours("fp16"), [70000.0, -65520.0, 65519.99, np.inf]])
    with np.errstate(over="ignore"):
        expected = x.astype(np.float16)
    np.testing.assert_array_equal(
        words_of(encode(x, default_cast("fp16"))), expected.view(np.uint16)
    )


@narrow
def test_a_cast_from_binary32_is_what_ml_dtypes_says(name):
    of = FORMATS[name]
    x = np.random.default_rng(5).integers(0, 2**32, 200_000, dtype=np.uint32).view(np.float32)
    x = x[np.isfinite(x)]
    overflow = "infinity" if of.infinities else "nan"
    with np.errstate(over="ignore", invalid="ignore"):
        expected = x.astype(of.dtype).astype(np.float64)
    np.testing.assert_array_equal(
        decode(encode(x.astype(np.float64), Cast(format=name, overflow=overflow))), expected
    )


@pytest.mark.small
def test_trap_ml_dtypes_rounds_binary64_to_bf16_twice():
    """1 + 2⁻⁸ + 2⁻⁴⁰ is above the tie; by way of binary32 it is the tie, which goes to even."""
    x = np.array([1 + 2.0**-8 + 2.0**-40])
    assert x.astype(ml_dtypes.bfloat16).astype(float).item() == 1.0
    assert decode(encode(x, default_cast("bf16"))).item() == 1 + 2.0**-7


@pytest.mark.small
def test_trap_ml_dtypes_rounds_binary64_to_fp8_twice():
    x = np.array([1 + 2.0**-4 + 2.0**-40])
    assert x.astype(ml_dtypes.float8_e4m3fn).astype(float).item() == 1.0
    assert decode(encode(x, default_cast("fp8_e4m3"))).item() == 1 + 2.0**-3


@pytest.mark.small
def test_trap_e4m3_overflows_to_nan_in_ml_dtypes_and_saturates_in_onnx():
    x = np.array([464.0, 464.1, -1e9, np.inf])  # 464 is the tie between 448 and what is NaN
    theirs = x.astype(np.float32).astype(ml_dtypes.float8_e4m3fn).astype(float)
    assert theirs[0] == 448
    assert np.isnan(theirs[1:]).all()
    assert decode(encode(x, default_cast("fp8_e4m3"))).tolist() == [448, 448, -448, 448]
    nans = decode(encode(x, Cast(format="fp8_e4m3", overflow="nan")))
    np.testing.assert_array_equal(nans, [448, np.nan, np.nan, np.nan])


@pytest.mark.small
def test_trap_an_npy_file_loses_the_name_of_the_type_and_the_words_bring_it_back():
    array = encode(np.array([1.5, -2.0]), default_cast("bf16"))
    raw = io.BytesIO()
    np.save(raw, array)
    raw.seek(0)
    lost = np.load(raw)
    assert lost.dtype == np.dtype("V2")
    back = from_words(lost.view(np.uint16), FORMATS["bf16"])
    assert decode(back).tolist() == [1.5, -2.0]


@pytest.mark.small
def test_trap_sums_of_bf16_stay_bf16():
    ones = np.ones(300, ml_dtypes.bfloat16)
    total = ones[0]
    for one in ones[1:]:
        total = total + one
    assert total.dtype == ml_dtypes.bfloat16
    assert float(total) == 256.0  # 256 + 1 is a tie, which goes to even


@pytest.mark.small
def test_subnormal_results_are_flushed_to_a_zero_of_their_sign():
    x = np.array([2.0**-127, -(2.0**-127), 2.0**-126])
    kept = encode(x, Cast(format="fp32"))
    flushed = encode(x, Cast(format="fp32", subnormals="flushed"))
    assert decode(kept).tolist() == x.tolist()
    assert words_of(flushed).tolist() == [0, 1 << 31, 1 << 23]


@given(st.floats(allow_nan=False, width=64))
@settings(deadline=None)
def test_binary64_to_binary32_is_the_machines_own_rounding(x):
    with np.errstate(over="ignore"):
        expected = np.array([x]).astype(np.float32)
    np.testing.assert_array_equal(
        words_of(encode(np.array([x]), Cast(format="fp32"))), expected.view(np.uint32)
    )


@pytest.mark.small
def test_int4_is_carried_by_its_low_four_bits_and_sign_extended_on_reading():
    of = FORMATS["int4"]
    words = np.arange(16, dtype=np.uint8)
    array = from_words(words, of)
    np.testing.assert_array_equal(words_of(array), words)
    assert integers_of(array).tolist() == [*range(8), *range(-8, 0)]
    np.testing.assert_array_equal(integers_of(array), array.astype(np.int64))
    assert integers_of(to_integers(np.array([-9, 8]), "int4")).tolist() == [-8, 7]
    with pytest.raises(ValueError, match="an int4 word must be at most 0xf"):
        from_words(np.array([16], np.uint8), of)


@pytest.mark.small
def test_a_real_number_becomes_an_integer_that_saturates():
    x = np.array([0.5, 1.5, -0.5, 300.0, -np.inf])
    assert encode(x, Cast(format="int8")).tolist() == [0, 2, 0, 127, -128]
    assert encode(x, Cast(format="int8", rounding="nearest_away")).tolist()[:3] == [1, 2, -1]
    assert encode(x, Cast(format="uint8", rounding="toward_zero")).tolist() == [0, 1, 0, 255, 0]
    assert encode(x, Cast(format="int8", rounding="toward_positive")).tolist()[:3] == [1, 2, 0]
    assert encode(x, Cast(format="int8", rounding="toward_negative")).tolist()[:3] == [0, 1, -1]
    below = np.array([np.nextafter(0.5, 0), -np.nextafter(2.5, 0)])
    assert encode(below, Cast(format="int8", rounding="nearest_away")).tolist() == [0, -2]
    with pytest.raises(ValueError, match="a NaN must not be cast to int8"):
        encode(np.array([np.nan]), Cast(format="int8"))


@pytest.mark.small
def test_what_is_no_format_or_cast_is_refused_by_name():
    with pytest.raises(ValueError, match="format must be one of int4, "):
        Cast(format="fp12")
    with pytest.raises(ValueError, match="rounding of a cast must be nearest_even or"):
        Cast(format="fp16", rounding="up")
    with pytest.raises(ValueError, match="a vector must be one of int4, "):
        format_of(np.array([True]))
    assert cast_of({"overflow": "nan"}, "fp8_e4m3") == Cast(format="fp8_e4m3", overflow="nan")


@pytest.mark.parametrize("name", [name for name in FLOATS if name != "fp64"])
@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_many_numbers_at_once_are_rounded_as_one_by_one(name, data):
    """``encode`` works on words, sums on numbers (``round_to``): two texts, the same bits."""
    of = FORMATS[name]
    cast = Cast(
        format=name,
        rounding=data.draw(st.sampled_from(list(MODES))),
        overflow=data.draw(st.sampled_from(["infinity", "saturate", "nan"])),
        subnormals=data.draw(st.sampled_from(["kept", "flushed"])),
    )
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    powers = rng.integers(of.least - 4, -of.least + 4, 64)
    ties = np.ldexp(rng.integers(-(2 ** (of.digits + 2)), 2 ** (of.digits + 2), 64) * 1.0, powers)
    values = np.concatenate([ties, ties + np.spacing(ties), ties - np.spacing(ties)])
    values = np.concatenate([values, [np.inf, -np.inf, np.nan, 0.0, -0.0, 5e-324, of.largest]])
    flush = cast.subnormals == "flushed"
    overflow = cast.overflow if of.infinities or cast.overflow != "infinity" else "nan"
    rounder = (*of.grid, MODES[cast.rounding], OVERFLOWS[overflow], flush)
    one_by_one = np.array([round_to(each, *rounder) for each in values.tolist()])
    got = decode(encode(values, cast))
    np.testing.assert_array_equal(got, one_by_one)
    np.testing.assert_array_equal(
        np.signbit(got)[~np.isnan(got)], np.signbit(one_by_one)[~np.isnan(got)]
    )


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [
        ("nearest_even", [-2, -2, 0, 0, 2, 2]),
        ("nearest_away", [-3, -2, -1, 1, 2, 3]),
        ("toward_zero", [-2, -1, 0, 0, 1, 2]),
        ("toward_positive", [-2, -1, 0, 1, 2, 3]),
        ("toward_negative", [-3, -2, -1, 0, 1, 2]),
    ],
)
def test_halves_are_cast_to_integers_as_declared(rounding, expected):
    halves = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])
    found = encode(halves, Cast(format="int8", rounding=rounding))
    assert found.tolist() == expected
