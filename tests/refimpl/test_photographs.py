"""Pictures: those whose pixels no decoder chooses are read as they are, any other is refused."""

from hashlib import sha256
from zlib import compress, crc32

import numpy as np
import pytest

from refimpl import io


def test_a_picture_is_read_as_pixels_with_its_hash_and_where_it_is_from(tmp_path):
    image = pytest.importorskip("PIL.Image")
    pixels = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    image.fromarray(pixels).save(tmp_path / "a.png")
    got, said = io.read_photograph(str(tmp_path / "a.png"))
    np.testing.assert_array_equal(got, pixels)
    assert said == {
        "image": "a.png",
        "image_licence": "the user's own",
        "pixels_sha256": sha256(pixels.tobytes()).hexdigest(),
    }


def test_no_picture_is_refused_in_one_sentence(tmp_path):
    pytest.importorskip("PIL.Image")
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(io.UnusableError, match=r"a\.png must be a picture that Pillow can read"):
        io.read_photograph(str(tmp_path / "a.png"))
    with pytest.raises(io.UnusableError, match="image must be a file or one of astronaut, chelsea"):
        io.read_photograph("nobody")


def _picture(path, **options):
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(3).integers(0, 256, (6, 7, 3)).astype(np.uint8)
    image.fromarray(pixels).save(path, **options)
    return pixels


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.png", {}),
        ("a.bmp", {}),
        ("a.ppm", {}),
        ("a.tif", {}),
        ("a.tiff", {"compression": "tiff_lzw"}),
    ],
)
def test_a_lossless_picture_of_eight_bits_gives_its_own_pixels(tmp_path, name, options):
    pixels = _picture(tmp_path / name, **options)
    np.testing.assert_array_equal(io.read_photograph(str(tmp_path / name))[0], pixels)


def test_palettes_greys_and_opaque_pictures_are_lossless_too(tmp_path):
    image = pytest.importorskip("PIL.Image")
    grey = np.arange(42, dtype=np.uint8).reshape(6, 7)
    image.fromarray(grey).save(tmp_path / "grey.png")
    opaque = np.dstack([grey, grey + 1, grey + 2, np.full_like(grey, 255)])
    image.fromarray(opaque, "RGBA").save(tmp_path / "opaque.png")
    few = image.fromarray(opaque[..., :3]).quantize(5)
    few.save(tmp_path / "few.png")
    for name, expected in (
        ("grey", np.dstack([grey] * 3)),
        ("opaque", opaque[..., :3]),
        ("few", np.asarray(few.convert("RGB"))),
    ):
        got, _ = io.read_photograph(str(tmp_path / f"{name}.png"))
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("a.jpg", {"quality": 100}, "not JPEG"),
        ("a.webp", {"quality": 80}, "not WEBP"),
        ("a.jp2", {}, "not JPEG2000"),
        ("a.gif", {}, "not GIF"),
        ("a.tif", {"compression": "jpeg"}, "not a TIFF compressed by jpeg"),
    ],
)
def test_a_picture_that_may_have_lost_something_is_refused(tmp_path, name, options, says):
    _picture(tmp_path / name, **options)
    with pytest.raises(io.UnusableError, match=f"{says}: convert it to an 8-bit PNG"):
        io.read_photograph(str(tmp_path / name))


def _png_chunk(kind, data):
    return len(data).to_bytes(4, "big") + kind + data + crc32(kind + data).to_bytes(4, "big")


def _png(depth, colour, row):
    """A PNG of one row, written by hand: Pillow writes no 16-bit RGB."""
    header = (len(row) // {0: 1, 2: 3, 6: 4}[colour] * 8 // depth).to_bytes(4, "big")
    header += (1).to_bytes(4, "big") + bytes([depth, colour, 0, 0, 0])
    body = _png_chunk(b"IHDR", header) + _png_chunk(b"IDAT", compress(b"\0" + row))
    return b"\x89PNG\r\n\x1a\n" + body + _png_chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("name", "written", "says"),
    [
        ("rgb.png", _png(16, 2, bytes(range(12))), "stored as RGB;16B"),
        ("grey.png", _png(16, 0, bytes(range(4))), "stored as I;16B"),
        ("alpha.png", _png(16, 6, bytes(range(16))), "stored as RGBA;16B"),
        ("clear.png", _png(8, 6, bytes(range(8))), "not a transparent one"),
        ("deep.ppm", b"P6 1 1 65535 " + bytes(6), "up to 65535"),
        ("few.ppm", b"P6 1 1 31 " + bytes(3), "up to 31"),
        ("deep.pgm", b"P5 1 1 65535 " + bytes(2), "stored as I;16B"),
        ("float.pfm", b"Pf 1 1 -1.0 " + bytes(4), "mode F"),
    ],
)
def test_a_picture_that_eight_bits_do_not_hold_is_refused(tmp_path, name, written, says):
    pytest.importorskip("PIL.Image")
    (tmp_path / name).write_bytes(written)
    with pytest.raises(io.UnusableError, match=f"8 bits a channel.*{says}"):
        io.read_photograph(str(tmp_path / name))


def test_the_same_hand_writes_a_png_of_eight_bits_that_is_read(tmp_path):
    pytest.importorskip("PIL.Image")
    (tmp_path / "a.png").write_bytes(_png(8, 2, bytes(range(6))))
    got, _ = io.read_photograph(str(tmp_path / "a.png"))
    np.testing.assert_array_equal(got, np.arange(6, dtype=np.uint8).reshape(1, 2, 3))


@pytest.mark.parametrize("name", ["moving.png", "pages.tif"])
def test_a_file_of_several_pictures_is_refused(tmp_path, name):
    image = pytest.importorskip("PIL.Image")
    one, other = (image.fromarray(np.full((4, 4, 3), grey, np.uint8)) for grey in (1, 2))
    one.save(tmp_path / name, save_all=True, append_images=[other])
    with pytest.raises(io.UnusableError, match="not a file of 2 pictures: convert it to an 8-bit"):
        io.read_photograph(str(tmp_path / name))


def test_deep_and_inked_tiffs_are_refused(tmp_path):
    image = pytest.importorskip("PIL.Image")
    deep = image.fromarray(np.arange(42, dtype=np.uint16).reshape(6, 7))
    deep.save(tmp_path / "deep.tif")
    image.fromarray(np.zeros((4, 4, 4), np.uint8), "CMYK").save(tmp_path / "ink.tif")
    for name, says in (("deep", "16 bits a channel"), ("ink", "mode CMYK")):
        with pytest.raises(io.UnusableError, match=says):
            io.read_photograph(str(tmp_path / f"{name}.tif"))


@pytest.mark.parametrize("name", io.PHOTOGRAPHS)
def test_the_named_photographs_are_there_with_their_licences(name):
    pytest.importorskip("skimage")
    pixels, said = io.read_photograph(name)
    assert pixels.dtype == np.uint8
    assert pixels.shape[2] == 3
    assert said["image_licence"] == io.PHOTOGRAPHS[name]
