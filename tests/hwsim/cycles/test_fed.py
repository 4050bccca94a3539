"""An array whose buffers are narrower than its edges takes what waiting for every number takes."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.cycles import array_cycles, fed
from hwsim.cycles.tile import feed_of
from hwsim.dataflow import DATAFLOWS
from hwsim.literal import overlapped
from hwsim.machine import Array
from hwsim.systolic import Ports, simulate
from hwsim.workload import Gemm
from tests.hwsim.strategies import buffers, machine, rates

small = st.integers(1, 8)
products = st.builds(Gemm, m=small, n=small, k=small)
grids = st.builds(
    Array,
    rows=st.integers(1, 4),
    cols=st.integers(1, 4),
    double_buffered_weights=st.booleans(),
    folds=st.sampled_from(("serial", "overlapped")),
)


def fed_machine(dataflow, array, wires):
    slow = dict(zip(("ifmap", "filter", "ofmap"), wires, strict=True))
    return machine(
        dataflow=dataflow,
        array=array,
        buffers=replace(
            buffers(4096), **{f"{name}_bytes_per_cycle": rate for name, rate in slow.items()}
        ),
    )


def literal(product, unit):
    a = np.arange(product.m * product.k).reshape(product.m, product.k) % 7 - 3
    b = np.arange(product.k * product.n).reshape(product.k, product.n) % 5 - 2
    widths = (unit.operand_bytes, unit.operand_bytes, unit.accumulator_bytes)
    wires = zip(unit.buffers.rates, widths, strict=True)
    ports = Ports(*(rate and rate / width for rate, width in wires))
    double = unit.array.double_buffered_weights
    if unit.array.folds == "overlapped":
        ran = overlapped.simulate(a, b, unit.array, unit.dataflow, double=double, ports=ports)
    else:
        ran = simulate(a, b, unit.array, unit.dataflow, ports, preloads=double)
    assert (ran.product == a @ b).all()
    return ran.cycles


def closed(product, unit):
    return array_cycles(product, unit.array, DATAFLOWS[unit.dataflow], feed_of(unit))


@settings(max_examples=300, deadline=None)
@given(products, grids, st.sampled_from(list(DATAFLOWS)), st.tuples(rates, rates, rates))
def test_the_closed_form_waits_as_long_as_the_literal_array(product, array, dataflow, wires):
    unit = fed_machine(dataflow, array, wires)
    free = closed(product, fed_machine(dataflow, array, (None, None, None)))
    found = closed(product, unit)
    assert found.total == literal(product, unit)
    assert (found.total - found.waiting, found.streamed) == (free.total, free.streamed)
    assert found.waiting >= free.waiting == 0


@settings(max_examples=60, deadline=None)
@given(products, grids, st.sampled_from(list(DATAFLOWS)))
def test_buffers_as_wide_as_the_edges_make_nothing_wait(product, array, dataflow):
    sides = max(array.rows, array.cols)
    wires = (Fraction(sides), Fraction(sides), Fraction(4 * array.cols))
    assert closed(product, fed_machine(dataflow, array, wires)).waiting == 0


def test_a_fold_by_hand():
    """Two rows and three columns, weight-stationary, five pixels; all buffers of a byte per cycle.

    2 rows of 3 weights: 6. A vector enters in 2 cycles, one of 3 sums of 4 bytes leaves in 12;
    s = 3, so 2 steps with both (12), 3 with one each (2 + 12): 6 + 24 + 42.
    """
    one = (Fraction(1),) * 3
    unit = fed_machine("weight-stationary", Array(rows=2, cols=3), one)
    product = Gemm(5, 3, 2)
    assert closed(product, unit).total == 6 + 2 * 12 + 3 * (2 + 12) == literal(product, unit)


CASES = [
    (Gemm(m, 7, k), Array(rows=3, cols=2, double_buffered_weights=double), dataflow)
    for m in (1, 9)
    for k in (2, 7)
    for double in (False, True)
    for dataflow in DATAFLOWS
]
WIRES = (Fraction(3, 2), Fraction(1, 2), Fraction(5))


def never_after(*_):
    return iter(())


def rounded_down(numbers, wire):
    width, above, below = wire
    return np.maximum(1, numbers * width * below // max(above, 1) * (above > 0))


@pytest.mark.parametrize(
    ("name", "broken"), [("following", never_after), ("arriving", rounded_down)]
)
def test_a_broken_formula_is_seen_to_fail(monkeypatch, name, broken):
    def agrees():
        units = [(p, fed_machine(dataflow, array, WIRES)) for p, array, dataflow in CASES]
        return all(closed(p, unit).total == literal(p, unit) for p, unit in units)

    assert agrees()
    monkeypatch.setattr(fed, name, broken)
    assert not agrees()
