"""Verdicts: a planted flaw anywhere is found, and said with index, word, hex and value."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.bitexact.bounds import Bound, bound_output
from refimpl.bitexact.operators import OPERATORS
from refimpl.vectors.case import Choices
from refimpl.vectors.check import judge
from refimpl.vectors.formats import format_of
from refimpl.vectors.layouts import layout_for
from refimpl.vectors.physical import Physical
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import Sizes, random_cases

CASES = random_cases(OPERATORS, Sizes(batch=1, channels=2, outputs=2, height=3, width=4), Choices())
STAGES = [(case, name, array) for case in CASES for name, array in stages(case).items()]
NAMES = ("case", "output", "output.hex")


def laid(array, family="nchw"):
    form = format_of(array)
    layout = layout_for(family, rank=array.ndim, kernel=False, element_bits=form.bits)
    return Physical(form=form, shape=array.shape, layout=layout)


VECTOR = laid(np.zeros(1, np.float32))


def word_at(index, shape, layout):
    if len(shape) != 4:
        return int(np.ravel_multi_index(index, shape))
    n, c, h, w = index
    _, channels, height, width = shape
    if layout == "nchw":
        return ((n * channels + c) * height + h) * width + w
    return ((n * height + h) * width + w) * channels + c


@given(
    st.sampled_from(STAGES),
    st.sampled_from(["nchw", "nhwc"]),
    st.integers(0, 2**31),
    st.integers(0, 31),
)
@settings(deadline=None, max_examples=300)
def test_a_single_flipped_bit_anywhere_is_found_where_it_is(which, layout, at, bit):
    case, name, expected = which
    unsigned = f"u{expected.itemsize}"
    got = np.ascontiguousarray(expected).copy()
    at, bit = at % got.size, bit % (8 * got.itemsize)
    got.view(unsigned).reshape(-1)[at] ^= unsigned_bit(unsigned, bit)
    index = tuple(int(step) for step in np.unravel_index(at, got.shape))
    names = (case.id, name, f"{name}.bin")
    verdict = judge(expected, got, of=laid(expected, layout), names=names)
    assert not verdict.passed
    assert (verdict.outcome, verdict.wrong, verdict.elements) == ("wrong", 1, got.size)
    one = int(got.view(unsigned).reshape(-1)[at]) >> bit & 1
    assert verdict.bits == f"only bit {bit} is wrong, {one} instead of {1 - one}"
    first = verdict.first
    assert first.index == index
    assert first.word == word_at(index, got.shape, layout)
    digits = 2 * got.itemsize
    before, after = (int(array.view(unsigned)[index]) for array in (expected, got))
    assert before ^ after == 1 << bit
    assert (first.expected_hex, first.got_hex) == (f"{before:0{digits}x}", f"{after:0{digits}x}")
    value = expected[index].item()
    assert type(value)(first.expected) == value
    for part in (case.id, name, str(list(index)), f"word {first.word}", first.got_hex, first.got):
        assert part in verdict.sentence


def unsigned_bit(unsigned, bit):
    return np.array(1 << bit, unsigned)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_equal_bits_are_exact(case):
    for name, array in stages(case).items():
        verdict = judge(array, array.copy(), of=laid(array, "nhwc"), names=(case.id, name, "f"))
        assert (verdict.outcome, verdict.passed, verdict.first) == ("exact", True, None)


@pytest.mark.small
def test_the_first_of_several_is_the_first_in_logical_order_and_all_are_counted():
    expected = np.zeros((1, 2, 2, 2), np.int8)
    got = expected.copy()
    got[0, 1, 0, 0], got[0, 0, 1, 1] = 5, -3  # in NHWC the former has the smaller word
    verdict = judge(expected, got, of=laid(expected, "nhwc"), names=NAMES)
    assert (verdict.wrong, verdict.first.index, verdict.first.word) == (2, (0, 0, 1, 1), 6)
    assert verdict.sentence == (
        "case output (output.hex): wrong, 2 of 8 elements; first at [0, 0, 1, 1] (word 6): "
        "must be 0 (0x00), not -3 (0xfd), 3 apart"
    )


@pytest.mark.small
def test_minus_zero_is_not_zero():
    verdict = judge(np.zeros(1, np.float32), np.array([-0.0], np.float32), of=VECTOR, names=NAMES)
    assert not verdict.passed


@pytest.mark.small
def test_within_the_bound_passes_and_says_so_and_beyond_it_does_not():
    expected = np.array([1.0, 2.0, 3.0], np.float32)
    bound = Bound(expected.astype(np.float64), np.array([0.25, 0.25, 0.25]))
    edge = np.array([1.25, 2.0, 2.75], np.float32)
    verdict = judge(expected, edge, of=laid(expected), names=NAMES, bound=bound)
    assert (verdict.outcome, verdict.passed) == ("within bound", True)
    assert "within bound, 3 elements, 2 with other bits" in verdict.sentence
    beyond = edge.copy()
    beyond[2] = np.nextafter(np.float32(2.75), np.float32(0))
    verdict = judge(expected, beyond, of=laid(expected), names=NAMES, bound=bound)
    assert (verdict.outcome, verdict.wrong, verdict.first.index) == ("wrong", 1, (2,))
    assert "allowed ±0.25 around 3" in verdict.sentence


@pytest.mark.parametrize("case", [case for case in CASES if case.arithmetic == "fp32"])
def test_another_order_of_summation_is_within_bound_and_half_precision_is_not(case):
    *_, golden = stages(case).values()
    bound = bound_output(case.operator, case.tensors, case.attributes)
    of = laid(golden)
    rounded = bound.reference.astype(np.float32)  # adds in no order at all: exact, rounded once
    assert judge(golden, rounded, of=of, names=NAMES, bound=bound).passed
    halved = golden.astype(np.float16).astype(np.float32)
    assert not judge(golden, halved, of=of, names=NAMES, bound=bound).passed


QUIET_NANS = [0x7FC00000, 0xFFC00000, 0x7FC00001, 0xFFFFFFFF]


@pytest.mark.small
@pytest.mark.parametrize("pattern", [*QUIET_NANS, 0x7F800000, 0xFF800000])
def test_a_nan_or_infinity_never_passes_a_bound_however_wide(pattern):
    expected = np.ones(2, np.float32)
    for wide in (1e300, np.inf):
        bound = Bound(np.ones(2), np.full(2, wide))
        got = expected.copy()
        got.view(np.uint32)[1] = pattern
        verdict = judge(expected, got, of=laid(expected), names=NAMES, bound=bound)
        assert not verdict.passed
        assert verdict.first.got_hex == f"{pattern:08x}"


@pytest.mark.small
def test_without_a_bound_only_equal_bits_pass():
    expected = np.array([np.inf, np.nan, 1.0], np.float32)
    bound = Bound(np.array([0.0, 0.0, 1.0]), np.array([np.inf, np.inf, np.inf]))
    same = judge(expected, expected.copy(), of=laid(expected), names=NAMES, bound=bound)
    assert same.outcome == "exact"
    other = expected.copy()
    other[2] = np.nextafter(np.float32(1), np.float32(2))
    assert not judge(expected, other, of=laid(expected), names=NAMES, bound=bound).passed


def test_a_wrong_element_is_not_hidden_by_unwritten_ones():
    expected = np.arange(40, dtype=np.int8).reshape(1, 2, 4, 5)
    got = expected.copy()
    got.reshape(-1)[20:40] = np.frombuffer(bytes.fromhex("deadbeef") * 5, np.int8)
    verdict = judge(expected, got, of=laid(expected), names=NAMES)
    assert (verdict.outcome, verdict.wrong, verdict.unwritten) == ("unwritten", 20, 20)
    assert verdict.pattern == "all of channel 1"
    got[0, 0, 1, 2] = 99
    verdict = judge(expected, got, of=laid(expected), names=NAMES)
    assert (verdict.outcome, verdict.wrong, verdict.unwritten) == ("wrong", 1, 20)
    assert verdict.first.index == (0, 0, 1, 2)
    assert verdict.sentence == (
        "case output (output.hex): wrong, 1 of 40 elements; first at [0, 0, 1, 2] (word 7): "
        "must be 7 (0x07), not 99 (0x63), 92 apart; 20 more still hold the prefill 0xdeadbeef, "
        "the first at [0, 1, 0, 0]"
    )
