"""Declared sums that are the machine's own binary32: lanes, trees, passes, many pixels at once.

Where every rounding is to binary32, to nearest even, with infinities and subnormal numbers, an
addition of the description is an addition of the machine. Pixels are independent of each other, so
a block of them is summed side by side; within a pixel the order is the declared one.
"""

import numpy as np
from numba import njit

from refimpl.arrays import Array
from refimpl.bitexact.accumulation import Accumulation
from refimpl.bitexact.dense import multiply_binary32

BLOCK = 256  # ours: pixels side by side, so that the lanes of a group stay in the nearest cache


def is_plain(of: Accumulation) -> bool:
    """Whether binary32 operations one after another are the description."""
    return has_native_lanes(of) and of.lanes == 1 and _is_one_pass(of)


def is_fused(of: Accumulation) -> bool:
    """Whether fused multiply-adds of binary32 one after another are the description."""
    return _is_native(of) and of.product == "fused" and of.lanes == 1 and _is_one_pass(of)


def has_native_lanes(of: Accumulation) -> bool:
    """Whether every product and every addition of the description is one of binary32."""
    plain = ("fp32", "nearest_even", "infinity")
    return _is_native(of) and (of.product, of.product_rounding, of.product_overflow) == plain


def _is_native(of: Accumulation) -> bool:
    ordered = of.lane_order in ("sequential", "tree")
    rounded = (of.format, of.rounding) == ("fp32", "nearest_even")
    return ordered and rounded and (of.overflow, of.subnormals) == ("infinity", "kept")


def _is_one_pass(of: Accumulation) -> bool:
    return of.between == "carried" and of.pass_terms == 0


def sum_fused(rows: Array, columns: Array, begin: Array) -> Array:
    """Fused multiply-adds of (o, k) and (n, k, p), k in order, from ``begin`` (o,): float32."""
    left, right = (each.astype(np.float32) for each in (rows, columns))
    return multiply_binary32(left, right, begin, fused=True)


def sum_lanes(
    rows: Array, columns: Array, of: Accumulation, begin: Array, passes: int
) -> tuple[Array, Array]:
    """Totals (o, p) and what each pass left (passes, o, p), of (o, k) by (k, p); float32."""
    outputs, terms = rows.shape
    total = np.empty((outputs, columns.shape[1]), np.float32)
    partial = np.empty((passes, *total.shape), np.float32)
    _sum_lanes(
        np.ascontiguousarray(rows, np.float32),
        np.ascontiguousarray(columns, np.float32),
        begin.astype(np.float32),
        (of.pass_terms or max(terms, 1), of.lanes),
        (of.lane_order == "tree", of.between == "carried"),
        total,
        partial,
    )
    return total, partial


@njit(cache=True)
def _sum_lanes(
    rows: Array,
    columns: Array,
    begin: Array,
    cut: tuple[int, int],
    flags: tuple[bool, bool],
    total: Array,
    partial: Array,
) -> None:
    size, lanes = cut
    tree, carried = flags
    outputs, terms = rows.shape
    group = np.empty((lanes, BLOCK), np.float32)
    every, sums = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
    for first in range(0, columns.shape[1], BLOCK):
        last = min(first + BLOCK, columns.shape[1])
        outer, acc = every[: last - first], sums[: last - first]
        for o in range(outputs):
            outer[:] = begin[o]
            for number in range(len(partial)):
                if carried:
                    acc[:] = outer
                else:
                    acc[:] = np.float32(0)
                end = min((number + 1) * size, terms)
                for term in range(number * size, end, lanes):
                    count = min(lanes, end - term)
                    for lane in range(count):
                        weight, seen = rows[o, term + lane], columns[term + lane, first:last]
                        _multiply(weight, seen, group[lane])
                    _reduce(group, count, tree, acc.size)
                    _add(acc, group[0])
                partial[number, o, first:last] = acc
                if carried:
                    outer[:] = acc
                else:
                    _add(outer, acc)
            total[o, first:last] = outer


@njit(cache=True)
def _multiply(weight: float, seen: Array, out: Array) -> None:
    for p in range(seen.size):
        out[p] = weight * seen[p]


@njit(cache=True)
def _add(into: Array, other: Array) -> None:
    for p in range(into.size):
        into[p] = into[p] + other[p]


@njit(cache=True)
def _reduce(group: Array, count: int, tree: bool, size: int) -> None:
    """Leave the sum of the first ``count`` lanes in lane 0."""
    if not tree:
        for lane in range(1, count):
            _add(group[0, :size], group[lane])
        return
    step = 1  # lanes 0, 2·step, … hold what was added last; a last odd one passes through
    while step < count:
        for lane in range(0, count - step, 2 * step):
            _add(group[lane, :size], group[lane + step])
        step *= 2
