"""Photographs: a file of the user's, or one that scikit-image ships.

A user's file is one that every decoder reads alike, of at most 8 bits a channel: pixels feed
vectors, and what a decoder rounds (a lossy file, a deeper one, another colour space) is its own.
"""

from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.io.files import UnusableError

PHOTOGRAPHS = {
    "astronaut": "NASA, public domain",
    "chelsea": "Stefan van der Walt, CC0",
    "coffee": "Rachel Michetti, CC0",
}

LOSSLESS = ("PNG", "BMP", "PPM", "TIFF")
COLOURS = ("1", "L", "P", "RGB", "LA", "PA", "RGBA", "RGBX")  # Pillow's: to RGB without rounding
EXACT_TIFF = ("raw", "packbits", "group3", "group4", "lzma", "zstd", "tiff_ccitt", "tiff_lzw",
              "tiff_deflate", "tiff_adobe_deflate")  # fmt: skip
BITS_PER_SAMPLE = 258  # tag of TIFF 6.0, section 8


def read_photograph(name: str) -> tuple[Array, dict[str, Any]]:
    """Read a photograph as uint8 (h, w, 3): a file, or one of scikit-image's by name.

    Returns the pixels, and what is to be said of where they come from.

    Raises
    ------
    UnusableError
        If there is no such file or photograph, or it cannot be decoded, or is not lossless, or has
        more than 8 bits a channel.
    """
    path = Path(name)
    if path.is_file():
        pixels, source, licence = _decode_image(path), path.name, "the user's own"
    elif name in PHOTOGRAPHS:
        pixels = _shipped_image(name)
        source, licence = f"scikit-image: {name}", PHOTOGRAPHS[name]
    else:
        raise UnusableError(
            f"image must be a file or one of {', '.join(PHOTOGRAPHS)}, not {name!r}"
        )
    digest = sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()
    return pixels, {"image": source, "image_licence": licence, "pixels_sha256": digest}


def _decode_image(path: Path) -> Array:
    image = _imaging()
    try:
        with image.open(path) as picture:
            wrong = _inexact(picture)
            if not wrong:
                return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, image.DecompressionBombError) as error:
        raise UnusableError(f"{path} must be a picture that Pillow can read") from error
    raise UnusableError(
        f"{path} must be a lossless picture ({', '.join(LOSSLESS)}) of 8 bits a channel, grey or "
        f"RGB and opaque, not {wrong}: convert it to an 8-bit PNG first, and give that"
    )


def _inexact(picture: Any) -> str:
    """What makes a picture's pixels a decoder's choice; empty if nothing does."""
    if picture.format not in LOSSLESS:
        return str(picture.format)
    count = getattr(picture, "n_frames", 1)
    if count != 1:
        return f"a file of {count} pictures"
    return _depth(picture) or _colours(picture)


def _colours(picture: Any) -> str:
    """What keeps a picture's colours from being grey or RGB as they are; empty if nothing."""
    if picture.mode not in COLOURS:
        return f"one of mode {picture.mode}"
    if picture.has_transparency_data:
        alpha = np.asarray(picture.convert("RGBA"))[..., 3]
        return "a transparent one" if (alpha < 255).any() else ""
    return ""


def _depth(picture: Any) -> str:
    """What a picture's channels have that 8 bits do not hold as they are; empty if nothing."""
    if picture.format == "TIFF":
        compression = picture.info.get("compression", "raw")
        if compression not in EXACT_TIFF:
            return f"a TIFF compressed by {compression}"
        bits = max(picture.tag_v2.get(BITS_PER_SAMPLE, (1,)))
        return f"one of {bits} bits a channel" if bits > 8 else ""
    decoder, _, _, arguments = picture.tile[0]
    raw, *more = arguments if isinstance(arguments, tuple) else (arguments,)
    if decoder.startswith("ppm") and more[0] != 255:
        return f"one whose channels go up to {more[0]}"
    stored = str(raw).partition(";")[2]
    return f"one whose pixels are stored as {raw}" if stored[:2] in ("15", "16") else ""


def _imaging() -> Any:
    try:
        from PIL import Image  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UnusableError(
            "pictures need the demo extra: pip install 'xvolution[demo]'"
        ) from error
    return Image


def _shipped_image(name: str) -> Array:
    try:
        from skimage import data  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UnusableError(
            "pictures need the demo extra: pip install 'xvolution[demo]'"
        ) from error
    return np.asarray(getattr(data, name)())
