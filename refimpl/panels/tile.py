"""The inner loop of a dense product, as vector instructions: a tile of C += A·B held in registers.

    c[r, t] += Σ_k a[r, k] · b[k, t]          r < rows, t < width, k < depth

of float32 or float64, fused or with each product rounded by itself; or of int32 lanes that hold two
16-bit integers each, a·b then being the sum of both products, modulo 2³².

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
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from refimpl.panels.lanes import INDEX, LANE, VECTORS, Vectors, vector_bytes


def _tile_of(rows: int, *, fused: bool = True) -> Callable[..., None]:
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
                    summed[r, n] = v.multiply_add(left, right[n], total[r, n], fused=fused)
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
_SIZES = (ROWS, 4, 2, 1)
_full, _four, _two, _one = map(_tile_of, _SIZES)
_full_apart, _four_apart, _two_apart, _one_apart = (_tile_of(n, fused=False) for n in _SIZES)


@njit(cache=True)
def add_product(
    a: int, a_at: int, a_row: int, rows: int, b: int, b_at: int, depth: int,
    c: int, c_at: int, c_row: int, fused: bool, like: Any,
) -> None:  # fmt: skip
    """c[c_at + r·c_row + t] += Σ_k a[a_at + r·a_row + k]·b[b_at + k·width + t], any rows.

    Floats: k in order, each product rounded before it is added unless ``fused``.
    """
    done = 0
    while done < rows:
        left, at, to = rows - done, a_at + done * a_row, c_at + done * c_row
        if left >= ROWS:
            if fused:
                _full(a, at, a_row, b, b_at, depth, c, to, c_row, like)
            else:
                _full_apart(a, at, a_row, b, b_at, depth, c, to, c_row, like)
            done += ROWS
        elif left >= 4:
            if fused:
                _four(a, at, a_row, b, b_at, depth, c, to, c_row, like)
            else:
                _four_apart(a, at, a_row, b, b_at, depth, c, to, c_row, like)
            done += 4
        elif left >= 2:
            if fused:
                _two(a, at, a_row, b, b_at, depth, c, to, c_row, like)
            else:
                _two_apart(a, at, a_row, b, b_at, depth, c, to, c_row, like)
            done += 2
        else:
            if fused:
                _one(a, at, a_row, b, b_at, depth, c, to, c_row, like)
            else:
                _one_apart(a, at, a_row, b, b_at, depth, c, to, c_row, like)
            done += 1


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

            blank = v.zeros
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
        kind = ir.FunctionType(ir.VoidType(), [byte, LANE, LANE, LANE])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        to_read, second_level, data = LANE(0), LANE(2), LANE(1)
        builder.call(function, [builder.bitcast(place, byte), to_read, second_level, data])
        return context.get_dummy_value()

    return signature, generate
