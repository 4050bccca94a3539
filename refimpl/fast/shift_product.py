"""Shift product, fast: the signature and equation of ``refimpl.shift_product``.

One pass over the image a direction, no shifted copy. Memory: the result.
"""

import numpy as np

from refimpl.arrays import Array, Shaped, check_upstream, shaped
from refimpl.fast.arguments import floating
from refimpl.fast.shifts import products, pull_products
from refimpl.ops.shift import Boundary
from refimpl.ops.shift_product import (
    FOUR_DIRECTIONS,
    Directions,
    ShiftProductGrads,
    offsets,
)


@shaped
def shift_product(
    q: Shaped[Array, "n c h w"],
    k: Shaped[Array, "n c h w"] | None = None,
    *,
    directions: Directions = FOUR_DIRECTIONS,
    length: int = 1,
    boundary: Boundary = "circular",
) -> Shaped[Array, "n dc h w"]:
    """Multiply ``q`` with ``k`` (default: itself) shifted by ``length`` along each direction."""
    reached, circular = reached_of(directions, length, boundary)
    q, k = floating("shift_product", q=q, k=q if k is None else k)
    n, c, h, w = q.shape
    out = np.empty((n, len(reached) * c, h, w), q.dtype)
    products(q, k, reached, circular, out)
    return out


@shaped
def shift_product_backward(
    dy: Shaped[Array, "n dc h w"],
    q: Shaped[Array, "n c h w"],
    k: Shaped[Array, "n c h w"] | None = None,
    *,
    directions: Directions = FOUR_DIRECTIONS,
    length: int = 1,
    boundary: Boundary = "circular",
) -> ShiftProductGrads:
    """Pull ``dy``, the gradient of the products, back to ``q`` and ``k``."""
    reached, circular = reached_of(directions, length, boundary)
    n, c, h, w = q.shape
    check_upstream("shift_product", dy, (n, c * len(reached), h, w))
    dy, q, key = floating("shift_product_backward", dy=dy, q=q, k=q if k is None else k)
    dq = np.zeros_like(q)
    dk = dq if k is None else np.zeros_like(key)
    pull_products(dy, q, key, reached, circular, dq, dk)
    return ShiftProductGrads(dq, None if k is None else dk)


def reached_of(directions: Directions, length: int, boundary: Boundary) -> tuple[Array, bool]:
    """Offsets (d, 2), and whether the boundary is circular.

    Raises
    ------
    ValueError
        If an option is not one there is.
    """
    if boundary not in ("circular", "zero"):
        raise ValueError(f"boundary must be 'circular' or 'zero', not {boundary!r}")
    return np.array(offsets(directions, length), np.int64), boundary == "circular"
