"""The vocabulary of bugs: small changes of a value, by name.

A change is called with the value at a site, what the hardware knows there, and the arguments that
the catalogue gives. Everything is elementwise integer arithmetic or data movement.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from refimpl.arrays import Array
from refimpl.score.attention_changes import ATTENTION_CHANGES
from refimpl.score.gradient_changes import GRADIENT_CHANGES
from refimpl.score.rules import OTHER_RULES
from refimpl.score.shift_changes import SHIFT_CHANGES
from refimpl.score.summation import SUMMATIONS, flushed, narrowed
from refimpl.score.tile_changes import TILE_CHANGES
from refimpl.score.window_changes import WINDOW_CHANGES

Known: TypeAlias = Mapping[str, Any]
Change: TypeAlias = Callable[..., Any]


def constant(value: Any, _: Known, *, to: Any) -> Any:
    """Whatever it was, it is ``to``; an array keeps its shape."""
    return np.full_like(value, to) if isinstance(value, np.ndarray) else to


def known(_: Any, of: Known, *, name: str) -> Any:
    """What the hardware knows under another name."""
    return of[name]


def add(value: Any, _: Known, *, by: int) -> Any:
    """Off by a constant."""
    return value + by


def scale(value: Any, _: Known, *, by: int) -> Any:
    """Times a constant; −1 is a sign error."""
    return value * by


def magnitude(value: Array, _: Known) -> Array:
    """Without its sign."""
    return np.abs(value)


def wrap(value: Array, _: Known, *, bits: int) -> Array:
    """Two's complement of too few bits."""
    half = np.int64(1) << (bits - 1)
    return ((value.astype(np.int64) + half) & (2 * half - 1)) - half


def saturate(value: Array, _: Known, *, bits: int) -> Array:
    """Clipped to too few bits."""
    return np.clip(value, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def at_least(value: Array, _: Known, *, low: int) -> Array:
    """Clipped from below."""
    return np.maximum(value, low)


def at_most(value: Array, _: Known, *, high: int) -> Array:
    """Clipped from above."""
    return np.minimum(value, high)


def unsigned(value: Array, _: Known, *, bits: int) -> Array:
    """The word read without its sign."""
    return value.astype(np.int64) & ((1 << bits) - 1)


def lose_low_bits(value: Array, _: Known, *, bits: int) -> Array:
    """The lowest bits are not connected."""
    return (value.astype(np.int64) >> bits) << bits


def rule(_: Any, __: Known, *, name: str) -> Callable[[Array, Array], Array]:
    """Another rounding rule."""
    return OTHER_RULES[name]


def summation(_: Any, __: Known, *, name: str) -> Any:
    """Another way to add up binary32 products."""
    return SUMMATIONS[name]


def to_format(value: Array, _: Known, *, name: str) -> Array:
    """Rounded to a narrower float and back."""
    return narrowed(value, name)


def flush(value: Array, _: Known) -> Array:
    """Subnormal numbers become 0."""
    return flushed(value)


def clip_one_side(value: Array, of: Known, *, wraps: str) -> Array:
    """Only one rail saturates; the other wraps at eight bits."""
    before = of["before"]
    over = before > 127 if wraps == "high" else before < -128
    return np.where(over, wrap(before, of, bits=8), value)


def limits(value: tuple[int, int], of: Known, *, low: Any = None, high: Any = None) -> Any:
    """Other rails; "zero" is the zero point."""
    ends = [of["zero"] if end == "zero" else end for end in (low, high)]
    return tuple(old if new is None else new for old, new in zip(value, ends, strict=True))


def first_for_all(value: Array, _: Known) -> Array:
    """Every channel uses the parameter of the first."""
    return np.full_like(value, value[0])


def first_of_tile(value: Array, _: Known, *, tile: int) -> Array:
    """Every channel of a tile uses the parameter of the tile's first."""
    return value[np.arange(len(value)) // tile * tile]


def neighbour(value: Array, _: Known) -> Array:
    """Every channel uses the parameter of the one before it."""
    return np.roll(value, 1, axis=0)


def subtract_twice(value: Array, of: Known) -> Array:
    """The zero point with the wrong sign: x + z where x − z is meant."""
    return value + 2 * of["zero"]


def swap_groups(value: Array, of: Known) -> Array:
    """The two groups of channels the other way round."""
    return np.concatenate([value[:, of["channels"] :], value[:, : of["channels"]]], axis=1)


def one_zero_for_all(value: Array, _: Known, *, group: int) -> Array:
    """Both groups of channels use the zero point of the first (0) or the second (1)."""
    return np.full_like(value, value[0] if group == 0 else value[-1])


def zero_of_x(value: Array, of: Known) -> Array:
    """The zero point of x for every channel."""
    return np.full_like(value, of["x_zero"])


def branch_unclipped(value: Array, of: Known, *, which: str) -> Array:
    """A branch reaches the sum unsaturated."""
    return np.asarray(of["before"]) if of["which"] == which else value


CHANGES: dict[str, Change] = {
    **SHIFT_CHANGES,
    **ATTENTION_CHANGES,
    **GRADIENT_CHANGES,
    **WINDOW_CHANGES,
    **TILE_CHANGES,
    **{
        each.__name__: each
        for each in (
            constant,
            known,
            add,
            scale,
            magnitude,
            wrap,
            saturate,
            at_least,
            at_most,
            unsigned,
            lose_low_bits,
            rule,
            summation,
            to_format,
            flush,
            clip_one_side,
            limits,
            first_for_all,
            first_of_tile,
            neighbour,
            subtract_twice,
            swap_groups,
            one_zero_for_all,
            zero_of_x,
            branch_unclipped,
        )
    },
}
