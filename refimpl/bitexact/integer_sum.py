"""Integer sums of products in an accumulator of declared width.

    wrap       acc = Σ_k w_k·p_k  modulo 2^bits (two's complement); any order, the same bits
    saturate   acc ← clip(acc + w_k·p_k), k in the order of ``order``: the order matters

``pass_terms`` cuts the terms into passes; what the accumulator holds after each is a stage.

Source: the recurrences are the definition, stated here.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numba import njit

from refimpl.arrays import Array
from refimpl.bitexact.accumulation import Accumulation, must_run_over
from refimpl.bitexact.dense import multiply_narrow, pays

ANY = (-(2**63), 2**63 - 1)
BLOCK = 256  # pixels summed side by side; does not change any bit


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerAccumulator:
    """Width in bits, what happens beyond it, and the order of the terms."""

    bits: int = 32
    overflow: Literal["wrap", "saturate"] = "wrap"
    order: str = "cuv"
    tiles: Mapping[str, int] = field(default_factory=dict)
    pass_terms: int = 0

    def __post_init__(self) -> None:
        if not 8 <= self.bits <= 48:
            raise ValueError(f"an integer accumulator must have 8 to 48 bits, not {self.bits}")
        if self.overflow not in ("wrap", "saturate"):
            raise ValueError(f"an integer accumulator must wrap or saturate, not {self.overflow!r}")
        if self.pass_terms < 0:
            raise ValueError(f"pass_terms must be 0 (all) or more, not {self.pass_terms}")
        Accumulation(order=self.order, tiles=self.tiles)  # checks both

    def as_json(self) -> dict[str, Any]:
        """The record as attributes hold it."""
        return {**asdict(self), "tiles": dict(self.tiles)}

    @property
    def is_plain(self) -> bool:
        """Whether no order of the terms, and no pass, can be seen in the sum."""
        return self.overflow == "wrap" and self.bits <= 32 and self.pass_terms == 0

    @property
    def carrier(self) -> str:
        """The format that carries it: int32, or int64 where it is wider."""
        return "int32" if self.bits <= 32 else "int64"

    @property
    def formula(self) -> str:
        """In words of one line, for the manifest."""
        tiles = "".join(f" {k}={v}" for k, v in self.tiles.items())
        order = f"terms in the order {self.order}{tiles}"
        passes = f", {self.pass_terms} terms a pass" if self.pass_terms else ""
        if self.overflow == "wrap":
            order = f", {order}" if self.pass_terms else ""
            return f"int{self.bits}, two's complement, wraps{order}{passes}"
        return f"int{self.bits}, saturates after every term, {order}{passes}"

    @property
    def bounds(self) -> tuple[int, int, int]:
        """What ``fit`` needs: least and largest number before it wraps, and 2^(bits − 1)."""
        half = 1 << (self.bits - 1)
        return (-half, half - 1, half) if self.overflow == "saturate" else (*ANY, half)

    def fit(self, values: Array) -> Array:
        """Bring int64 values into the accumulator's range."""
        return _fitted(values, self.bounds)


def _fitted(values: Array, bounds: tuple[int, int, int]) -> Array:
    """Saturated or wrapped: of int64 arrays and, compiled, of numbers."""
    low, high, half = bounds
    inside = np.minimum(np.maximum(values, low), high)
    return ((inside + half) & (2 * half - 1)) - half


fit = njit(cache=True)(_fitted)


class IntegerSums(NamedTuple):
    """Sums (n, o, p), and what the accumulator held after each pass (n, passes, o, p).

    Both are int64, or int32 where the accumulator is and was summed in one pass.
    """

    total: Array
    passes: Array


def integer_accumulator(
    declared: Mapping[str, Any] | None, *, loops: str = "", name: str = "accumulator"
) -> IntegerAccumulator:
    """The record that attributes hold; what they leave out is int32 that wraps.

    Where the ``loops`` of the sum are named, its order is over them, by default as they stand.
    ``name`` is what the record is called in an error.

    Raises
    ------
    ValueError
        If a field is unknown or no choice there is, or the order is not over ``loops``.
    """
    chosen = ({"order": loops} if loops else {}) | dict(declared or {})
    unknown = set(chosen) - set(IntegerAccumulator.__dataclass_fields__)
    if unknown:
        raise ValueError(f"an accumulator must not have the fields {', '.join(sorted(unknown))}")
    made = IntegerAccumulator(**chosen)
    if loops:
        must_run_over(made.order, loops, name)
    return made


def sum_integers(rows: Array, columns: Array, of: IntegerAccumulator) -> IntegerSums:
    """Sum products: (o, k) or (n, o, k) by (n, k, p); integers of at most 32 bits."""
    n, terms, pixels = columns.shape
    size = of.pass_terms or max(terms, 1)
    passes = max(-(-terms // size), 1)
    every = np.broadcast_to(rows, (n, *rows.shape[-2:]))
    partial = np.zeros((n, passes, every.shape[1], pixels), np.int64)
    total = np.zeros((n, every.shape[1], pixels), np.int64)
    for image in range(n):
        for number in range(passes):
            cut = slice(number * size, (number + 1) * size)
            _add_pass(every[image][:, cut], columns[image, cut], of, total[image])
            partial[image, number] = total[image]
    return IntegerSums(total, partial)


def _add_pass(rows: Array, columns: Array, of: IntegerAccumulator, total: Array) -> None:
    """Add the terms of one pass to what the accumulators hold."""
    if of.overflow == "saturate":
        half = 1 << (of.bits - 1)
        wide = (np.ascontiguousarray(each, np.int64) for each in (rows, columns))
        _sum_saturating(*wide, total, -half, half - 1)
    else:
        total[...] = of.fit(total + _sum_wrapping(rows, columns, of))


def _sum_wrapping(rows: Array, columns: Array, of: IntegerAccumulator) -> Array:
    """Modulo 2³² or 2⁶⁴: an accumulator's bits are the last ones of either."""
    narrow = of.bits <= 32
    sums = np.zeros((len(rows), columns.shape[1]), np.int32 if narrow else np.int64)
    operand = np.int16 if narrow and fits_int16(rows) and fits_int16(columns) else np.int64
    if operand is np.int16 and pays(rows.size * columns.shape[1]):
        return multiply_narrow(rows.astype(np.int16), columns[None].astype(np.int16))[0].astype(
            np.int64
        )
    _sum_blocks(
        np.ascontiguousarray(rows, operand), np.ascontiguousarray(columns, operand), sums, BLOCK
    )
    return sums.astype(np.int64)


def fits_int16(values: Array) -> bool:
    """Whether every value is a 16-bit integer."""
    if values.dtype.itemsize <= 2 and values.dtype.kind == "i":
        return True
    return bool(values.size == 0 or (values.min() >= -(2**15) and values.max() < 2**15))


@njit(cache=True)
def _sum_blocks(rows: Array, columns: Array, sums: Array, block: int) -> None:
    outputs, terms = rows.shape
    pixels = columns.shape[1]
    for first in range(0, pixels, block):
        last = min(first + block, pixels)
        for o in range(outputs):
            own = sums[o, first:last]
            for k in range(terms):
                weight, seen = np.int64(rows[o, k]), columns[k, first:last]
                for p in range(own.size):
                    own[p] = np.int64(own[p]) + weight * np.int64(seen[p])


@njit(cache=True)
def _sum_saturating(rows: Array, columns: Array, sums: Array, low: int, high: int) -> None:
    for o in range(rows.shape[0]):
        for p in range(columns.shape[1]):
            total = sums[o, p]
            for k in range(rows.shape[1]):
                total = min(max(total + rows[o, k] * columns[k, p], low), high)
            sums[o, p] = total
