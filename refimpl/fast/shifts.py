"""Shift products plane by plane: a plane is one channel of one image, and planes share out threads.

A shift of a plane is a run of its pixels as they lie in memory, one or two runs where rows wrap
around; only the columns that leave the row are then mended one by one. Inner loops run over equal
pieces of memory from 0 on, so that they are compiled to vector instructions.
"""

import numpy as np
from numba import njit, prange

from refimpl.arrays import Array


@njit(cache=True)
def piece(move: int, size: int, circular: bool, number: int) -> tuple[int, int, int]:
    """The first or second stretch of places i whose i + move lies in 0 … size: begin, end, place.

    Place i reads place + i. Stretches may be empty; a boundary of zeros has only the first.
    """
    if circular:
        move %= size
        if number == 0:
            return 0, size - move, move
        return size - move, size, move - size
    if number == 0:
        return max(0, -move), min(size, size - move), move
    return 0, 0, 0


@njit(cache=True)
def multiply_shifted(
    a: Array, moved: bool, b: Array, down: int, right: int, circular: bool,
    out: Array, adding: bool,
) -> None:  # fmt: skip
    """out[p] = a[p]·b[p + d], or a[p + d]·b[p + d] if ``moved``; added to it if ``adding``.

    Contiguous planes (h, w).
    """
    height, width = out.shape
    if circular:
        right %= width
        if 2 * right > width:
            right -= width
    elif abs(down) >= height or abs(right) >= width:
        if not adding:
            out[:] = 0
        return
    size = height * width
    flat_a, flat_b, flat = a.reshape(size), b.reshape(size), out.reshape(size)
    begin, end = (width - right, width) if right > 0 else (0, -right)  # columns that leave the row
    home = right - width if right > 0 else right + width
    edge = np.zeros(1, out.dtype)
    zero = edge[0]
    if adding:
        edge = np.empty(height * (end - begin), out.dtype)
        for i in range(height):
            for j in range(begin, end):
                edge[i * (end - begin) + j - begin] = out[i, j]
    for number in range(2):
        first, last, to = piece(down, height, circular, number)
        move = to * width + right
        low, high = max(first * width, -move), min(last * width, size - move)
        if low >= high:
            continue
        target, other = flat[low:high], flat_b[low + move : high + move]
        one = flat_a[low + move : high + move] if moved else flat_a[low:high]
        if adding:
            for j in range(len(target)):
                target[j] += one[j] * other[j]
        else:
            for j in range(len(target)):
                target[j] = one[j] * other[j]
        for i in range(first, last):
            for j in range(begin, end):
                value = edge[i * (end - begin) + j - begin] if adding else zero
                if circular:
                    left = a[i + to, j + home] if moved else a[i, j]
                    value += left * b[i + to, j + home]
                out[i, j] = value
    if not (circular or adding):
        out[: max(0, -down)] = 0
        out[min(height, height - down) :] = 0


@njit(parallel=True, cache=True, nogil=True)
def products(q: Array, k: Array, offsets: Array, circular: bool, out: Array) -> None:
    """out[n, d·c + channel] = q ⊙ shift(k, d): planes of (n, c, h, w), direction first."""
    n, c = q.shape[:2]
    for task in prange(n * len(offsets) * c):
        image, d, channel = task // (len(offsets) * c), task // c % len(offsets), task % c
        multiply_shifted(
            q[image, channel], False, k[image, channel], offsets[d, 0], offsets[d, 1], circular,
            out[image, d * c + channel], False,
        )  # fmt: skip


@njit(cache=True)
def pull_shifted(
    dy: Array, q: Array, k: Array, down: int, right: int, circular: bool, dq: Array, dk: Array
) -> None:  # fmt: skip
    """Add the gradients of q ⊙ shift(k, d): dq += dy ⊙ shift(k, d), dk += shift(dy ⊙ q, −d)."""
    multiply_shifted(dy, False, k, down, right, circular, dq, True)
    multiply_shifted(dy, True, q, -down, -right, circular, dk, True)


@njit(parallel=True, cache=True, nogil=True)
def pull_products(
    dy: Array, q: Array, k: Array, offsets: Array, circular: bool, dq: Array, dk: Array,
    at: int = 0,
) -> None:  # fmt: skip
    """Add the gradients of ``products``, dy from map ``at`` on, to dq and dk, maybe one array."""
    n, c = q.shape[:2]
    for task in prange(n * c):
        image, channel = task // c, task % c
        for d in range(len(offsets)):
            pull_shifted(
                dy[image, at + d * c + channel], q[image, channel], k[image, channel],
                offsets[d, 0], offsets[d, 1], circular,
                dq[image, channel], dk[image, channel],
            )  # fmt: skip
