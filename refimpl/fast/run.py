"""Sums of products along a run of memory, as vector instructions: the sums stay in registers.

    out[j] (+)= Σ_t a[left_t + j] · b[right_t + j]        ``sum_products``
    out[j] (+)= Σ_t a[t] · b[right_t + j]                 ``sum_scaled``          0 ≤ j < length

A compiler vectorises the loop over j by itself, but stores the sums once a term, and takes what is
left of a short row number by number. Here several vectors of sums go through all terms, and the
last vector of a row is masked. Multiply and add are fused.

Operands are addresses and offsets in numbers of ``like``'s type, as in ``tile``; nothing is
checked.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from refimpl.panels.lanes import INDEX, Vectors

BLOCK = 4  # ours: vectors of sums at a time, enough chains to keep two multipliers busy


def _summer(*, scaled: bool) -> Callable[..., None]:
    """Make the function that sums, with one number a term on the left or a run of its own."""

    @intrinsic
    def sum_run(
        typing_context: Any,
        a: Any, lefts: Any, b: Any, rights: Any, terms: Any, out: Any, length: Any, adding: Any,
        like: Any,
    ) -> Any:  # fmt: skip
        signature = types.void(*[types.intp] * 7, types.boolean, like)

        def generate(context: Any, builder: ir.IRBuilder, signature: Any, words: Any) -> Any:
            v = Vectors(builder, signature.args[-1])
            a, lefts, b, rights, terms, out, length, adding, _ = words
            left_table, right_table = (
                builder.inttoptr(each, INDEX.as_pointer()) for each in (lefts, rights)
            )
            adds = context.is_true(builder, types.boolean, adding)
            blank = ir.Constant(v.type, [0.0] * v.lanes)
            totals = [cgutils.alloca_once(builder, v.type) for _ in range(BLOCK)]

            def sum_vectors(start: Any, masks: list[Any]) -> None:
                """Sum as many vectors as there are masks; None is a whole one."""
                places = [builder.add(start, INDEX(n * v.lanes)) for n in range(len(masks))]
                targets = [v.at(v.place(out, place), INDEX(0)) for place in places]
                kept = list(zip(places, targets, totals, masks, strict=False))
                with builder.if_else(adds) as (then, otherwise):
                    with then:
                        for _, target, total, mask in kept:
                            builder.store(v.load_some(target, mask), total)
                    with otherwise:
                        for total in totals[: len(masks)]:
                            builder.store(blank, total)
                with cgutils.for_range(builder, terms) as term:
                    right = builder.load(builder.gep(right_table, [term.index]))
                    number = left = None
                    if scaled:
                        number = v.splat(builder.load(v.place(a, term.index)))
                    else:
                        left = builder.load(builder.gep(left_table, [term.index]))
                    for place, _, total, mask in kept:
                        one = v.load_from(a, left, place, mask) if number is None else number
                        other = v.load_from(b, right, place, mask)
                        builder.store(v.multiply_add(one, other, builder.load(total)), total)
                for _, target, total, mask in kept:
                    v.store_some(builder.load(total), target, mask)

            whole = INDEX(BLOCK * v.lanes)
            blocks = builder.sdiv(length, whole)
            with cgutils.for_range(builder, blocks) as block:
                sum_vectors(builder.mul(block.index, whole), [None] * BLOCK)
            done = builder.mul(blocks, whole)
            rest = builder.sub(length, done)
            for many in range(1, BLOCK + 1):  # the last of them may be a part of a vector
                before = INDEX((many - 1) * v.lanes)
                more = builder.icmp_signed(">", rest, before)
                enough = builder.icmp_signed("<=", rest, INDEX(many * v.lanes))
                with builder.if_then(builder.and_(more, enough)):
                    left_out = builder.sub(INDEX(many * v.lanes), rest)
                    bits = builder.lshr(INDEX((1 << v.lanes) - 1), left_out)
                    sum_vectors(done, [None] * (many - 1) + [v.lanes_of(bits, 0)])
            return context.get_dummy_value()

        return signature, generate

    return sum_run


sum_products, sum_scaled = _summer(scaled=False), _summer(scaled=True)
