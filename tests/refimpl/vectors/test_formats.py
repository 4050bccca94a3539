"""Formats by their bits, against ``struct``, ml_dtypes and Python's own formatting."""

import struct

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.vectors.formats import (
    FORMATS,
    QUIET_NANS,
    bits_of,
    canonical_nans,
    format_of,
    from_bits,
    hex_of,
    is_nan,
    ordinals,
    text_of,
    values_of,
)

FLOATS = [name for name, form in FORMATS.items() if form.floating]
every_format = pytest.mark.parametrize("name", FORMATS)
every_float = pytest.mark.parametrize("name", FLOATS)


@st.composite
def patterns(draw, name):
    """Bit patterns, NaNs with payloads among them."""
    bits = FORMATS[name].bits
    special = [2**bits - 1, 1 << (bits - 1), *(QUIET_NANS.get(name, 0) + k for k in (0, 1))]
    one = st.one_of(st.integers(0, 2**bits - 1), st.sampled_from([s % 2**bits for s in special]))
    return draw(st.lists(one, min_size=1, max_size=9))


def array_of(name, words):
    form = FORMATS[name]
    return from_bits(np.array(words, form.word), form)


@every_format
@given(data=st.data())
@settings(deadline=None)
def test_bits_survive_the_carrier_whatever_they_are(name, data):
    words = data.draw(patterns(name))
    array = array_of(name, words)
    assert array.dtype == np.dtype(FORMATS[name].dtype)
    assert bits_of(array, FORMATS[name]).tolist() == words


@pytest.mark.small
@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("int4", -8, "8"),
        ("int4", 7, "7"),
        ("int8", -1, "ff"),
        ("uint8", 255, "ff"),
        ("int16", -2, "fffe"),
        ("int32", -2, "fffffffe"),
        ("int64", -(2**63), "8000000000000000"),
        ("fp8_e4m3", 448.0, "7e"),
        ("fp8_e5m2", -57344.0, "fb"),
        ("bf16", 1.0, "3f80"),
        ("fp16", -2.0, "c000"),
        ("fp32", -0.0, "80000000"),
        ("fp32", 1.0, "3f800000"),
        ("fp64", -2.5, "c004000000000000"),
    ],
)
def test_known_numbers_have_known_words(name, value, word):
    form = FORMATS[name]
    plain = form.meaning or form.dtype
    array = np.array([value]).astype(plain)
    assert hex_of(array[0], form) == word
    assert values_of(array, form).tolist() == [value]
    assert float(text_of(array[0], form)) == value


@pytest.mark.small
def test_binary32_and_64_have_the_bits_of_struct():
    for code, name in (("f", "fp32"), ("d", "fp64"), ("e", "fp16")):
        for value in (1.5, -0.0, 2.0**-20, -3e4):
            raw = struct.pack(f"<{code}", value)
            array = np.frombuffer(raw, FORMATS[name].dtype)
            assert hex_of(array[0], FORMATS[name]) == raw[::-1].hex()


@every_format
@given(data=st.data())
@settings(deadline=None)
def test_neighbouring_values_have_neighbouring_places(name, data):
    form = FORMATS[name]
    words = data.draw(patterns(name))
    array = array_of(name, words)
    array = array[~is_nan(array, form)]
    places, values = ordinals(array, form), values_of(array, form)
    for left, right in zip(range(len(array)), range(1, len(array)), strict=False):
        if values[left] < values[right]:
            assert places[left] < places[right]
        if values[left] == values[right] and form.bits < 64:
            assert places[left] == places[right]


@pytest.mark.small
def test_one_ulp_is_one_place():
    one = np.float32(1)
    for to in (0, 2):
        pair = np.array([one, np.nextafter(one, np.float32(to))], np.float32)
        places = ordinals(pair, FORMATS["fp32"])
        assert abs(places[0] - places[1]) == 1
    assert ordinals(np.array([0.0, -0.0], np.float32), FORMATS["fp32"]).tolist() == [0, 0]


@every_float
def test_every_nan_becomes_the_quiet_one_and_nothing_else_changes(name):
    form = FORMATS[name]
    if form.bits <= 16:
        bits = np.arange(2**form.bits).astype(form.word)
    else:
        near = [QUIET_NANS[name] + k for k in (-2, 0, 1)] + [2**form.bits - 1, 0, 1, 5]
        bits = np.array(near, form.word)
    array = from_bits(bits, form)
    nans = is_nan(array, form)
    assert nans.any()
    again = bits_of(canonical_nans(array, form), form)
    assert set(again[nans].tolist()) == {QUIET_NANS[name]}
    np.testing.assert_array_equal(again[~nans], bits[~nans])


def test_a_format_is_known_by_its_type_or_declared_over_its_carrier():
    for name, form in FORMATS.items():
        assert format_of(np.zeros(1, form.dtype), name) is form
        if form.meaning is not None:
            assert format_of(np.zeros(1, form.meaning)) is form
    assert format_of(np.zeros(1, ml_dtypes.int4)).name == "int4"
    assert format_of(np.zeros(1, ">i4")).name == "int32"


@pytest.mark.small
@pytest.mark.parametrize("dtype", [bool, object, np.complex64])
def test_a_type_without_a_format_is_refused(dtype):
    with pytest.raises(ValueError, match=r"a vector must be one of int4, int8, .*, not"):
        format_of(np.zeros(1, dtype))


@pytest.mark.small
def test_a_format_over_another_carrier_is_refused():
    with pytest.raises(ValueError, match="bf16 must be carried by <u2, not int8"):
        format_of(np.zeros(1, np.int8), "bf16")
    with pytest.raises(ValueError, match=r"a vector must be one of .*, not fp7"):
        format_of(np.zeros(1, np.int8), "fp7")
