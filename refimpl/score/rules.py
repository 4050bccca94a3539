"""Rounding rules that a device may have instead of the declared one; exact in 64-bit integers.

Beside those of ``refimpl.bitexact.requantise``, of a·m/2^s:

    half_to_zero  nearest, ties towards zero          half_odd     nearest, ties to the odd integer
    half_down     nearest, ties downwards             ceil         upwards
    up_late       half_up whose addend is 2^(s−2): a quarter instead of a half
"""

from collections.abc import Callable

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.requantise import ALL_RULES


def _half(shift: Array) -> Array:
    return np.int64(1) << (shift - 1)


def half_to_zero(product: Array, shift: Array) -> Array:
    """Nearest, ties towards zero."""
    return np.sign(product) * ((np.abs(product) + _half(shift) - 1) >> shift)


def half_down(product: Array, shift: Array) -> Array:
    """Nearest, ties downwards."""
    return (product + _half(shift) - 1) >> shift


def half_odd(product: Array, shift: Array) -> Array:
    """Nearest, ties to the odd integer."""
    up, down = (product + _half(shift)) >> shift, half_down(product, shift)
    return np.where(up % 2 == 1, up, down)


def ceil(product: Array, shift: Array) -> Array:
    """Upwards."""
    return -((-product) >> shift)


def up_late(product: Array, shift: Array) -> Array:
    """A quarter added instead of a half."""
    return (product + (_half(shift) >> 1)) >> shift


OTHER_RULES: dict[str, Callable[[Array, Array], Array]] = ALL_RULES | {
    each.__name__: each for each in (half_to_zero, half_down, half_odd, ceil, up_late)
}
