"""Integer arithmetic that sizes and counts are made of."""

from math import isqrt
from typing import Any, overload


@overload
def ceil_div(dividend: int, divisor: int) -> int: ...


@overload
def ceil_div(dividend: Any, divisor: Any) -> Any: ...


def ceil_div(dividend: Any, divisor: Any) -> Any:
    """Smallest integer not below ``dividend / divisor``; of integers, or int64 arrays of them."""
    return -(-dividend // divisor)


def divisors(whole: int) -> list[int]:
    """All divisors, ascending, in as many steps as the square root of ``whole``.

    >>> divisors(12)
    [1, 2, 3, 4, 6, 12]
    """
    small = [size for size in range(1, isqrt(whole) + 1) if whole % size == 0]
    return sorted({*small, *(whole // size for size in small)})


def chunks(total: int, size: int) -> tuple[int, ...]:
    """Sizes of the pieces when ``total`` is cut into pieces of ``size``; the last may be smaller.

    >>> chunks(7, 3)
    (3, 3, 1)
    """
    full, rest = divmod(total, size)
    return (size,) * full + ((rest,) if rest else ())


def pieces_of(total: Any, size: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Sizes of the pieces of ``total``, and how many there are of each; the second may be empty.

    >>> pieces_of(7, 3)
    ((3, 2), (1, 1))
    """
    full, rest = total // size, total % size
    return (size, full), (rest, 1 * (rest > 0))
