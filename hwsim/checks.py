"""Conditions on what users hand in, each failing with one sentence: what must be what."""

from collections.abc import Collection
from difflib import get_close_matches
from types import UnionType

MOST_LISTED = 24
"""Names an error lists: ours."""


def at_least(what: str, value: object, least: int) -> None:
    """Raise ``ValueError`` unless ``value`` is an integer (not a truth value) ≥ ``least``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{what} must be an integer of at least {least}, not {value!r}")


def instance_of(what: str, value: object, kind: type | UnionType, words: str) -> None:
    """Raise ``ValueError`` unless ``value`` is a ``kind``, which ``words`` describe."""
    if not isinstance(value, kind):
        raise ValueError(f"{what} must be {words}, not {value!r}")  # noqa: TRY004  it was read


def one_of(what: str, name: str, known: Collection[str]) -> str:
    """Return ``name``, or raise ``ValueError`` that lists ``known`` and the nearest of them.

    Of more than ``MOST_LISTED`` known names the first ones are listed.
    """
    if name in known:
        return name
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" (did you mean {near[0]}?)" if near else ""
    listed = list(known)[:MOST_LISTED]
    more = f" and {len(known) - len(listed)} more" if len(known) > len(listed) else ""
    raise ValueError(f"{what} must be one of {', '.join(listed)}{more}, not {name!r}{hint}")
