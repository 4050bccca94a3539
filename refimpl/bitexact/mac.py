"""The loops of ``accumulation.py``: terms to sums, one accumulator per output element.

Operands are binary64 numbers that hold values of at most 24 significant bits, so that a product is
exact; each addition is rounded once (``rounding.py``). Where the description is plain binary32, the
machine's own binary32 does the same, faster.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from refimpl.arrays import Array, alike
from refimpl.bitexact.accumulate import sum_float32
from refimpl.bitexact.accumulation import LANE_ORDERS, Accumulation
from refimpl.bitexact.dense import pays
from refimpl.bitexact.exact_sum import LIMBS, add_exactly, round_exactly
from refimpl.bitexact.formats import rounder_of
from refimpl.bitexact.native import has_native_lanes, is_fused, is_plain, sum_fused, sum_lanes
from refimpl.bitexact.rounding import Rounder, add_odd, is_plus_zero, round_to, zero_of

SEQUENTIAL, TREE, EXACT, ALIGNED = range(len(LANE_ORDERS))


class Sums(NamedTuple):
    """Sums (n, o, p) in binary64, and what each pass left: (n, passes, o, p).

    In binary32 where that is the description and whoever sums says so.
    """

    total: Array
    passes: Array


def accumulate(rows: Array, columns: Array, of: Accumulation, start: Array | None = None) -> Sums:
    """Sum products in the declared way: (o, k) by (n, k, p), both binary64, terms in order.

    ``rows`` may also be (n, o, k): other weights for each image. ``start`` (o,) is what each
    accumulator (or total) begins with; 0 if None.
    """
    n, terms, _ = columns.shape
    every = np.broadcast_to(rows, (n, *rows.shape[-2:]))
    size = of.pass_terms or max(terms, 1)
    passes = max(-(-terms // size), 1)
    begin = np.zeros(every.shape[1]) if start is None else start.astype(np.float64)
    if is_plain(of):
        return _run_binary32(every, columns, begin)
    if pays(every.size * columns.shape[2]):
        if is_fused(of) and _one_for_all(every):
            wide = sum_fused(every[0], columns, begin).astype(np.float64)
            return Sums(wide, wide[:, None])
        if has_native_lanes(of):
            each = [
                sum_lanes(*pair, of, begin, passes) for pair in zip(every, columns, strict=True)
            ]
            return Sums(*(np.stack(part).astype(np.float64) for part in zip(*each, strict=True)))
    return _run_any(every, columns, of, begin, (passes, size))


def add_rounded(a: Array, b: Array, of: Accumulation) -> Array:
    """R(a + b) elementwise, in the accumulator's format; binary64 arrays that hold its numbers.

    Two binary32 arrays stay binary32 where that is the description.
    """
    if is_plain(of) and a.dtype == b.dtype == np.float32:
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(a + b)
    left, right = alike(np.float64, a, b)
    out = np.empty(left.shape)
    _add_all(left.reshape(-1), right.reshape(-1), rounder_of(of.cast), out.reshape(-1))
    return out


@njit(cache=True)
def _add_all(
    left: Array,
    right: Array,
    adder: Rounder,
    out: Array,
) -> None:
    for at in range(out.size):
        out[at] = _add(left[at], right[at], adder)


def _run_binary32(rows: Array, columns: Array, begin: Array) -> Sums:
    sums = (
        sum_float32(rows[0], columns, begin)
        if _one_for_all(rows)
        else np.concatenate(
            [sum_float32(*each, begin) for each in zip(rows, columns[:, None], strict=True)]
        )
    )
    wide = sums.astype(np.float64)
    return Sums(wide, wide[:, None])


def _one_for_all(rows: Array) -> bool:
    return rows.strides[0] == 0 or len(rows) == 1


def _run_any(
    rows: Array, columns: Array, of: Accumulation, begin: Array, sizes: tuple[int, int]
) -> Sums:
    (passes, size), (n, outputs, _), pixels = sizes, rows.shape, columns.shape[2]
    total = np.empty((n, outputs, pixels))
    partial = np.empty((n, passes, outputs, pixels))
    adder, products = rounder_of(of.cast), rounder_of(of.product_cast or of.cast)
    for image in range(n):
        _sum_any(
            np.ascontiguousarray(rows[image], np.float64),
            np.ascontiguousarray(columns[image].T, np.float64),
            begin,
            (size, of.lanes, LANE_ORDERS.index(of.lane_order), of.aligned_bits),
            (of.between == "carried", of.product_cast is None),
            products,
            adder,
            total[image],
            partial[image],
        )
    return Sums(total, partial)


@njit(cache=True)
def _sum_any(
    rows: Array,
    columns: Array,
    begin: Array,
    cut: tuple[int, int, int, int],
    flags: tuple[bool, bool],
    products: Rounder,
    adder: Rounder,
    total: Array,
    partial: Array,
) -> None:
    size, lanes, lane_order, aligned_bits = cut
    carried, fused = flags
    outputs, terms = rows.shape
    group = np.empty(lanes)
    limbs = np.zeros(LIMBS, np.int64)
    for o in range(outputs):
        for p in range(columns.shape[0]):
            outer = begin[o]
            for number in range(partial.shape[0]):
                acc = outer if carried else 0.0
                last = min((number + 1) * size, terms)
                for first in range(number * size, last, lanes):
                    count = min(lanes, last - first)
                    for lane in range(count):
                        exact = rows[o, first + lane] * columns[p, first + lane]
                        group[lane] = exact if fused else round_to(exact, *products)
                    acc = _add_group(acc, group, count, lane_order, aligned_bits, adder, limbs)
                partial[number, o, p] = acc
                outer = acc if carried else _add(outer, acc, adder)
            total[o, p] = outer


@njit(cache=True)
def _add(
    a: float,
    b: float,
    adder: Rounder,
) -> float:
    total = a + b if adder[0] == 53 else add_odd(a, b)
    return round_to(zero_of(total, is_plus_zero(a) and is_plus_zero(b), adder[3]), *adder)


@njit(cache=True)
def _add_group(
    acc: float,
    group: Array,
    count: int,
    lane_order: int,
    aligned_bits: int,
    adder: Rounder,
    limbs: Array,
) -> float:
    if lane_order == EXACT:
        return _add_exact(acc, group, count, adder, limbs)
    if lane_order == ALIGNED:
        return _add_aligned(acc, group, count, aligned_bits, adder)
    if lane_order == TREE:
        while count > 1:
            half = count // 2
            for pair in range(half):
                group[pair] = _add(group[2 * pair], group[2 * pair + 1], adder)
            if count % 2 == 1:
                group[half] = group[count - 1]
            count = half + count % 2
    else:
        for lane in range(1, count):
            group[0] = _add(group[0], group[lane], adder)
    return _add(acc, group[0], adder)


@njit(cache=True)
def _all_finite(acc: float, group: Array, count: int) -> bool:
    for lane in range(count):
        if not abs(group[lane]) < np.inf:
            return False
    return abs(acc) < np.inf


@njit(cache=True)
def _all_plus_zero(acc: float, group: Array, count: int) -> bool:
    positive = is_plus_zero(acc)
    for lane in range(count):
        positive = positive and is_plus_zero(group[lane])
    return positive


@njit(cache=True)
def _plain_sum(acc: float, group: Array, count: int) -> float:
    """Sum in any order, to be rounded: right for ∞, NaN, and the sign of zeros by IEEE 754."""
    for lane in range(count):
        acc = acc + group[lane]
    return acc


@njit(cache=True)
def _add_exact(
    acc: float,
    group: Array,
    count: int,
    adder: Rounder,
    limbs: Array,
) -> float:
    if not _all_finite(acc, group, count):
        return round_to(_plain_sum(acc, group, count), *adder)
    positive = _all_plus_zero(acc, group, count)
    limbs[:] = 0
    add_exactly(limbs, acc)
    zeros = acc == 0
    for lane in range(count):
        add_exactly(limbs, group[lane])
        zeros = zeros and group[lane] == 0
    total = _plain_sum(acc, group, count) if zeros else round_exactly(limbs)
    return round_to(zero_of(total, positive, adder[3]), *adder)


@njit(cache=True)
def _add_aligned(
    acc: float,
    group: Array,
    count: int,
    aligned_bits: int,
    adder: Rounder,
) -> float:
    if not _all_finite(acc, group, count):
        return round_to(_plain_sum(acc, group, count), *adder)
    largest = abs(acc)
    for lane in range(count):
        largest = max(largest, abs(group[lane]))
    positive = _all_plus_zero(acc, group, count)
    if largest == 0:
        return round_to(zero_of(_plain_sum(acc, group, count), positive, adder[3]), *adder)
    exponent = (np.float64(largest).view(np.int64) >> 52) - 1023
    step = np.int64(exponent - aligned_bits + 1 + 1023) << 52
    unit = np.int64(step).view(np.float64)
    whole = np.trunc(acc / unit)
    for lane in range(count):
        whole = whole + np.trunc(group[lane] / unit)
    return round_to(zero_of(whole * unit, positive, adder[3]), *adder)
