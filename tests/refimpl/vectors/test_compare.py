"""Comparing in chunks: the same finding whatever the chunks, pads ignored, prefill told."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.bitexact.bounds import Bound
from refimpl.vectors.chunks import Chunk
from refimpl.vectors.compare import compare
from refimpl.vectors.formats import FORMATS, bits_of, from_bits
from refimpl.vectors.layouts import layout_for, to_physical
from refimpl.vectors.physical import Physical


def physical(name, shape, family="nchw", lanes=1):
    form = FORMATS[name]
    layout = layout_for(family, rank=len(shape), kernel=False, element_bits=form.bits)
    return Physical(form=form, shape=shape, layout=layout, lanes=lanes)


def chunked(golden, device, step):
    return [
        Chunk(at, golden[at : at + step], device[at : at + step])
        for at in range(0, len(golden), step)
    ]


@given(
    family=st.sampled_from(["nchw", "nhwc", "nchw4c", "skew3"]),
    shape=st.tuples(*[st.integers(1, 5)] * 4),
    seed=st.integers(0, 2**32),
    step=st.integers(1, 40),
)
@settings(deadline=None, max_examples=80)
def test_logical_and_physical_order_and_any_chunks_find_the_same(family, shape, seed, step):
    rng = np.random.default_rng(seed)
    golden = rng.integers(-128, 128, shape).astype(np.int8)
    device = np.where(rng.random(shape) < 0.2, golden + 1, golden).astype(np.int8)
    of = physical("int8", shape, family)
    whole = compare([Chunk(0, golden.reshape(-1), device.reshape(-1))], of, logical=True)
    dirty = to_physical(device, of.layout)
    dirty[~to_physical(np.ones(shape, bool), of.layout)] = 99
    other = compare(chunked(to_physical(golden, of.layout), dirty, step), of, logical=False)
    wrong = golden != device
    assert whole.wrong == other.wrong == wrong.sum()
    if wrong.any():
        assert whole.first.flat == other.first.flat == np.flatnonzero(wrong)[0]
        assert whole.first.device == other.first.device == device.reshape(-1)[whole.first.flat]
    for at, letter in enumerate("nchw"):
        others = tuple(axis for axis in range(4) if axis != at)
        np.testing.assert_array_equal(whole.axes[letter], wrong.sum(axis=others))
        np.testing.assert_array_equal(other.axes[letter], wrong.sum(axis=others))
    np.testing.assert_array_equal(other.pixels, wrong.sum(axis=(0, 1)))


@pytest.mark.small
@pytest.mark.parametrize("name", ["int8", "int32", "fp32", "fp64", "bf16", "fp8_e4m3"])
def test_elements_never_written_are_told_by_the_prefill(name):
    form = FORMATS[name]
    size = form.bits // 8
    raw = bytes.fromhex("efbeadde") * 16
    device = np.frombuffer(raw, form.dtype).copy()
    golden = from_bits(np.arange(1, len(device) + 1).astype(form.word), form)
    device[: 32 // size] = golden[: 32 // size]
    of = physical(name, (len(device),))
    for step in (4, 1000):
        comparison = compare(chunked(golden, device, step), of, logical=True)
        assert comparison.unwritten == comparison.wrong == 32 // size


@pytest.mark.small
def test_one_byte_of_the_prefill_by_chance_is_wrong_and_not_unwritten():
    golden = np.zeros(8, np.int8)
    device = golden.copy()
    device[0] = -17  # 0xef, and the three bytes after it are not the rest of the word
    found = compare([Chunk(0, golden, device)], physical("int8", (8,)), logical=True)
    assert (found.wrong, found.unwritten) == (1, 0)


@pytest.mark.small
def test_packed_int4_have_a_prefill_of_nibbles():
    device = np.array([-1, -2, -2, -5, -3, -6, -2, -3, 1, 2, 3, 4, 5, 6, 7, 0], np.int8)
    golden = np.array([0] * 8 + [1, 2, 3, 4, 5, 6, 7, 0], np.int8)
    found = compare([Chunk(0, golden, device)], physical("int4", (16,), lanes=8), logical=True)
    assert (found.wrong, found.unwritten) == (8, 8)


@pytest.mark.small
def test_any_nan_equals_any_nan_and_no_number():
    of = physical("fp32", (4,))
    golden = np.array([np.nan, np.nan, 1.0, np.nan], np.float32)
    device = golden.copy()
    device.view(np.uint32)[:2] = [0xFFC12345, 0x7F800001]
    found = compare([Chunk(0, golden, device)], of, logical=True)
    assert (found.wrong, found.other_nans) == (0, 2)
    device[2], device[3] = np.nan, 5.0
    found = compare([Chunk(0, golden, device)], of, logical=True)
    assert (found.wrong, found.first.flat) == (2, 2)


@pytest.mark.small
def test_each_chunk_has_its_own_bounds():
    of = physical("fp32", (4,))
    golden = np.ones(4, np.float32)
    device = np.array([1.25, 1.25, 1.75, 1.0], np.float32)
    reach = np.array([0.5, 0.1, 1.0, 0.0])
    chunks = [
        Chunk(at, golden[at : at + 2], device[at : at + 2], Bound(np.ones(2), reach[at : at + 2]))
        for at in (0, 2)
    ]
    found = compare(chunks, of, logical=True)
    assert (found.wrong, found.other_bits, found.first.flat) == (1, 2, 1)
    assert found.first.bound.bound == 0.1


def dumped(form, lanes, word, count):
    """Elements of so many memory words of one value, unpacked digit by digit."""
    each = [word >> lane * form.bits & (1 << form.bits) - 1 for lane in range(lanes)]
    return from_bits(np.array(each * count).astype(form.word), form)


@pytest.mark.small
@pytest.mark.parametrize(
    ("name", "lanes", "words"),
    [
        ("int8", 1, (0xEF, 0xBE, 0xAD, 0xDE)),
        ("int8", 1, (0xDE, 0xAD, 0xBE, 0xEF)),
        ("int8", 1, (0xEF,)),
        ("int8", 4, (0xDEADBEEF,)),
        ("int8", 4, (0xEFBEADDE,)),
        ("int8", 16, (0xDEADBEEF,)),
        ("int8", 6, (0xBEEFDEADBEEF,)),
        ("int4", 2, (0xEF,)),
        ("int16", 1, (0xBEEF, 0xDEAD)),
        ("bf16", 1, (0xDEAD, 0xBEEF)),
        ("bf16", 1, (0xBEEF,)),
        ("fp32", 1, (0xBEEFDEAD,)),
        ("fp32", 1, (0xADDEEFBE,)),
        ("int32", 4, (0xDEADBEEF,)),
        ("fp64", 1, (0xDEADBEEF,)),
        ("int17", 2, (0xDEADBEEF,)),
    ],
)
def test_every_way_a_memory_is_prefilled_is_unwritten_beside_elements_that_are_wrong(
    name, lanes, words
):
    form = FORMATS[name]
    never = np.concatenate([dumped(form, lanes, word, 1) for word in words * 16])
    of = physical(name, (4 * len(never),), lanes=lanes)
    golden = from_bits((np.arange(4 * len(never)) % 5 + 2).astype(form.word), form)
    device = golden.copy()
    period = lanes * len(words)
    at = len(never) // period * period
    device[at : at + len(never)] = never
    device[[0, -1]] = device[[1, -2]]
    golden[[0, -1]] = golden[[2, -3]]
    differ = np.flatnonzero(bits_of(golden, form) != bits_of(device, form))
    inside = (differ >= at) & (differ < at + len(never))
    for step in (1, 3, 7, 1000):
        found = compare(chunked(golden, device, step), of, logical=True)
        assert (found.unwritten, found.wrong) == (inside.sum(), (~inside).sum())
        assert (found.first.flat, found.first_unwritten) == (0, differ[inside][0])
        assert sum(found.lanes) == found.wrong == 2


@pytest.mark.small
def test_three_bytes_of_the_prefill_in_a_row_are_wrong_and_four_are_unwritten():
    of = physical("int8", (12,))
    for count, unwritten in ((3, 0), (4, 4)):
        golden = np.zeros(12, np.int8)
        device = golden.copy()
        device[5 : 5 + count] = -17
        found = compare(chunked(golden, device, 2), of, logical=True)
        assert (found.wrong, found.unwritten) == (count, unwritten)


@pytest.mark.small
def test_a_device_that_writes_minus_one_in_words_of_four_bits_has_written():
    golden, device = np.zeros(64, np.int8), np.full(64, -1, np.int8)
    found = compare([Chunk(0, golden, device)], physical("int4", (64,)), logical=True)
    assert (found.wrong, found.unwritten) == (64, 0)
