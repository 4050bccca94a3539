"""Files rearranged by hand, in plain Python: each is named for what it is, and nothing else is."""

from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.vectors.files.readmem import Dump, Undriven
from refimpl.vectors.formats import FORMATS, from_bits
from refimpl.vectors.layouts import layout_for, place_of
from refimpl.vectors.physical import Physical, array_of
from refimpl.vectors.recognise import recognise

REVERSED = "the lanes of each word are in reverse; the first must be in the lowest bits"
HALVES = "the two halves of each byte are exchanged; the first is the low"
ENDIAN = "its elements are big-endian; they must be little-endian"
WORDS = "its words are big-endian; they must be little-endian"
BACKWARDS = "its words are in reverse order, the last first"
LAST_FIRST = "its elements are in reverse order, the last first"
TURNED = "rows and columns are exchanged: w runs slower than h"


@st.composite
def physicals(draw):
    form = FORMATS[draw(st.sampled_from(["int4", "int8", "int16", "int17", "bf16", "int32"]))]
    family = draw(st.sampled_from(["nchw", "nhwc", "nchw4c", "nchw16c", "nc1hwc0", "skew4"]))
    layout = layout_for(family, rank=4, kernel=False, element_bits=form.bits)
    shape = draw(st.sampled_from([(2, 5, 3, 4), (2, 4, 4, 4), (3, 18, 2, 3)]))
    lanes = draw(st.sampled_from([1, 2, 4, 16]))
    return Physical(form=form, shape=shape, layout=layout, lanes=lanes)


def golden_of(of, seed):
    rng = np.random.default_rng(seed)
    return from_bits(rng.integers(0, 2 ** min(of.form.bits, 14), of.shape), of.form)


def numbers(array, of):
    """Bits of each element, by index."""
    mask = (1 << of.form.bits) - 1
    flat = np.ascontiguousarray(array).reshape(-1)
    raw = flat if flat.dtype.kind in "iu" else flat.view(of.form.word)
    found = [int(each) & mask for each in raw]
    return dict(zip(np.ndindex(array.shape), found, strict=True))


def elements(values, of, shape=None, pad=0):
    """Elements in the order of the file, from the formula of each one's place."""
    shape = of.shape if shape is None else shape
    found = [pad] * (of.words * of.lanes)
    for index, value in values.items():
        found[place_of(index, shape, of.layout)] = value
    return found


def by_word(found, of):
    return [found[at : at + of.lanes] for at in range(0, len(found), of.lanes)]


def packed(words, of):
    """Words of lists of elements, as integers."""
    return [sum(e << (of.form.bits * lane) for lane, e in enumerate(word)) for word in words]


def turned_bytes(number, size):
    return int.from_bytes(number.to_bytes(size, "little"), "big")


def nibbles(number, size):
    raw = number.to_bytes(size, "little")
    return int.from_bytes(bytes((b >> 4) | (b & 15) << 4 for b in raw), "little")


def moved(values, of, change):
    """Every element at the index that ``change`` gives of its own, by hand."""
    return {index: values[change(index)] for index in values}


def literal(of, values, pad=0):
    """Every rearrangement of the file that can be named: what is said of it, and its words."""
    n, c, h, w = of.shape
    words = by_word(elements(values, of, pad=pad), of)
    plain, size = packed(words, of), of.word_bytes
    yield BACKWARDS, plain[::-1]
    for count in (each for each in (1, 2, 7) if each <= of.words // 2):
        many = "1 word" if count == 1 else f"{count} words"
        junk = [each ^ 5 for each in plain[:count]]
        yield f"the whole file is {many} late", junk + plain[:-count]
        yield f"the whole file is {many} early", plain[count:] + junk
    if of.lanes > 1:
        yield REVERSED, packed([word[::-1] for word in words], of)
        yield LAST_FIRST, packed([word[::-1] for word in words[::-1]], of)
        flat = [each for word in words for each in word]
        for count in (each for each in (1, 3) if each <= len(flat) // 2):
            many = "1 lane" if count == 1 else f"{count} lanes"
            junk = [each ^ 5 for each in flat[:count]]
            late, early = junk + flat[:-count], flat[count:] + junk
            yield f"the whole file is {many} late", packed(by_word(late, of), of)
            yield f"the whole file is {many} early", packed(by_word(early, of), of)
        if of.width_bits % 8 == 0:
            yield WORDS, [turned_bytes(each, size) for each in plain]
        if of.form.bits == 4:
            yield HALVES, [nibbles(each, size) for each in plain]
    if of.form.bits in {16, 32}:
        ends = [[turned_bytes(e, of.form.bits // 8) for e in word] for word in words]
        yield ENDIAN, packed(ends, of)
    changes = {
        "images are mirrored, left and right exchanged": lambda i: (*i[:3], w - 1 - i[3]),
        "images are upside down": lambda i: (*i[:2], h - 1 - i[2], i[3]),
        "images are turned by 180°": lambda i: (*i[:2], h - 1 - i[2], w - 1 - i[3]),
        "its elements are in reverse logical order, the last first": lambda i: tuple(
            side - 1 - at for side, at in zip(of.shape, i, strict=True)
        ),
        "images are in reverse order, the last first": lambda i: (n - 1 - i[0], *i[1:]),
        "channels are in reverse order, the last first": lambda i: (i[0], c - 1 - i[1], *i[2:]),
        "channels are exchanged in pairs: 1, 0, 3, 2, …": lambda i: (
            i[0],
            i[1] if (i[1] ^ 1) >= c else i[1] ^ 1,
            *i[2:],
        ),
    }
    for says, change in changes.items():
        yield says, packed(by_word(elements(moved(values, of, change), of, pad=pad), of), of)
    turned = (n, c, w, h)
    if prod(of.layout.physical_shape(turned)) == of.elements:
        other = {(a, b, x, y): value for (a, b, y, x), value in values.items()}
        yield TURNED, packed(by_word(elements(other, of, turned, pad), of), of)


def never_driven(of, values, says):
    """Bits of the rearranged file that a device does not drive which drives no pads, as words."""
    ones = (1 << of.form.bits) - 1
    return as_bytes(dict(literal(of, dict.fromkeys(values, 0), ones))[says], of)


def left(words, undriven):
    """What a device left of words, with x where it drove nothing."""
    if undriven is None:
        return Dump(words, None)
    return Dump(words & ~undriven, Undriven(undriven, np.zeros_like(undriven)))


def as_bytes(words, of):
    raw = b"".join(each.to_bytes(of.word_bytes, "little") for each in words)
    return np.frombuffer(raw, np.uint8).reshape(of.words, of.word_bytes)


@given(of=physicals(), seed=st.integers(0, 2**32), data=st.data())
@settings(deadline=None, max_examples=150)
def test_every_rearrangement_is_named_and_what_only_resembles_one_is_not(of, seed, data):
    golden = golden_of(of, seed)
    values = numbers(golden, of)
    right = packed(by_word(elements(values, of), of), of)
    every = list(literal(of, values))
    says, words = data.draw(st.sampled_from(every))
    undriven = never_driven(of, values, says) if data.draw(st.booleans()) else None
    hints = recognise(golden, left(as_bytes(words, of), undriven), of)
    alike = {other for other, same in every if alike_where_real(same, words, of)}
    if alike_where_real(words, right, of):
        return  # nothing is wrong where anybody may compare
    assert hints, says
    slip = "the whole file" in says
    assert hints[0] in alike or (slip and hints[0].startswith("every element is ")), (says, hints)
    bit = data.draw(st.integers(0, of.form.bits - 1))
    index = tuple(data.draw(st.integers(0, side - 1)) for side in of.shape)
    spoiled = {**values, index: values[index] ^ (1 << bit)}
    if slip and is_lost(says, place_of(index, of.shape, of.layout), of):
        return
    raw = as_bytes(dict(literal(of, spoiled))[says], of)
    named = {each for each, _ in every}
    assert not named & set(recognise(golden, left(raw, undriven), of))


def is_lost(says, place, of):
    """Whether the element at a place is not in a file that is some words early or late."""
    count = int(says.split()[4]) * (of.lanes if "word" in says else 1)
    return place < count if says.endswith("early") else place >= of.words * of.lanes - count


def alike_where_real(one, other, of):
    """Whether two files have the same elements, whatever is in their pads."""
    first, second = (array_of(as_bytes(each, of), of) for each in (one, other))
    return first.tobytes() == second.tobytes()


def nhwc(x):
    return x.transpose(0, 2, 3, 1).reshape(x.shape)


@pytest.mark.parametrize("family", ["nchw", "nhwc", "nchw4c"])
@pytest.mark.parametrize(
    ("says", "change"),
    [
        ("images are mirrored, left and right exchanged", lambda x: x[..., ::-1]),
        ("images are upside down", lambda x: x[:, :, ::-1]),
        ("images are in reverse order, the last first", lambda x: x[::-1]),
        (TURNED, lambda x: x.swapaxes(2, 3).reshape(x.shape)),
        ("it is in NHWC order; it must be in NCHW order", nhwc),
        ("every element is 3 places late in logical order", lambda x: np.roll(x, 3)),
    ],
)
def test_an_array_has_no_pads_and_is_named_all_the_same(family, says, change):
    layout = layout_for(family, rank=4, kernel=False, element_bits=8)
    of = Physical(form=FORMATS["int8"], shape=(2, 5, 3, 4), layout=layout)
    golden = np.random.default_rng(1).integers(-128, 127, of.shape).astype(np.int8)
    hints = recognise(golden, np.ascontiguousarray(change(golden)), of)
    assert hints[0] == says


def test_kernels_turned_by_180_degrees_are_named():
    layout = layout_for("nchw", rank=4, kernel=True, element_bits=8)
    of = Physical(form=FORMATS["int8"], shape=(3, 2, 3, 3), layout=layout)
    golden = np.random.default_rng(1).integers(-128, 127, of.shape).astype(np.int8)
    assert recognise(golden, golden[..., ::-1, ::-1].copy(), of) == ("kernels are turned by 180°",)


def test_a_nan_is_any_nan_in_a_rearranged_file_too():
    of = Physical(
        form=FORMATS["fp32"],
        shape=(2, 3, 4, 5),
        layout=layout_for("nchw", rank=4, kernel=False, element_bits=32),
    )
    golden = np.random.default_rng(1).standard_normal(of.shape).astype(np.float32)
    golden[0, 1, 2, 3] = np.nan
    device = golden[..., ::-1].copy()
    device.view(np.uint32)[0, 1, 2, 1] = 0xFFC00001
    assert recognise(golden, device, of) == ("images are mirrored, left and right exchanged",)


def test_a_slip_that_chance_may_give_is_not_named():
    of = Physical(
        form=FORMATS["int8"],
        shape=(1, 1, 2, 2),
        layout=layout_for("nchw", rank=4, kernel=False, element_bits=8),
    )
    golden = np.array([1, 2, 3, 4], np.int8).reshape(of.shape)
    device = np.array([9, 9, 1, 2], np.int8).reshape(of.shape)
    assert recognise(golden, device, of) == ()


def images(shape=(2, 3, 4, 5)):
    layout = layout_for("nchw16c", rank=4, kernel=False, element_bits=8)
    of = Physical(form=FORMATS["int8"], shape=shape, layout=layout, lanes=16)
    return of, np.random.default_rng(1).integers(-128, 127, of.shape).astype(np.int8)


def test_copies_are_no_slip():
    """The second image is the first again: the first is right, so nothing is late."""
    of, golden = images()
    device = np.stack([golden[0], golden[0]])
    assert recognise(golden, device, of) == ("every image is a copy of the first",)
    device[1, 0, 0, 0] ^= 1
    assert recognise(golden, device, of) == ()
    device = np.repeat(golden[:, :1], 3, 1)
    assert recognise(golden, device, of) == ("every channel is a copy of the first",)


def test_a_slip_needs_something_else_in_place_of_what_was_lost():
    of, golden = images((3, 3, 4, 5))
    device = np.concatenate([golden[:1], golden[:-1]])
    assert recognise(golden, device, of) == ()
    device[0] ^= 1
    assert recognise(golden, device, of) == ("every element is 60 places late in logical order",)
