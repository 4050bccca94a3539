"""Ways to add up binary32 products that are not the declared one.

Each takes kernel rows (o, k), columns (n, k, p) and what the accumulators start from (o,) or None,
and gives float32 (n, o, p). The declared one (``refimpl.bitexact.accumulate``) adds k = 0, 1, 2, …
one by one, products rounded first. Elementwise IEEE operations in a stated order only.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from ml_dtypes import bfloat16

from refimpl.arrays import Array
from refimpl.bitexact.accumulate import sum_float32

Summation: TypeAlias = Callable[[Array, Array, Array | None], Array]
SMALLEST_NORMAL = np.float32(2.0**-126)
TILE = 4  # products per partial sum of the tiled orders; ours


def sequential(rows: Array, columns: Array, start: Array | None) -> Array:
    """The declared sum: one product after another, each operation rounded."""
    return sum_float32(rows, columns, start)


def backwards(rows: Array, columns: Array, start: Array | None) -> Array:
    """From the last product to the first."""
    return sum_float32(rows[:, ::-1], columns[:, ::-1], start)


def pairwise(rows: Array, columns: Array, start: Array | None) -> Array:
    """A balanced tree of adders over neighbours; what starts is added last."""
    terms = [_product(rows, columns, k) for k in range(rows.shape[1])]
    while len(terms) > 1:
        odd = terms[-1:] if len(terms) % 2 else []
        terms = [a + b for a, b in zip(terms[::2], terms[1::2], strict=False)] + odd
    return _begin(rows, columns, start) + terms[0]


def tiled(rows: Array, columns: Array, start: Array | None) -> Array:
    """Partial sums of TILE products, added to the accumulator one by one."""
    total = _begin(rows, columns, start)
    for first in range(0, rows.shape[1], TILE):
        part = slice(first, first + TILE)
        total = total + sum_float32(rows[:, part], columns[:, part])
    return total


def interleaved(rows: Array, columns: Array, start: Array | None) -> Array:
    """TILE accumulators, every TILEth product each, added up at the end."""
    total = _begin(rows, columns, start)
    for lane in range(min(TILE, rows.shape[1])):
        total = total + sum_float32(rows[:, lane::TILE], columns[:, lane::TILE])
    return total


def fused(rows: Array, columns: Array, start: Array | None) -> Array:
    """Products not rounded: exact in binary64, added there, rounded to binary32 at every step."""
    total = _begin(rows, columns, start)
    for k in range(rows.shape[1]):
        wide = rows[None, :, k, None].astype(np.float64) * columns[:, None, k]
        total = (total.astype(np.float64) + wide).astype(np.float32)
    return total


def wide(rows: Array, columns: Array, start: Array | None) -> Array:
    """A binary64 accumulator, rounded once at the end."""
    total = _begin(rows, columns, start).astype(np.float64)
    for k in range(rows.shape[1]):
        total = total + rows[None, :, k, None].astype(np.float64) * columns[:, None, k]
    return total.astype(np.float32)


def truncating(rows: Array, columns: Array, start: Array | None) -> Array:
    """An adder that rounds towards zero."""
    total = _begin(rows, columns, start)
    for k in range(rows.shape[1]):
        exact = total.astype(np.float64) + _product(rows, columns, k)
        nearest = exact.astype(np.float32)
        over = np.abs(nearest.astype(np.float64)) > np.abs(exact)
        total = np.where(over, np.nextafter(nearest, np.float32(0)), nearest)
    return total


def skipping_zeros(rows: Array, columns: Array, start: Array | None) -> Array:
    """A product with a zero operand is not added at all."""
    total = _begin(rows, columns, start)
    for k in range(rows.shape[1]):
        skipped = (rows[None, :, k, None] == 0) | (columns[:, None, k] == 0)
        total = np.where(skipped, total, total + _product(rows, columns, k))
    return total


def flushing(rows: Array, columns: Array, start: Array | None) -> Array:
    """Subnormal products and sums become 0."""
    total = _begin(rows, columns, start)
    for k in range(rows.shape[1]):
        total = flushed(total + flushed(_product(rows, columns, k)))
    return total


def narrow_accumulator(rows: Array, columns: Array, start: Array | None) -> Array:
    """An accumulator that keeps bfloat16's eight significant bits."""
    total = _begin(rows, columns, start)
    for k in range(rows.shape[1]):
        total = narrowed(total + _product(rows, columns, k), "bf16")
    return total


def half_products(rows: Array, columns: Array, start: Array | None) -> Array:
    """Products rounded to binary16."""
    total = _begin(rows, columns, start)
    for k in range(rows.shape[1]):
        total = total + narrowed(_product(rows, columns, k), "fp16")
    return total


def last_twice(rows: Array, columns: Array, start: Array | None) -> Array:
    """The last product is added once more: a pipeline drained one step too late."""
    return sequential(rows, columns, start) + _product(rows, columns, rows.shape[1] - 1)


def flushed(values: Array) -> Array:
    """Subnormals replaced by 0 of their sign."""
    return np.where(np.abs(values) < SMALLEST_NORMAL, values * np.float32(0), values)


def narrowed(values: Array, name: str) -> Array:
    """float32 values rounded to "fp16", "bf16" or "tf32" (ten bits of fraction), and back."""
    if name == "tf32":
        bits = values.astype(np.float32).view(np.uint32)
        even = bits + np.uint32(0x0FFF) + ((bits >> np.uint32(13)) & np.uint32(1))
        return (even & np.uint32(0xFFFFE000)).view(np.float32)
    with np.errstate(over="ignore"):
        return values.astype({"fp16": np.float16, "bf16": bfloat16}[name]).astype(np.float32)


def _product(rows: Array, columns: Array, k: int) -> Array:
    return np.asarray(rows[None, :, k, None] * columns[:, None, k])


def _begin(rows: Array, columns: Array, start: Array | None) -> Array:
    begin = np.zeros((len(columns), len(rows), columns.shape[2]), np.float32)
    if start is not None:
        begin[...] = start[:, None]
    return begin


SUMMATIONS: dict[str, Summation] = {
    each.__name__: each
    for each in (
        sequential,
        backwards,
        pairwise,
        tiled,
        interleaved,
        fused,
        wide,
        truncating,
        skipping_zeros,
        flushing,
        narrow_accumulator,
        half_products,
        last_twice,
    )
}
