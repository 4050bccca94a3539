"""Bits never driven: nothing where nobody may compare, and located where they count."""

import re
from collections import defaultdict
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refimpl import io
from refimpl.vectors.check import verdict_of
from refimpl.vectors.dumps import driven_array, opposed
from refimpl.vectors.files.kinds import encode
from refimpl.vectors.files.readmem import UnknownBitsError, from_dump
from refimpl.vectors.formats import FORMATS, bits_of, from_bits
from refimpl.vectors.layouts import layout_for
from refimpl.vectors.manifest import Tensor, described, file_entry
from refimpl.vectors.physical import Physical, word_at

FORMS = ["int4", "int8", "int17", "bf16", "int32"]
FAMILIES = ["nchw", "nhwc", "nchw4c", "nchw16c", "skew4"]
SHAPE = (2, 5, 3, 2)
GOLDEN = np.random.default_rng(0).integers(0, 2**16, SHAPE)


@st.composite
def physicals(draw):
    """Any format, layout and number of lanes."""
    form = FORMATS[draw(st.sampled_from(FORMS))]
    family = draw(st.sampled_from(FAMILIES))
    layout = layout_for(family, rank=4, kernel=False, element_bits=form.bits)
    return Physical(form=form, shape=SHAPE, layout=layout, lanes=draw(st.sampled_from([1, 2, 4])))


def array_of(of):
    return from_bits(GOLDEN & ((1 << of.form.bits) - 1), of.form)


def lines_of(kind, of):
    """Digits of each word of a file: [word][digit]."""
    return [list(line) for line in encode(kind, array_of(of), of, "").decode().split()]


def set_of(root, of):
    """A set of one tensor, and its line of the manifest."""
    raw = encode("bin", array_of(of), of, "output")
    (root / "output.bin").write_bytes(raw)
    fields = {"name": "output", "role": "output", "format": of.form.name, "shape": of.shape}
    files = [file_entry("bin", "output.bin", raw)]
    return Tensor.model_validate({**fields, "files": files, **described(of)})


def judged(root, of, text):
    (root / "left.hex").write_text(text)
    found = io.compare_files(root, set_of(root, of), (root / "left.hex", "hex"), step=16)
    return verdict_of(found, of, ("case", "output", "left.hex"), tiles={})


def elements_in(of, word, digit, digits):
    """Indices of the elements that have bits in a digit of a word, the highest digit first."""
    low = 4 * (digits - 1 - digit)
    first_bits = ((index, lane * of.form.bits) for index, lane in in_words(of).get(word, ()))
    return [index for index, first in first_bits if first < low + 4 and low < first + of.form.bits]


@lru_cache(maxsize=1)
def in_words(of):
    """Index and lane of the elements of each word."""
    words = defaultdict(list)
    for index in np.ndindex(of.shape):
        word, lane = word_at(index, of)
        words[word].append((index, lane))
    return words


SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(of=physicals(), data=st.data())
@SLOW
def test_what_is_not_driven_in_pads_is_no_fault_in_any_layout(tmp_path, of, data):
    lines, mask = lines_of("hex", of), lines_of("mask", of)
    masked = [
        (word, digit)
        for word, line in enumerate(lines)
        for digit in range(len(line))
        if not elements_in(of, word, digit, len(line))
    ]
    for word, digit in masked:
        assert mask[word][digit] in "137f"  # the mask says so too; 1, 3, 7 where the word ends
        lines[word][digit] = data.draw(st.sampled_from("xz"))
    text = "\n".join("".join(line) for line in lines)
    assert judged(tmp_path, of, text + "\n").outcome == "exact"
    assert np.array_equal(
        bits_of(driven_array(from_dump(text, of.words, of.width_bits), of), of.form),
        bits_of(array_of(of), of.form),
    )


@given(of=physicals(), data=st.data())
@SLOW
def test_one_digit_that_was_never_driven_is_found_and_located(tmp_path, of, data):
    lines = lines_of("hex", of)
    digits = len(lines[0])
    word = data.draw(st.integers(0, of.words - 1))
    digit = data.draw(st.integers(0, digits - 1))
    letter = data.draw(st.sampled_from("xz"))
    elements = elements_in(of, word, digit, digits)
    lines[word][digit] = letter
    text = "\n".join("".join(line) for line in lines)
    verdict = judged(tmp_path, of, text)
    if not elements:
        assert verdict.outcome == "exact"
        return
    assert (verdict.outcome, verdict.unknown, verdict.wrong) == (
        "unknown bits",
        *[len(elements)] * 2,
    )
    first = verdict.first
    assert first.index == min(elements)
    assert (first.word, first.lane) == word_at(first.index, of)
    assert first.got == "unknown"
    assert letter in first.got_hex
    assert set(first.got_hex) <= set("0123456789abcdef" + letter)
    assert verdict.maps.axes["n"].tolist() == [
        sum(index[0] == image for index in elements) for image in range(SHAPE[0])
    ]
    with pytest.raises(UnknownBitsError, match=re.escape(f"the first at {list(min(elements))}")):
        driven_array(from_dump(text, of.words, of.width_bits), of)


@given(of=physicals(), data=st.data())
@SLOW
def test_a_word_that_is_at_no_address_counts_where_it_has_elements(tmp_path, of, data):
    lines = lines_of("hex", of)
    skipped = data.draw(st.integers(0, of.words - 1))
    digits = len(lines[0])
    words = list(range(of.words))
    words.remove(skipped)
    order = data.draw(st.sampled_from([words, words[::-1]]))
    text = "\n".join(f"@{word:x} {''.join(lines[word])}" for word in order)
    elements = {
        index for digit in range(digits) for index in elements_in(of, skipped, digit, digits)
    }
    verdict = judged(tmp_path, of, text)
    if not elements:
        assert verdict.outcome == "exact"
        return
    assert (verdict.outcome, verdict.unknown) == ("unknown bits", len(elements))
    assert verdict.first.index == min(elements)
    assert set(verdict.first.got_hex) == {"-"}
    assert "the dump skips its address" in verdict.sentence


@given(of=physicals(), data=st.data())
@SLOW
def test_undriven_bits_can_be_shown_as_the_opposite_of_the_golden_ones(of, data):
    lines = lines_of("hex", of)
    digits = len(lines[0])
    word = data.draw(st.integers(0, of.words - 1))
    digit = data.draw(st.integers(0, digits - 1))
    lines[word][digit] = "x"
    dump = from_dump("\n".join("".join(line) for line in lines), of.words, of.width_bits)
    apart = bits_of(opposed(dump, array_of(of), of), of.form) ^ bits_of(array_of(of), of.form)
    seen = {tuple(index) for index in np.argwhere(apart).tolist()}
    assert seen == set(elements_in(of, word, digit, digits))
