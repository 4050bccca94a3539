"""Patterns of a mismatch, planted and named."""

import numpy as np
import pytest

from refimpl.vectors.chunks import Chunk
from refimpl.vectors.compare import compare
from refimpl.vectors.formats import FORMATS
from refimpl.vectors.layouts import layout_for
from refimpl.vectors.patterns import bits_text, blocks_of, pattern, text_map, tiles_of
from refimpl.vectors.physical import Physical

SHAPE = (2, 18, 5, 6)


def found(where, *, lanes=1, family="nchw"):
    golden = np.zeros(SHAPE, np.int8)
    device = golden.copy()
    device[where] = 1
    layout = layout_for(family, rank=4, kernel=False, element_bits=8)
    of = Physical(form=FORMATS["int8"], shape=SHAPE, layout=layout, lanes=lanes)
    return compare([Chunk(0, golden.reshape(-1), device.reshape(-1))], of, logical=True)


FRAME = np.ones(SHAPE, bool)
FRAME[:, :, 1:-1, 1:-1] = False
TWO_SIDES = np.zeros(SHAPE, bool)
TWO_SIDES[0, 3, :, 0] = TWO_SIDES[0, 3, 0, :] = True
CORNERS = np.zeros(SHAPE, bool)
CORNERS[:, :, ::4, ::5] = True
SOME = np.zeros(SHAPE, bool)
SOME[0, 7, 2, 1] = SOME[0, 7, 2, 4] = True


@pytest.mark.parametrize(
    ("where", "name"),
    [
        (np.zeros(SHAPE, bool), "nothing"),
        (np.ones(SHAPE, bool), "every element"),
        ((1, 2, 3, 4), "a single element"),
        (np.s_[:, 3], "all of channel 3"),
        (np.s_[1], "all of image 1"),
        (
            np.s_[:, 16:],
            "all of the last ragged channel tile (channels 16–17 of 18, tiles of 16)",
        ),
        (np.s_[:, :16], "all of channel tile 0 (channels 0–15 of 18, tiles of 16)"),
        (np.s_[:, 4:7], "all of channels 4–6"),
        (np.s_[:, :, 0], "all of the top border (row 0)"),
        (np.s_[:, :, :, 5], "all of the right border (column 5)"),
        (np.s_[0, 17, :, 5], "all of image 0, channel 17, the right border (column 5)"),
        (np.s_[:, :, :, 1::2], "all of every odd column"),
        (np.s_[:, 2::4], "all of lane 2 of 4 channels"),
        (FRAME, "all of the border of the image (top, bottom, left, right)"),
        (TWO_SIDES, "all of image 0, channel 3, the border of the image (top, left)"),
        (CORNERS, "all of corners of the image"),
        (SOME, "all of image 0, channel 7, row 2, 2 of 6 columns"),
        (np.s_[:, [0, 5, 6], :, :], "all of 3 of 18 channels"),
    ],
)
def test_what_is_wrong_is_named(where, name):
    assert pattern(found(where), {"c": 16}) == name


def test_part_of_a_region_and_scatter_are_told_from_all_of_it():
    half = np.zeros(SHAPE, bool)
    half[:, 3, 0, 0] = half[0, 3, 2, 2] = True
    assert pattern(found(half), {}).startswith("only in channel 3, 2 of 5 rows")
    rng = np.random.default_rng(3)
    scattered = rng.random(SHAPE) < 0.3
    name = pattern(found(scattered), {})
    assert name == f"scattered over the whole tensor, {scattered.mean():.1%} of it"


def test_one_lane_of_each_memory_word_is_named():
    every_fourth = np.zeros(np.prod(SHAPE), bool)
    every_fourth[1::4] = True
    name = pattern(found(every_fourth.reshape(SHAPE), lanes=4), {})
    assert name == "only in every odd column, lane 1 of each word of 4"


def test_a_map_shows_where_and_how_often():
    pixels = np.zeros((3, 4), int)
    pixels[0, 0], pixels[1, 2], pixels[2, 3] = 10, 1, 5
    assert text_map(pixels) == "#...\n..1.\n...5"
    assert text_map(np.eye(32, 96, dtype=int)).endswith("(each character 2×2 pixels)")


DEVICE = {"tile": {"k": 32, "channels": 4, "outputs": 8, "pixels": 16}}


def test_tiles_are_those_of_the_device_or_else_the_blocks_of_the_layout():
    assert blocks_of("n c/16 h w c%16") == {"c": 16}
    assert tiles_of(None, {"c": 16}, "output") == {"c": 16}
    assert tiles_of(DEVICE, {}, "output") == {"c": 8, "o": 8, "i": 4, "p": 16}


@pytest.mark.parametrize(
    ("stage", "size"),
    [
        ("padded", 4),
        ("attention_padded", 4),
        ("shifted", 4),
        ("attention_wide_product", 4),
        ("product", 4),
        ("product_before_clip", 4),
        ("dx", 4),
        ("dx_before_clip", 4),
        ("conv_dx_accumulator", 4),
        ("dproduct", 4),
        ("accumulator", 8),
        ("conv_before_clip", 8),
        ("output", 8),
        ("upstream", 8),
        ("db", 8),
    ],
)
def test_channels_are_tiled_as_what_they_are(stage, size):
    assert tiles_of(DEVICE, {}, stage)["c"] == size


def test_taps_have_no_tile_of_channels_and_padding_none_of_pixels():
    assert "c" not in tiles_of(DEVICE, {}, "columns")
    assert tiles_of(DEVICE, {}, "columns")["p"] == 16
    assert "p" not in tiles_of(DEVICE, {}, "padded")


@pytest.mark.parametrize(
    ("low", "high", "name"),
    [
        (28, 29, "all of the last ragged pixel tile (pixels 28–29 of 30, tiles of 7)"),
        (7, 13, "all of pixel tile 1 (pixels 7–13 of 30, tiles of 7)"),
        (0, 6, "all of pixel tile 0 (pixels 0–6 of 30, tiles of 7)"),
        (24, 29, "all of the bottom border (row 4)"),
    ],
)
def test_a_tile_of_pixels_is_named_in_raster_order(low, high, name):
    where = np.zeros(SHAPE, bool)
    where.reshape(*SHAPE[:2], -1)[..., low : high + 1] = True
    assert pattern(found(where), {"p": 7, "c": 16}) == name
    where[:, :16] = False
    last = "all of the last ragged channel tile (channels 16–17 of 18, tiles of 16), "
    assert pattern(found(where), {"p": 7, "c": 16}) == last + name.removeprefix("all of ")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda x: x | 8, "only bit 3 is wrong, 1 instead of 0 in every wrong element"),
        (lambda x: x & ~np.int8(64), "only bit 6 is wrong, 0 instead of 1 in every wrong element"),
        (lambda x: x ^ np.int8(-128), "only bit 7 is wrong"),
        (
            lambda x: x & ~np.int8(5),
            "only bits 0, 2 are wrong, 0 instead of 1 in every wrong element",
        ),
        (lambda x: x ^ np.int8(31), ""),
        (lambda x: x + np.int8(1), ""),
        (lambda x: x, ""),
    ],
)
def test_the_few_bits_that_alone_are_wrong_are_named(change, says):
    golden = np.random.default_rng(3).integers(-128, 127, SHAPE).astype(np.int8)
    layout = layout_for("nchw", rank=4, kernel=False, element_bits=8)
    of = Physical(form=FORMATS["int8"], shape=SHAPE, layout=layout)
    chunks = [
        Chunk(at, golden.reshape(-1)[at : at + 100], change(golden).reshape(-1)[at : at + 100])
        for at in range(0, golden.size, 100)
    ]
    assert bits_text(compare(chunks, of, logical=True), 8) == says
