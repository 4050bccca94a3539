"""Words as bytes and hex, against ``struct`` and Python's own formatting."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.vectors.formats import (
    FORMATS,
    UnknownBitsError,
    format_of,
    from_bytes,
    from_hex,
    hex_of,
    to_bytes,
    to_hex,
)

CODES = {"int8": "<b", "int32": "<i", "fp32": "<f", "fp64": "<d"}
every_format = pytest.mark.parametrize("name", FORMATS)


@st.composite
def patterns(draw, name):
    """Bit patterns, NaNs with payloads among them."""
    bits = FORMATS[name].bits
    special = {"fp32": [0x7F800001, 0xFFC12345, 0x80000000], "fp64": [0x7FF0000000000001, 1 << 63]}
    one = st.one_of(st.integers(0, 2**bits - 1), st.sampled_from(special.get(name, [2**bits - 1])))
    return draw(st.lists(one, max_size=9))


def array_of(name, words):
    form = FORMATS[name]
    return np.array(words, form.word).view(form.dtype)


def bits_of(name, array):
    return array.view(FORMATS[name].word).tolist()


@every_format
@given(data=st.data())
@settings(deadline=None)
def test_bytes_are_little_endian_words_and_read_back_with_every_bit(name, data):
    words = data.draw(patterns(name))
    array = array_of(name, words)
    raw = to_bytes(array, FORMATS[name])
    width = FORMATS[name].bits // 8
    assert raw == b"".join(word.to_bytes(width, "little") for word in words)
    assert bits_of(name, from_bytes(raw, FORMATS[name], len(words))) == words


@every_format
@given(data=st.data())
@settings(deadline=None)
def test_hex_is_fixed_width_without_signs_and_reads_back_with_every_bit(name, data):
    words = data.draw(patterns(name))
    text = to_hex(array_of(name, words), FORMATS[name]).decode()
    digits = FORMATS[name].bits // 4
    assert text == "".join(f"{word:0{digits}x}\n" for word in words)
    assert bits_of(name, from_hex(text, FORMATS[name], len(words))) == words
    assert bits_of(name, from_hex(text.upper(), FORMATS[name], len(words))) == words


@pytest.mark.small
@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("int8", -1, "ff"),
        ("int8", -128, "80"),
        ("int32", -2, "fffffffe"),
        ("fp32", -0.0, "80000000"),
        ("fp32", 1.0, "3f800000"),
        ("fp64", -2.5, "c004000000000000"),
    ],
)
def test_known_numbers_have_known_words(name, value, word):
    array = np.array([value], FORMATS[name].dtype)
    assert to_hex(array, FORMATS[name]).decode() == word + "\n"
    assert hex_of(array[0]) == word
    assert to_bytes(array, FORMATS[name]) == struct.pack(CODES[name], value)


@pytest.mark.small
def test_big_endian_and_strided_arrays_are_written_alike():
    plain = np.arange(6, dtype="<i4") - 3
    for other in (plain.astype(">i4"), np.repeat(plain, 2)[::2]):
        assert format_of(other).name == "int32"
        assert to_hex(other, FORMATS["int32"]) == to_hex(plain, FORMATS["int32"])
        assert to_bytes(other, FORMATS["int32"]) == to_bytes(plain, FORMATS["int32"])


@pytest.mark.small
def test_comments_blank_lines_and_words_side_by_side_are_read_as_readmemh_does():
    text = "// dump of y\n\n00 7f // two\n  FF\t80\n1 // short words are zero-extended\n"
    assert from_hex(text, FORMATS["int8"], 5).tolist() == [0, 127, -1, -128, 1]


@pytest.mark.small
@pytest.mark.parametrize("word", ["xx", "Zz", "0x", "zzzzzzzz"])
def test_bits_never_driven_are_told_apart_and_located(word):
    with pytest.raises(UnknownBitsError, match=f"word 2 is {word}: bits the device never drove"):
        from_hex(f"00\n01\n{word}\n03\n", FORMATS["int8"], 4)


@pytest.mark.small
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("00 01", "must hold 3 hex words, not 2"),
        ("00 01 02 03", "must hold 3 hex words, not 4"),
        ("", "must hold 3 hex words, not 0"),
        ("00 100 02", "word 1 must be at most 2 hex digits, not '100'"),
        ("00 -1 02", "word 1 must be at most 2 hex digits, not '-1'"),
        ("00 0g 02", "word 1 must be at most 2 hex digits, not '0g'"),
        ("00 ٣ 02", "word 1 must be at most 2 hex digits, not '٣'"),
    ],
)
def test_a_file_that_is_not_so_many_hex_words_is_refused(text, sentence):
    with pytest.raises(ValueError, match=sentence) as refusal:
        from_hex(text, FORMATS["int8"], 3)
    assert not isinstance(refusal.value, UnknownBitsError)


@every_format
@pytest.mark.small
def test_a_short_or_long_binary_is_refused(name):
    width = FORMATS[name].bits // 8
    for size in (0, width, 2 * width - 1, 2 * width + 1, 3 * width):
        with pytest.raises(ValueError, match=f"must hold 2 {name} words, {2 * width} bytes, not"):
            from_bytes(b"\0" * size, FORMATS[name], 2)


@pytest.mark.small
@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float16, bool, object])
def test_a_type_without_a_format_is_refused(dtype):
    with pytest.raises(ValueError, match="a vector must be one of int8, int32, fp32, fp64, not"):
        format_of(np.zeros(1, dtype))
