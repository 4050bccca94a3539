"""Vector instructions for one number type, emitted through LLVM for the width of this machine.

``Vectors`` writes them inside an intrinsic of Numba: loads and stores with and without masks,
shuffles, products. A compiler that finds them by itself finds few of those that matter here.
"""

from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

VECTORS = 2  # per row of a tile
INDEX, LANE = ir.IntType(64), ir.IntType(32)


@cache
def vector_bytes() -> int:
    """Width of this machine's vector registers; 16 where nothing wider is known."""
    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return 64
    return 32 if features.get("avx2") else 16


def tile_width(dtype: Any) -> int:
    """Columns of a tile of numbers of this type: two vectors of them."""
    return VECTORS * vector_bytes() // int(np.dtype(dtype).itemsize)


class Vectors:
    """What the intrinsics below need to write vector code for one number type."""

    def __init__(self, builder: ir.IRBuilder, number: Any) -> None:
        bits = number.bitwidth
        self.builder, self.itemsize = builder, bits // 8
        self.lanes = vector_bytes() // self.itemsize
        self.whole = isinstance(number, types.Integer)
        self.number = (
            ir.IntType(bits) if self.whole else {32: ir.FloatType(), 64: ir.DoubleType()}[bits]
        )
        self.type = ir.VectorType(self.number, self.lanes)
        self.zeros = ir.Constant(self.type, None)
        self.mask = ir.VectorType(ir.IntType(1), self.lanes)
        self.suffix = f"v{self.lanes}{'i' if self.whole else 'f'}{bits}"

    def place(self, address: Any, offset: Any) -> Any:
        """Pointer to the number ``offset`` numbers from an address."""
        start = self.builder.inttoptr(address, self.number.as_pointer())
        return self.builder.gep(start, [offset])

    def at(self, pointer: Any, offset: Any) -> Any:
        """Pointer to a vector that begins ``offset`` numbers on."""
        return self.builder.bitcast(self.builder.gep(pointer, [offset]), self.type.as_pointer())

    def splat(self, value: Any) -> Any:
        """Copy one number into every lane."""
        kind = ir.VectorType(value.type, self.lanes)
        blank = ir.Constant(kind, ir.Undefined)
        first = self.builder.insert_element(blank, value, LANE(0))
        return self.builder.shuffle_vector(first, blank, self._constant([0] * self.lanes))

    def lanes_of(self, bits: Any, vector: int) -> Any:
        """The lanes of a tile's n-th vector that are set in an integer of 64 bits."""
        moved = self.builder.lshr(bits, INDEX(vector * self.lanes))
        few = self.builder.trunc(moved, ir.IntType(self.lanes))
        return self.builder.bitcast(few, self.mask)

    def load(self, pointer: Any) -> Any:
        """Load a vector, aligned as its numbers are."""
        return self.builder.load(pointer, align=self.itemsize)

    def store(self, value: Any, pointer: Any) -> None:
        """Store a vector, aligned as its numbers are."""
        self.builder.store(value, pointer, align=self.itemsize)

    def load_masked(self, pointer: Any, mask: Any) -> Any:
        """Load the lanes of a mask; the others are 0 and not read."""
        kinds = [self.type.as_pointer(), LANE, self.mask, self.type]
        words = [pointer, LANE(self.itemsize), mask, self.zeros]
        return self._call(f"llvm.masked.load.{self.suffix}.p0", self.type, kinds, words)

    def interleave(self, one: Any, other: Any, *, upper: bool) -> Any:
        """Lanes of the lower or upper halves of two vectors, in turn one of each."""
        first = self.lanes // 2 if upper else 0
        pairs = [(first + n, self.lanes + first + n) for n in range(self.lanes // 2)]
        return self.builder.shuffle_vector(
            one, other, self._constant([lane for pair in pairs for lane in pair])
        )

    def load_some(self, pointer: Any, mask: Any) -> Any:
        """Load the lanes of a mask, all if it is None."""
        return self.load(pointer) if mask is None else self.load_masked(pointer, mask)

    def load_from(self, address: Any, first: Any, second: Any, mask: Any) -> Any:
        """Load the lanes of a mask from the sum of two offsets."""
        place = self.place(address, self.builder.add(first, second))
        return self.load_some(self.at(place, INDEX(0)), mask)

    def store_some(self, value: Any, pointer: Any, mask: Any) -> None:
        """Store the lanes of a mask, all if it is None."""
        if mask is None:
            self.store(value, pointer)
            return
        kinds = [self.type, self.type.as_pointer(), LANE, self.mask]
        words = [value, pointer, LANE(self.itemsize), mask]
        self._call(f"llvm.masked.store.{self.suffix}.p0", ir.VoidType(), kinds, words)

    def gather(self, starts: list[Any], vector: int, step: int) -> Any:
        """The product of what every ``step``-th number (1 or 2) from each start is."""
        value = None
        for start in starts:
            if step == 1:
                each = self.load(self.at(start, INDEX(vector * self.lanes)))
            else:  # the last number of the second half is not ours to read: lanes - 1 before it are
                first = self.load(self.at(start, INDEX(2 * vector * self.lanes)))
                place = INDEX((2 * vector + 1) * self.lanes - 1)
                second = self.load(self.at(start, place))
                even = [2 * lane for lane in range(self.lanes // 2)]
                odd = [self.lanes + 2 * lane + 1 for lane in range(self.lanes // 2)]
                each = self.builder.shuffle_vector(first, second, self._constant(even + odd))
            value = each if value is None else self.multiply(value, each)
        return value

    def gather_lanes(
        self, starts: list[Any], bits: Any, vector: int, step: int, otherwise: Any
    ) -> Any:
        """The same in the lanes that are set; ``otherwise`` in the others, which are not read."""
        mask = self.lanes_of(bits, vector)
        value = None
        for start in starts:
            each = self._load_lanes(start, mask, vector, step)
            value = each if value is None else self.multiply(value, each)
        return self.builder.select(mask, value, otherwise)

    def _load_lanes(self, start: Any, mask: Any, vector: int, step: int) -> Any:
        if step == 1:
            return self.load_masked(self.at(start, INDEX(vector * self.lanes)), mask)
        lanes = range(self.lanes)
        halves = []
        for half in (0, 1):  # lane t reads number 2t: half of them in the first vector, half after
            spread = [half * self.lanes // 2 + lane // 2 for lane in lanes]
            wide = self.builder.shuffle_vector(mask, mask, self._constant(spread))
            even = ir.Constant(self.mask, [lane % 2 == 0 for lane in lanes])
            place = INDEX((2 * vector + half) * self.lanes)
            halves.append(self.load_masked(self.at(start, place), self.builder.and_(wide, even)))
        return self.builder.shuffle_vector(*halves, self._constant([2 * lane for lane in lanes]))

    def _constant(self, numbers: list[int]) -> Any:
        return ir.Constant(ir.VectorType(LANE, len(numbers)), numbers)

    def multiply(self, left: Any, right: Any) -> Any:
        """left·right, lane by lane."""
        by = self.builder.mul if self.whole else self.builder.fmul
        return by(left, right)

    def multiply_add(self, left: Any, right: Any, total: Any, *, fused: bool = True) -> Any:
        """left·right + total, lane by lane: rounded once if fused, or the product by itself too."""
        if self.whole:
            return self.builder.add(total, self._pairs(left, right))
        if not fused:
            return self.builder.fadd(total, self.builder.fmul(left, right))
        kinds = [self.type] * 3
        return self._call(f"llvm.fma.{self.suffix}", self.type, kinds, [left, right, total])

    def _pairs(self, left: Any, right: Any) -> Any:
        """Of lanes that each hold two integers of 16 bits: the sum of both products, modulo 2³²."""
        halves = ir.VectorType(ir.IntType(16), 2 * self.lanes)
        wide = ir.VectorType(self.number, 2 * self.lanes)
        one, other = (
            self.builder.sext(self.builder.bitcast(each, halves), wide) for each in (left, right)
        )
        each = self.builder.mul(one, other)
        even, odd = (
            self.builder.shuffle_vector(
                each, each, self._constant(list(range(n, 2 * self.lanes, 2)))
            )
            for n in (0, 1)
        )
        return self.builder.add(even, odd)

    def _call(self, name: str, result: Any, kinds: list[Any], words: list[Any]) -> Any:
        kind = ir.FunctionType(result, kinds)
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.builder.call(function, words)
