"""What a break is, and the mistakes that several subjects share."""

from collections.abc import Callable
from typing import Any, NamedTuple

import refimpl

Function = Callable[..., Any]


class Break(NamedTuple):
    """One function as a claim sees it, and how to make it wrong."""

    what: str
    module: Any
    name: str
    wrong: Callable[[Function], Function]


def always(**options):
    """Call the right function with some options overruled."""
    return lambda right: lambda *args, **given: right(*args, **given | options)


def opposite(right):
    """Look the other way."""

    def wrong(*args, directions=refimpl.FOUR_DIRECTIONS, **options):
        back = tuple((-down, -right_) for down, right_ in directions)
        return right(*args, directions=back, **options)

    return wrong


def add_a_linear_term(right):
    return lambda x, *args, **options: right(x + 1, *args, **options)


def shift_backwards(right):
    return lambda x, *, offset, **options: right(x, offset=(-offset[0], -offset[1]), **options)


def twice(right):
    return lambda *args, **options: 2 * right(*args, **options)
