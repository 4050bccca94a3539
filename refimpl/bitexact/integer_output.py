"""What follows an integer accumulator, in one pass: bias, factor, zero point, saturation.

    biased       fit(acc + b)                              the accumulator's width, as it overflows
    before_clip  rule(biased·m / 2^s) + zero point         held in int32, saturated to it
    output       before_clip saturated to [low, high]

Each stage is stored as its format; no array is wider. The formulas are those of ``integer_sum`` and
``requantise``; a row is worked on in parts that stay in the first-level cache.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from refimpl.arrays import Array
from refimpl.bitexact.formats import NumberFormat
from refimpl.bitexact.integer_sum import IntegerAccumulator, fit
from refimpl.bitexact.requantise import Scaling, scale_row

PART = 1024  # ours: numbers worked on at a time
INT32 = (-(2**31), 2**31 - 1)


class AfterSum(NamedTuple):
    """The stages, each of the accumulator's shape (n, o, …)."""

    biased: Array
    before_clip: Array
    output: Array


def after_sum(
    total: Array,
    bias: Array | None,
    of: IntegerAccumulator,
    by: Scaling,
    *,
    zero_point: int,
    limits: tuple[int, int],
    into: NumberFormat,
) -> AfterSum:
    """Stages after sums (n, o, …) with an int64 bias (o,); ``limits`` lie within ``into``.

    ``total`` is int32 or int64 and fits the accumulator.
    """
    n, channels = total.shape[:2]
    flat = np.ascontiguousarray(total).reshape(n, channels, total[:1, :1].size)
    b = np.zeros(channels, np.int64) if bias is None else bias
    one = len(by.shift) == 1 and channels != 1
    every = by if not one else Scaling(by.floating, *(np.repeat(each, channels) for each in by[1:]))
    carrier = np.int8 if into.name == "int4" else into.dtype
    biased = np.empty(flat.shape, np.int32 if of.bits <= 32 else np.int64)
    before, output = np.empty(flat.shape, np.int32), np.empty(flat.shape, carrier)
    _finish(flat, b, of.bounds, every, (zero_point, *limits), biased, before, output)
    labelled = output.view(into.dtype)  # an int4 is an int8 whose sign is extended
    return AfterSum(*(each.reshape(total.shape) for each in (biased, before, labelled)))


@njit(cache=True)
def _finish(
    total: Array,
    bias: Array,
    bounds: tuple[int, int, int],
    by: Scaling,
    ends: tuple[int, int, int],
    biased: Array,
    before: Array,
    output: Array,
) -> None:
    zero, low, high = ends
    wide, scaled = np.empty(PART, np.int64), np.empty(PART, np.int64)
    for n in range(total.shape[0]):
        for channel in range(total.shape[1]):
            b = bias[channel]
            for first in range(0, total.shape[2], PART):
                last = min(first + PART, total.shape[2])
                seen, own = total[n, channel, first:last], biased[n, channel, first:last]
                values, results = wide[: seen.size], scaled[: seen.size]
                for at in range(seen.size):
                    values[at] = fit(np.int64(seen[at]) + b, bounds)
                    own[at] = values[at]
                scale_row(values, by, channel, results)
                whole, small = before[n, channel, first:last], output[n, channel, first:last]
                for at in range(seen.size):
                    value = results[at] + zero
                    whole[at] = min(max(value, INT32[0]), INT32[1])
                    small[at] = min(max(value, low), high)
