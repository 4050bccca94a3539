"""Right numbers told wrongly: byte order, lane order, layout, slips, other tensors' files."""

import numpy as np
import pytest

from refimpl.vectors.files.words import from_words, to_words
from refimpl.vectors.formats import FORMATS
from refimpl.vectors.layouts import layout_for, to_logical, to_physical
from refimpl.vectors.physical import Physical
from refimpl.vectors.recognise import recognise

SHAPE = (2, 8, 3, 5)


def physical(name, family="nchw", lanes=1, shape=SHAPE):
    form = FORMATS[name]
    layout = layout_for(family, rank=len(shape), kernel=False, element_bits=form.bits)
    return Physical(form=form, shape=shape, layout=layout, lanes=lanes)


def golden(name="int8"):
    rng = np.random.default_rng(7)
    if name == "fp32":
        return rng.standard_normal(SHAPE).astype(np.float32)
    info = np.iinfo(FORMATS[name].dtype)
    return rng.integers(info.min, info.max, SHAPE).astype(FORMATS[name].dtype)


@pytest.mark.parametrize("name", ["int16", "int32", "fp32"])
def test_big_endian_elements_are_named(name):
    right = golden(name)
    hints = recognise(right, right.byteswap(), physical(name))
    assert hints[0] == "its elements are big-endian; they must be little-endian"


def test_lanes_in_reverse_are_named():
    right, of = golden(), physical("int8", lanes=4)
    device = right.reshape(-1, 4)[:, ::-1].reshape(SHAPE)
    hints = recognise(right, device, of)
    assert hints[0] == (
        "the lanes of each word are in reverse; the first must be in the lowest bits"
    )


def test_nibbles_the_wrong_way_round_are_named():
    right = (golden() >> 4).astype(np.int8)
    of = physical("int4", lanes=2)
    packed = to_words(right.reshape(-1), of.form, 2)
    swapped = (packed << 4) | (packed >> 4)
    device = from_words(swapped, of.form, 2, right.size).reshape(SHAPE)
    hints = recognise(right, device, of)
    assert hints[0].startswith("the lanes of each word are in reverse")


def test_big_endian_words_of_several_lanes_are_named():
    right = golden("int16")
    of = physical("int16", lanes=2)
    words = to_words(right.reshape(-1), of.form, 2)[:, ::-1]
    device = from_words(np.ascontiguousarray(words), of.form, 2, right.size).reshape(SHAPE)
    assert "its words are big-endian; they must be little-endian" in recognise(right, device, of)


@pytest.mark.parametrize(
    ("family", "other", "names"),
    [("nchw", "nhwc", "NHWC"), ("nhwc", "nchw", "NCHW"), ("nchw", "nchw4c", "NCHW4c")],
)
def test_another_layout_is_named(family, other, names):
    right, of = golden(), physical("int8", family)
    theirs = layout_for(other, rank=4, kernel=False, element_bits=8)
    device = to_logical(to_physical(right, theirs), SHAPE, of.layout)
    hints = recognise(right, device, of)
    assert hints[0] == f"it is in {names} order; it must be in {of.layout.name} order"


@pytest.mark.parametrize(("places", "way"), [(1, "late"), (5, "late"), (-2, "early")])
def test_a_slip_is_counted(places, way):
    right = golden()
    device = np.roll(right.reshape(-1), places).reshape(SHAPE)
    many = "1 place" if places == 1 else f"{abs(places)} places"
    said = f"every element is {many} {way} in logical order"
    assert said in recognise(right, device, physical("int8"))


def test_another_tensors_file_is_named():
    right, other = golden(), golden() ^ 1
    hints = recognise(right, other.copy(), physical("int8"), {"the golden biased": other})
    assert hints == ("it is the golden biased",)


def test_a_shuffle_and_a_sign_are_named():
    right = golden("fp32")
    of = physical("fp32")
    assert recognise(right, -right, of) == ("every element has the opposite sign",)
    shuffled = np.random.default_rng(1).permutation(right.reshape(-1)).reshape(SHAPE)
    assert recognise(right, shuffled, of) == ("it holds the right numbers in another order",)


def test_noise_and_constants_are_not_recognised_as_anything():
    right = golden()
    noise = np.random.default_rng(9).integers(-128, 127, SHAPE).astype(np.int8)
    assert recognise(right, noise, physical("int8")) == ()
    assert recognise(np.zeros(SHAPE, np.int8), np.ones(SHAPE, np.int8), physical("int8")) == ()
