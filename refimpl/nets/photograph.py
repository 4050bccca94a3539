"""A photograph as network input, by integer arithmetic: the same pixels give the same bytes.

Crop the largest centred square whose side is a multiple f·S of the input side S, average each f×f
block (sum of bytes, divided with rounding half up), then (p/255 − mean)/std in binary64, rounded
once to binary32.

Source: mean and standard deviation of ImageNet's training set as its reference models use them,
(0.485, 0.456, 0.406) and (0.229, 0.224, 0.225) for red, green, blue.
"""

import numpy as np

from refimpl.arrays import Array

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def square(pixels: Array, side: int = 224) -> Array:
    """Crop and shrink uint8 pixels (h, w, 3) to (side, side, 3).

    Raises
    ------
    ValueError
        If the picture is not 8-bit RGB, or smaller than ``side``.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise ValueError(
            f"a photograph must be 8-bit RGB of shape (h, w, 3), not {pixels.dtype} {pixels.shape}"
        )
    if side < 1:
        raise ValueError(f"side must be at least 1 pixel, not {side}")
    height, width = pixels.shape[:2]
    factor = min(height, width) // side
    if factor < 1:
        raise ValueError(
            f"a photograph must be at least {side}×{side} pixels, not {height}×{width}"
        )
    extent = factor * side
    top, left = (height - extent) // 2, (width - extent) // 2
    crop = pixels[top : top + extent, left : left + extent].astype(np.int64)
    total = crop.reshape(side, factor, side, factor, 3).sum(axis=(1, 3))
    area = factor * factor
    return ((2 * total + area) // (2 * area)).astype(np.uint8)


def normalise(pixels: Array) -> Array:
    """Turn uint8 (h, w, 3) into binary32 (1, 3, h, w) of about zero mean and unit variance."""
    scaled = (pixels.astype(np.float64) / 255 - np.array(MEAN)) / np.array(STD)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None]).astype(np.float32)
