"""Nearest-neighbour upsampling to any size.

    y[n,c,i,j] = x[n, c, ⌊i·h/H⌋, ⌊j·w/W⌋]              x is h×w, y is H×W

    ∂x[n,c,·] = Σ_{i,j} ∂y[n,c,i,j], scattered to where x was read

At H = 2h, W = 2w every pixel becomes a square of four. The quotients are exact: integers divided
with the remainder dropped. A smaller size drops pixels.

Source: Lin et al., "Feature Pyramid Networks for Object Detection", arXiv:1612.03144 (2017),
section 3 (factor 2); to the size of the finer map, as its reference implementations do it.
"""

from typing import NamedTuple

import numpy as np

from refimpl.arrays import Array, Shaped, check_upstream, pair, shaped, zeros_for


class UpsampleGrads(NamedTuple):
    """Gradient of a loss with respect to each array argument of ``upsample_nearest``."""

    x: Array


@shaped
def upsample_nearest(
    x: Shaped[Array, "n c h w"], *, size: tuple[int, int]
) -> Shaped[Array, "n c i j"]:
    """Repeat pixels until the image has ``size`` (height, width).

    Raises
    ------
    ValueError
        If a side is less than 1.

    Examples
    --------
    >>> upsample_nearest(np.array([[[[1.0, 2.0]]]]), size=(1, 5))[0, 0]
    array([[1., 1., 1., 2., 2.]])
    """
    rows, cols = _sources(x, size)
    return x[:, :, rows[:, None], cols]


@shaped
def upsample_nearest_backward(
    dy: Shaped[Array, "n c i j"], x: Shaped[Array, "n c h w"], *, size: tuple[int, int]
) -> UpsampleGrads:
    """Add up what the copies of each pixel received."""
    rows, cols = _sources(x, size)
    check_upstream("upsample_nearest", dy, (*x.shape[:2], len(rows), len(cols)))
    n, c, h, w = x.shape
    targets = (rows[:, None] * w + cols).reshape(1, len(rows) * len(cols))
    dx = zeros_for(x, dy).reshape(n * c, h * w)
    np.add.at(dx, (np.arange(n * c)[:, None], targets), dy.reshape(n * c, targets.size))
    return UpsampleGrads(dx.reshape(x.shape))


def _sources(x: Array, size: tuple[int, int]) -> tuple[Array, Array]:
    """Row and column that each row and column of the result is read from."""
    sides = pair("size", size, least=1)
    rows, cols = (
        np.arange(side) * extent // side for side, extent in zip(sides, x.shape[2:], strict=True)
    )
    return rows, cols
