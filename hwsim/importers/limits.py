"""Sizes that a file may give: integers within reason, so that arithmetic on them stays exact."""

from hwsim.checks import at_least

MOST_SIZE = 2**31 - 1
"""The largest single size: ours, that of a 32-bit integer."""
MOST_LAYERS = 100_000
"""Layers a file may list: ours, so that no input takes time without limit."""


def size(what: str, value: object, least: int = 1) -> int:
    """``value`` if it is an integer from ``least`` to ``MOST_SIZE``; ``ValueError`` if not."""
    at_least(what, value, least)
    assert isinstance(value, int)  # noqa: S101 - just checked
    if value > MOST_SIZE:
        raise ValueError(f"{what} must be at most {MOST_SIZE}, not {value}")
    return value
