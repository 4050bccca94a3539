"""Photographs: a file of the user's, or one that scikit-image ships."""

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


def read_photograph(name: str) -> tuple[Array, dict[str, Any]]:
    """Read a photograph as uint8 (h, w, 3): a file, or one of scikit-image's by name.

    Returns the pixels, and what is to be said of where they come from.

    Raises
    ------
    UnusableError
        If there is no such file or photograph, or it cannot be decoded.
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
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, image.DecompressionBombError) as error:
        raise UnusableError(f"{path} must be a picture that Pillow can read") from error


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
