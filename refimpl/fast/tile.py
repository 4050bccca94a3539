"""The inner loop of a dense product, as vector instructions: a tile of C += A·B held in registers.

    c[r, t] += Σ_k a[r, k] · b[k, t]          r < rows, t < width, k < depth

The accumulators, two vectors a row, stay in registers over the whole depth: enough independent
chains to keep two fused multiply-add units busy, few enough to leave room for the operands. ``a``
is read where it lies, row by row, one number broadcast at a time; ``b`` is a packed panel. The
shape of the loop is that of Goto and van de Geijn, "Anatomy of high-performance matrix
multiplication", ACM TOMS 34(3), 2008; the instructions are written out because a compiler does not
keep such accumulators in registers by itself.

Operands are addresses, places in them offsets in numbers of ``like``'s type; nothing is checked.
(Arrays would be safer and useless: Numba counts references to an array at every call, atomically,
and two threads then wait for each other more than they compute.)
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

VECTORS = 2  # per row of a tile
INDEX, _LANE = ir.IntType(64), ir.IntType(32)


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
        self.number = {32: ir.FloatType(), 64: ir.DoubleType()}[bits]
        self.type = ir.VectorType(self.number, self.lanes)
        self.mask = ir.VectorType(ir.IntType(1), self.lanes)
        self.suffix = f"v{self.lanes}f{bits}"

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
        first = self.builder.insert_element(blank, value, _LANE(0))
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
        kinds = [self.type.as_pointer(), _LANE, self.mask, self.type]
        zeros = ir.Constant(self.type, [0.0] * self.lanes)
        words = [pointer, _LANE(self.itemsize), mask, zeros]
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
        kinds = [self.type, self.type.as_pointer(), _LANE, self.mask]
        words = [value, pointer, _LANE(self.itemsize), mask]
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
            value = each if value is None else self.builder.fmul(value, each)
        return value

    def gather_lanes(
        self, starts: list[Any], bits: Any, vector: int, step: int, otherwise: Any
    ) -> Any:
        """The same in the lanes that are set; ``otherwise`` in the others, which are not read."""
        mask = self.lanes_of(bits, vector)
        value = None
        for start in starts:
            each = self._load_lanes(start, mask, vector, step)
            value = each if value is None else self.builder.fmul(value, each)
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
        return ir.Constant(ir.VectorType(_LANE, len(numbers)), numbers)

    def multiply_add(self, left: Any, right: Any, total: Any) -> Any:
        """Fused left·right + total, lane by lane."""
        kinds = [self.type] * 3
        return self._call(f"llvm.fma.{self.suffix}", self.type, kinds, [left, right, total])

    def _call(self, name: str, result: Any, kinds: list[Any], words: list[Any]) -> Any:
        kind = ir.FunctionType(result, kinds)
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.builder.call(function, words)


def _tile_of(rows: int) -> Callable[..., None]:
    """Make the function that adds a product to a tile of so many rows."""

    @intrinsic
    def add_product(
        typing_context: Any,
        a: Any, a_at: Any, a_row: Any, b: Any, b_at: Any, depth: Any, c: Any, c_at: Any, c_row: Any,
        like: Any,
    ) -> Any:  # fmt: skip
        signature = types.void(*[types.intp] * 9, like)

        def generate(context: Any, builder: ir.IRBuilder, signature: Any, words: Any) -> Any:
            v = Vectors(builder, signature.args[-1])
            a, a_at, a_row, b, b_at, depth, c, c_at, c_row, _ = words
            start_a, start_b, start_c = (
                v.place(base, offset) for base, offset in ((a, a_at), (b, b_at), (c, c_at))
            )
            places = [(r, n) for r in range(rows) for n in range(VECTORS)]
            tile = {
                (r, n): v.at(start_c, builder.add(builder.mul(c_row, INDEX(r)), INDEX(n * v.lanes)))
                for r, n in places
            }
            row_of_a = [builder.gep(start_a, [builder.mul(a_row, INDEX(r))]) for r in range(rows)]
            initial = {place: v.load(tile[place]) for place in places}
            before = builder.block
            loop = builder.append_basic_block("depth")
            after = builder.append_basic_block("done")
            builder.cbranch(builder.icmp_signed(">", depth, INDEX(0)), loop, after)
            builder.position_at_end(loop)
            k = builder.phi(INDEX)
            k.add_incoming(INDEX(0), before)
            total = {place: builder.phi(v.type) for place in places}
            row_of_b = builder.gep(start_b, [builder.mul(k, INDEX(VECTORS * v.lanes))])
            right = [v.load(v.at(row_of_b, INDEX(n * v.lanes))) for n in range(VECTORS)]
            summed = {}
            for r in range(rows):
                left = v.splat(builder.load(builder.gep(row_of_a[r], [k])))
                for n in range(VECTORS):
                    summed[r, n] = v.multiply_add(left, right[n], total[r, n])
            following = builder.add(k, INDEX(1))
            k.add_incoming(following, loop)
            for place in places:
                total[place].add_incoming(initial[place], before)
                total[place].add_incoming(summed[place], loop)
            builder.cbranch(builder.icmp_signed("<", following, depth), loop, after)
            builder.position_at_end(after)
            for place in places:
                result = builder.phi(v.type)
                result.add_incoming(initial[place], before)
                result.add_incoming(summed[place], loop)
                summed[place] = result
            for place in places:
                v.store(summed[place], tile[place])
            return context.get_dummy_value()

        return signature, generate

    return add_product


# With 32 registers (AVX-512) eight rows, with 16 four; the rest of an array's rows in fewer.
ROWS = 8 if vector_bytes() == 64 else 4
_full, _four, _two, _one = map(_tile_of, (ROWS, 4, 2, 1))


@njit(cache=True)
def add_product(
    a: int, a_at: int, a_row: int, rows: int, b: int, b_at: int, depth: int,
    c: int, c_at: int, c_row: int, like: Any,
) -> None:  # fmt: skip
    """c[c_at + r·c_row + t] += Σ_k a[a_at + r·a_row + k]·b[b_at + k·width + t], any rows."""
    done = 0
    while rows - done >= ROWS:
        _full(a, a_at + done * a_row, a_row, b, b_at, depth, c, c_at + done * c_row, c_row, like)
        done += ROWS
    while rows - done >= 4:
        _four(a, a_at + done * a_row, a_row, b, b_at, depth, c, c_at + done * c_row, c_row, like)
        done += 4
    if rows - done >= 2:
        _two(a, a_at + done * a_row, a_row, b, b_at, depth, c, c_at + done * c_row, c_row, like)
        done += 2
    if rows > done:
        _one(a, a_at + done * a_row, a_row, b, b_at, depth, c, c_at + done * c_row, c_row, like)


def _row_packer(step: int, *, product: bool) -> Callable[..., None]:
    """Make the function that packs a row of a panel from the runs it consists of.

    A run is four integers: lanes as bits, (first lane), left, right. In its lanes t

        target[to + t] = q[at + left + step·t]  (· k[at + right + step·t], of a product)

    and 0 in the lanes of no run. Only those numbers are read. Whole rows take plain instructions;
    masked ones are several times slower on some machines.
    """

    @intrinsic
    def pack_row(
        typing_context: Any,
        q: Any, k: Any, at: Any, target: Any, to: Any, runs: Any, begin: Any, end: Any, like: Any,
    ) -> Any:  # fmt: skip
        signature = types.void(*[types.intp] * 8, like)

        def generate(context: Any, builder: ir.IRBuilder, signature: Any, words: Any) -> Any:
            v = Vectors(builder, signature.args[-1])
            q, k, at, target, to, runs, begin, end, _ = words
            table = builder.inttoptr(runs, INDEX.as_pointer())

            def part(run: Any, which: int) -> Any:
                place = builder.add(builder.mul(run, INDEX(4)), INDEX(which))
                return builder.load(builder.gep(table, [place]))

            blank = ir.Constant(v.type, [0.0] * v.lanes)
            before = builder.block
            loop, after = (builder.append_basic_block(name) for name in ("run", "packed"))
            builder.cbranch(builder.icmp_signed("<", begin, end), loop, after)
            builder.position_at_end(loop)
            run = builder.phi(INDEX)
            run.add_incoming(begin, before)
            row = [builder.phi(v.type) for _ in range(VECTORS)]
            for each in row:
                each.add_incoming(blank, before)
            bits = part(run, 0)
            starts = [v.place(q, builder.add(at, part(run, 2)))]
            if product:
                starts.append(v.place(k, builder.add(at, part(run, 3))))
            full = builder.icmp_unsigned("==", bits, INDEX((1 << VECTORS * v.lanes) - 1))
            with builder.if_else(full) as (then, otherwise):
                with then:
                    whole = [v.gather(starts, n, step) for n in range(VECTORS)]
                    whole_end = builder.block
                with otherwise:
                    some = [v.gather_lanes(starts, bits, n, step, row[n]) for n in range(VECTORS)]
                    some_end = builder.block
            packed = []
            for one, other in zip(whole, some, strict=True):
                both = builder.phi(v.type)
                both.add_incoming(one, whole_end)
                both.add_incoming(other, some_end)
                packed.append(both)
            following = builder.add(run, INDEX(1))
            run.add_incoming(following, builder.block)
            for each, value in zip(row, packed, strict=True):
                each.add_incoming(value, builder.block)
            last = builder.block
            builder.cbranch(builder.icmp_signed("<", following, end), loop, after)
            builder.position_at_end(after)
            for n, value in enumerate(packed):
                result = builder.phi(v.type)
                result.add_incoming(blank, before)
                result.add_incoming(value, last)
                packed[n] = result
            start = v.place(target, to)
            for n, value in enumerate(packed):
                v.store(value, v.at(start, INDEX(n * v.lanes)))
            return context.get_dummy_value()

        return signature, generate

    return pack_row


pack_run, pack_product = _row_packer(1, product=False), _row_packer(1, product=True)
pack_run_by_2, pack_product_by_2 = _row_packer(2, product=False), _row_packer(2, product=True)


@intrinsic
def read(typing_context: Any, address: Any, offset: Any, like: Any) -> Any:
    """The number of ``like``'s type that lies ``offset`` numbers from an address."""
    signature = like(types.intp, types.intp, like)

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, words: Any) -> Any:
        kind = context.get_data_type(signature.return_type).as_pointer()
        return builder.load(builder.gep(builder.inttoptr(words[0], kind), [words[1]]))

    return signature, generate


@intrinsic
def write(typing_context: Any, address: Any, offset: Any, value: Any) -> Any:
    """Put a number ``offset`` numbers of its own type from an address."""
    signature = types.void(types.intp, types.intp, value)

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, words: Any) -> Any:
        kind = context.get_data_type(signature.args[2]).as_pointer()
        builder.store(words[2], builder.gep(builder.inttoptr(words[0], kind), [words[1]]))
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def prefetch(typing_context: Any, address: Any, offset: Any, like: Any) -> Any:
    """Ask for the cache line that a number lies in, ahead of use; no address is wrong."""
    signature = types.void(types.intp, types.intp, like)

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, words: Any) -> Any:
        number = context.get_data_type(signature.args[2]).as_pointer()
        place = builder.gep(builder.inttoptr(words[0], number), [words[1]])
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, _LANE, _LANE, _LANE])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        to_read, second_level, data = _LANE(0), _LANE(2), _LANE(1)
        builder.call(function, [builder.bitcast(place, byte), to_read, second_level, data])
        return context.get_dummy_value()

    return signature, generate
