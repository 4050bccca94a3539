"""What work costs whose weights are data: the cheapest way that the machine executes, by name.

A product per pixel on the vector unit moves each operand once. As matrix products it runs one after
another, each with its own traffic: pixels whose windows overlap read them again. Attention in
blocks multiplies and normalises in turn, keeps scores on chip, and moves queries once and keys and
values once per block of queries; what DRAM takes longer than both is a stall.

Source: derived above, on ``hwsim.lowering.per_pixel`` and ``hwsim.dynamic``.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from typing import NamedTuple

from hwsim.channel import passed, waiting
from hwsim.cost import Cost
from hwsim.dynamic import PerPixel, TiledAttention
from hwsim.integers import chunks
from hwsim.lowering.per_pixel import Way, ways
from hwsim.machine import Machine
from hwsim.workload import Convolution, VectorPrimitive, matrix_product

Price = Callable[[Convolution], Cost]


class Chosen(NamedTuple):
    """A way by name, and its cost."""

    way: str
    cost: Cost


def per_pixel_cost(work: PerPixel, machine: Machine, price: Price) -> Chosen | None:
    """The cheapest way to run ``work``; ``None`` if the machine executes none.

    ``price`` is what one matrix product costs.
    """
    if not machine.supports(work.kind).executable:
        return None
    able = [way for way in ways(work) if _executable(way, machine)]
    priced = [Chosen(way.name, _way_cost(work, way, machine, price)) for way in able]
    return min(priced, key=lambda chosen: chosen.cost.cycles, default=None)


def attention_cost(work: TiledAttention, machine: Machine, price: Price) -> Cost | None:
    """Cost of attention in blocks; ``None`` if the machine lacks a kind that it needs."""
    needed = ("matrix product", "softmax", "multiply", "divide")
    unit = machine.vector
    if unit is None or not all(machine.supports(kind).executable for kind in needed):
        return None
    total = Cost()
    for product, times in _block_products(work):
        one = price(product)
        total += scaled(_on_chip(one), times)
    busy = sum(
        unit.cycles(kind, operations)
        for kind, operations in (
            ("softmax", work.scores),
            ("multiply", work.rescaled),
            ("divide", work.divided),
        )
    )
    read, written = (n * machine.operand_bytes for n in (work.read_elements, work.write_elements))
    late = waiting(machine, read, written, busy + total.cycles)
    compulsory = work.count * (
        work.queries * (work.depth + work.values) + work.keys * (work.depth + work.values)
    )
    return total + Cost(
        vector_cycles=busy,
        l2_stall_cycles=late.l2,
        stall_cycles=late.dram,
        l2_bytes=passed(machine, read + written),
        vector_ops=work.scores + work.rescaled + work.divided,
        dram_read_bytes=read,
        dram_write_bytes=written,
        compulsory_bytes=compulsory * machine.operand_bytes,
        lower_bound_bytes=compulsory * machine.operand_bytes,
    )


def scaled(cost: Cost, times: int) -> Cost:
    """The cost of the same work ``times`` times."""
    return Cost(**{each.name: getattr(cost, each.name) * times for each in fields(Cost)})


def _executable(way: Way, machine: Machine) -> bool:
    kinds = {product.kind for product, _ in way.products} | {each.kind for each in way.elements}
    return all(machine.supports(kind).executable for kind in kinds)


def _way_cost(work: PerPixel, way: Way, machine: Machine, price: Price) -> Cost:
    products = sum((scaled(price(each), times) for each, times in way.products), Cost())
    unit = machine.vector
    busy = sum(unit.cycles(each.kind, each.operations) for each in way.elements) if unit else 0
    operations = sum(each.operations for each in way.elements)
    moved = _moved(way.elements if way.products else (work,), machine)
    late = waiting(machine, *moved, busy)
    compulsory = (work.read_elements + work.write_elements) * machine.operand_bytes
    beside = Cost(
        vector_cycles=busy,
        vector_ops=operations,
        l2_stall_cycles=late.l2,
        stall_cycles=late.dram,
        l2_bytes=passed(machine, sum(moved)),
        dram_read_bytes=moved[0],
        dram_write_bytes=moved[1],
    )
    total = products + beside
    return replace(total, compulsory_bytes=compulsory, lower_bound_bytes=compulsory)


def _moved(beside: Sequence[VectorPrimitive | PerPixel], machine: Machine) -> tuple[int, int]:
    """Bytes read and written by what is not a matrix product."""
    read = sum(each.read_elements for each in beside) * machine.operand_bytes
    written = sum(each.write_elements for each in beside) * machine.operand_bytes
    return read, written


def _on_chip(cost: Cost) -> Cost:
    """The array's part of a cost: no DRAM, no waiting for it."""
    return Cost(
        compute_cycles=cost.compute_cycles,
        fragmentation_cycles=cost.fragmentation_cycles,
        fill_drain_cycles=cost.fill_drain_cycles,
        buffer_stall_cycles=cost.buffer_stall_cycles,
        macs=cost.macs,
    )


def _block_products(work: TiledAttention) -> Iterator[tuple[Convolution, int]]:
    """Scores and weighted sums of each size of block, and how often there is one."""
    queries = chunks(work.queries, work.query_block)
    keys = chunks(work.keys, work.key_block)
    for m in set(queries):
        for n in set(keys):
            times = work.count * queries.count(m) * keys.count(n)
            yield matrix_product(m, n, work.depth, label="scores of a block"), times
            yield matrix_product(m, work.values, n, label="weighted sum of a block"), times
