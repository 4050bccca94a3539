"""Matrices turned about: target[j, i] = source[i, j], in square blocks that stay in registers.

A block of as many rows as a vector has lanes is loaded whole, its rows are interleaved pairwise as
often as two divides their number, and it is stored whole: every cache line is touched once, however
many rows share a cache set. Addresses and offsets as in ``tile``.
"""

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from refimpl.panels.lanes import INDEX, Vectors, vector_bytes
from refimpl.panels.tile import read, write

VECTOR_BYTES = vector_bytes()


@intrinsic
def _turn_block(
    typing_context: Any,
    source: Any, at: Any, row: Any, target: Any, to: Any, target_row: Any, like: Any,
) -> Any:  # fmt: skip
    signature = types.void(*[types.intp] * 6, like)

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, words: Any) -> Any:
        v = Vectors(builder, signature.args[-1])
        source, at, row, target, to, target_row, _ = words

        def line(address: Any, first: Any, stride: Any, number: int) -> Any:
            place = builder.add(first, builder.mul(stride, INDEX(number)))
            return v.at(v.place(address, place), INDEX(0))

        rows = [v.load(line(source, at, row, n)) for n in range(v.lanes)]
        half = v.lanes // 2
        for _ in range(v.lanes.bit_length() - 1):
            rows = [
                v.interleave(rows[n // 2], rows[n // 2 + half], upper=bool(n % 2))
                for n in range(v.lanes)
            ]
        for n, value in enumerate(rows):
            v.store(value, line(target, to, target_row, n))
        return context.get_dummy_value()

    return signature, generate


@njit(cache=True)
def transpose(
    source: int, at: int, row: int, rows: int, cols: int,
    target: int, to: int, target_row: int, itemsize: int, like: Any,
) -> None:  # fmt: skip
    """target[to + j·target_row + i] = source[at + i·row + j] for i < rows, j < cols."""
    lanes = VECTOR_BYTES // itemsize
    whole_rows, whole_cols = rows // lanes * lanes, cols // lanes * lanes
    for i in range(0, whole_rows, lanes):
        for j in range(0, whole_cols, lanes):
            _turn_block(
                source, at + i * row + j, row, target, to + j * target_row + i, target_row, like
            )
    for i in range(rows):
        for j in range(whole_cols if i < whole_rows else 0, cols):
            write(target, to + j * target_row + i, read(source, at + i * row + j, like))
