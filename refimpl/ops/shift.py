"""Shift: read every pixel from a fixed offset away.

    y[n,c,p]  = x[n, c, p + d]          d = (dy, dx): left = (0,−1), right = (0,1), up = (−1,0)
    ∂x[n,c,p] = ∂y[n, c, p − d]         the same boundary

``boundary="circular"`` counts p + d modulo (H, W), as the article does ("循环移位", by indexing);
``boundary="zero"`` reads 0 outside the image.

Source: Chen, Wang and Ni, "X-volution", arXiv:2106.02253 (2021), the pixel-shift step.
"""

from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from refimpl.arrays import Array, Shaped, is_integer, shaped, zero_pad

Boundary: TypeAlias = Literal["circular", "zero"]
Offset: TypeAlias = tuple[int, int]


class ShiftGrads(NamedTuple):
    """Gradient of a loss with respect to each array argument of ``shift``."""

    x: Array


@shaped
def shift(
    x: Shaped[Array, "n c h w"], *, offset: Offset, boundary: Boundary = "circular"
) -> Shaped[Array, "n c h w"]:
    """Bring the pixel at p + ``offset`` (down, right) to p.

    Examples
    --------
    >>> x = np.array([[[[1.0, 2.0, 3.0]]]])
    >>> shift(x, offset=(0, 1))[0, 0], shift(x, offset=(0, 1), boundary="zero")[0, 0]
    (array([[2., 3., 1.]]), array([[2., 3., 0.]]))
    """
    if not (
        isinstance(offset, tuple | list) and [is_integer(each) for each in offset] == [True] * 2
    ):
        raise ValueError(f"offset must be a pair of integers (down, right), not {offset!r}")
    down, right = offset
    if boundary == "circular":
        return np.roll(x, (-down, -right), axis=(2, 3))
    if boundary != "zero":
        raise ValueError(f"boundary must be 'circular' or 'zero', not {boundary!r}")
    height, width = x.shape[2:]
    padded = zero_pad(x, abs(down), abs(right))
    top, left = abs(down) + down, abs(right) + right
    return padded[:, :, top : top + height, left : left + width]


@shaped
def shift_backward(
    dy: Shaped[Array, "n c h w"], *, offset: Offset, boundary: Boundary = "circular"
) -> ShiftGrads:
    """Pull ``dy`` back: the adjoint of a shift is the opposite shift, with the same boundary."""
    down, right = offset
    return ShiftGrads(shift(dy, offset=(-down, -right), boundary=boundary))
