"""What coverage points see of a case: events by sample, and operands of convolutions."""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from refimpl.arrays import Array

Values: TypeAlias = dict[str, Any]


class Macs(NamedTuple):
    """One convolution's operands: ``x`` fields (n, k, p) or broadcastable, ``w`` fields (o, k)."""

    x: Values
    w: Values
    outputs: int


class Seen(NamedTuple):
    """Everything that points can look at: ``events`` by sample, several blocks each, and MACs."""

    case: Values
    events: Mapping[str, list[Values]]
    macs: list[Macs]


def divided(values: Array, multiplier: Array, shift: Array) -> Values:
    """Quotient and remainder of values·m by 2^s."""
    product = values * multiplier
    quotient = product >> shift
    return {
        "quotient": quotient,
        "remainder": product - (quotient << shift),
        "half": np.int64(1) << (shift - 1),
    }
