"""A grid of outer products takes what adding them one by one takes."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.cycles import outer_product as module
from hwsim.cycles.tile import Tile, tile_cycles
from hwsim.literal.outer_product import simulate
from hwsim.machine import OuterProduct
from hwsim.systolic import Ports
from tests.hwsim.strategies import buffers, machine, outer_products, rates

small = st.integers(1, 9)
FREE = (None, None, None)


def unit_of(array, wires):
    slow = dict(zip(("ifmap", "filter", "ofmap"), wires, strict=True))
    named = {f"{name}_bytes_per_cycle": rate for name, rate in slow.items()}
    return machine(dataflow="outer-product", array=array, buffers=replace(buffers(4096), **named))


def closed(product, unit):
    m, n, k = product
    return tile_cycles(Tile(1, m, 1, n, k), unit)


def literal(product, unit):
    m, n, k = product
    a = np.arange(m * k).reshape(m, k) % 7 - 3
    b = np.arange(k * n).reshape(k, n) % 5 - 2
    widths = (unit.operand_bytes, unit.operand_bytes, unit.accumulator_bytes)
    wires = zip(unit.buffers.rates, widths, strict=True)
    ran = simulate(a, b, unit.array, Ports(*(rate and rate / width for rate, width in wires)))
    assert (ran.product == a @ b).all()
    return ran.cycles


@settings(max_examples=200, deadline=None)
@given(st.tuples(small, small, small), outer_products, st.tuples(rates, rates, rates))
def test_the_closed_form_counts_what_the_literal_grid_takes(product, array, wires):
    unit = unit_of(array, wires)
    found, free = closed(product, unit), closed(product, unit_of(array, FREE))
    assert found.total == literal(product, unit)
    assert (found.total - found.waiting, found.streamed) == (free.total, free.streamed)


def test_a_product_by_hand():
    """5 x 3, depth 7, on 4 x 2 sums of two products: 4 steps a fold, folds of 4 and 1 rows.

    One grid: four times 4 steps, and 4 + 4 + 1 + 1 rows leave. Two: the first 4 steps, then three
    folds of max(4, 4), max(4, 4) and max(4, 1), then one row.
    """
    one = OuterProduct(rows=4, cols=2, rank=2)
    assert closed((5, 3, 7), unit_of(one, FREE)).total == 4 * 4 + 10
    two = replace(one, double_buffered_sums=True)
    assert closed((5, 3, 7), unit_of(two, FREE)).total == 4 + 4 + 4 + 4 + 1


CASES = [
    ((m, 5, k), OuterProduct(rows=3, cols=2, rank=2, double_buffered_sums=double))
    for m in (2, 7)
    for k in (1, 7)
    for double in (False, True)
]


def only_full_pieces(total, size):
    return (size, -(-total // size)), (0, 0)


@pytest.mark.parametrize(
    ("name", "broken"),
    [("pieces_of", only_full_pieces), ("following", lambda *_: iter(()))],
)
def test_a_broken_formula_is_seen_to_fail(monkeypatch, name, broken):
    wires = (Fraction(3), Fraction(1, 2), Fraction(5))

    def agrees():
        units = [(product, unit_of(array, wires)) for product, array in CASES]
        return all(closed(each, unit).total == literal(each, unit) for each, unit in units)

    assert agrees()
    monkeypatch.setattr(module, name, broken)
    assert not agrees()
