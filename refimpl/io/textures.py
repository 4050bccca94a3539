"""The data set of the small network: crops of sixteen pictures that scikit-image ships."""

from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.io.files import UnusableError
from refimpl.train.crops import Split, split

PICTURES = (
    "astronaut", "brick", "camera", "chelsea", "coffee", "coins", "grass", "gravel",
    "hubble_deep_field", "immunohistochemistry", "moon", "page", "retina", "rocket",
    "stereo_motorcycle", "text",
)  # fmt: skip
LUMA = (299, 587, 114)  # thousandths of red, green, blue: ITU-R BT.601


def read_textures(*, train: int = 128, test: int = 64, seed: str = "0") -> Split:
    """``train`` and ``test`` crops of each picture, from disjoint regions of it.

    Raises
    ------
    UnusableError
        If scikit-image is not installed.
    ValueError
        If there are to be fewer than one crop of each.
    """
    for name, count in (("train", train), ("test", test)):
        if count < 1:
            raise ValueError(f"{name} must be at least 1 crop per picture, not {count}")
    data = _pictures()
    return split({name: _grey(data, name) for name in PICTURES}, train=train, test=test, seed=seed)


def _pictures() -> Any:
    try:
        from skimage import data  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UnusableError(
            "training needs the pictures of the demo extra: pip install 'xvolution[demo]'"
        ) from error
    return data


def _grey(data: Any, name: str) -> Array:
    """A picture in 256 greys, rounded half up."""
    got = getattr(data, name)()
    pixels = np.asarray(got[0] if isinstance(got, tuple) else got)
    if pixels.ndim == 2:
        return pixels
    return ((pixels.astype(np.int64) @ np.array(LUMA) + 500) // 1000).astype(np.uint8)
