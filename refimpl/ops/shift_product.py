"""Shift product: how each pixel relates to the pixels fixed offsets away.

    T_d(q, k)[n,c,p] = q[n,c,p] · k[n, c, p + L·d]          for each direction d, in the order given
    T(q, k)          = concat_d T_d                          channels: direction first, then c

    ∂q = Σ_d ∂T_d ⊙ shift(k, L·d)
    ∂k = Σ_d shift(∂T_d ⊙ q, −L·d)

With ``k`` left out it is q itself: T_d = x ⊙ shift(x, L·d), the step from which pixel-shift
self-attention is built; then ∂x is the sum of both lines, and T is even: T(−x) = T(x).

Source: Chen, Wang and Ni, "X-volution", arXiv:2106.02253 (2021), the pixel-shift step.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from refimpl.arrays import Array, Shaped, check_upstream, is_integer, shaped
from refimpl.ops.shift import Boundary, Offset, shift

Directions: TypeAlias = Sequence[Offset]

LEFT, RIGHT, UP, DOWN = (0, -1), (0, 1), (-1, 0), (1, 0)
FOUR_DIRECTIONS: tuple[Offset, ...] = (LEFT, RIGHT, UP, DOWN)
EIGHT_DIRECTIONS: tuple[Offset, ...] = (*FOUR_DIRECTIONS, (-1, -1), (-1, 1), (1, -1), (1, 1))


class ShiftProductGrads(NamedTuple):
    """Gradient with respect to each array argument; ``k`` is None where ``k`` was left out."""

    q: Array
    k: Array | None


@shaped
def shift_product(
    q: Shaped[Array, "n c h w"],
    k: Shaped[Array, "n c h w"] | None = None,
    *,
    directions: Directions = FOUR_DIRECTIONS,
    length: int = 1,
    boundary: Boundary = "circular",
) -> Shaped[Array, "n dc h w"]:
    """Multiply ``q`` with ``k`` (default: itself) shifted by ``length`` along each direction.

    Raises
    ------
    ValueError
        If a direction is not a pair of integers, or is (0, 0), or ``length`` is not positive.

    Examples
    --------
    >>> shift_product(np.array([[[[1.0, 2.0, 3.0]]]]), directions=[(0, 1)])[0, 0]
    array([[2., 6., 3.]])
    """
    key = q if k is None else k
    products = [q * shift(key, offset=d, boundary=boundary) for d in offsets(directions, length)]
    return np.concatenate(products, axis=1)


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
    key = q if k is None else k
    n, c, h, w = q.shape
    check_upstream("shift_product", dy, (n, c * len(offsets(directions, length)), h, w))
    dq, dk = np.zeros_like(q), np.zeros_like(key)
    reached = offsets(directions, length)
    for d, upstream in zip(reached, np.split(dy, len(reached), axis=1), strict=True):
        back = (-d[0], -d[1])
        dq = dq + upstream * shift(key, offset=d, boundary=boundary)
        dk = dk + shift(upstream * q, offset=back, boundary=boundary)
    return ShiftProductGrads(dq + dk, None) if k is None else ShiftProductGrads(dq, dk)


def offsets(directions: Directions, length: int) -> list[Offset]:
    """Return ``length``·d for every direction d, after checking them.

    Raises
    ------
    ValueError
        One sentence saying what a direction, or the length, must be.
    """
    if not is_integer(length) or length < 1:
        raise ValueError(f"length must be a positive integer, not {length!r}")
    if not isinstance(directions, Sequence) or not directions or isinstance(directions, str):
        raise ValueError(
            f"directions must be a sequence of offsets, such as [(0, 1)] for right, "
            f"not {directions!r}"
        )
    for each in directions:
        if not (
            isinstance(each, tuple | list)
            and len(each) == 2
            and all(is_integer(step) for step in each)
            and any(each)
        ):
            raise ValueError(
                f"a direction must be a pair of integers (down, right) other than (0, 0), "
                f"not {each!r}"
            )
    return [(int(length) * int(down), int(length) * int(right)) for down, right in directions]
