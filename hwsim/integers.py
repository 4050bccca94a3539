"""Integer arithmetic that sizes and counts are made of."""


def ceil_div(dividend: int, divisor: int) -> int:
    """Smallest integer not below ``dividend / divisor``."""
    return -(-dividend // divisor)


def chunks(total: int, size: int) -> tuple[int, ...]:
    """Sizes of the pieces when ``total`` is cut into pieces of ``size``; the last may be smaller.

    >>> chunks(7, 3)
    (3, 3, 1)
    """
    full, rest = divmod(total, size)
    return (size,) * full + ((rest,) if rest else ())
