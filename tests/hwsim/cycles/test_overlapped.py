"""Folds that follow each other: the closed form counts what the literal array takes."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.cycles import array_cycles
from hwsim.cycles import systolic as module
from hwsim.dataflow import DATAFLOWS
from hwsim.literal.overlapped import simulate
from hwsim.machine import Array
from hwsim.systolic import simulate as serial
from hwsim.workload import Gemm
from tests.hwsim.strategies import gemms

CASES = Random(7).sample(  # noqa: S311  a fixed choice of cases, not a secret
    [
        (Gemm(m, n, k), rows, cols, double)
        for m in (1, 2, 3, 5, 7)
        for n in (1, 2, 4, 7)
        for k in (1, 2, 3, 6)
        for rows in (1, 2, 3, 4)
        for cols in (1, 2, 3, 5)
        for double in (False, True)
    ],
    100,
)


def unit(rows, cols, double, folds="overlapped"):
    return Array(rows=rows, cols=cols, double_buffered_weights=double, folds=folds)


def disagreements(name, cases):
    rng, wrong = np.random.default_rng(3), []
    for gemm, rows, cols, double in cases:
        a = rng.integers(-128, 128, (gemm.m, gemm.k))
        b = rng.integers(-128, 128, (gemm.k, gemm.n))
        array = unit(rows, cols, double)
        ran = simulate(a, b, array, name, double=double)
        claimed = array_cycles(gemm, array, DATAFLOWS[name])
        if not np.array_equal(ran.product, a @ b) or ran.cycles != claimed.total:
            wrong.append((gemm, array))
    return wrong


@pytest.mark.parametrize("name", DATAFLOWS)
def test_the_closed_form_counts_what_overlapped_folds_take(name):
    assert disagreements(name, CASES) == []


@pytest.mark.parametrize("name", DATAFLOWS)
def test_serial_folds_whose_weights_come_early_take_what_the_literal_array_takes(name):
    """The sums of an output-stationary array have nothing to load early: it is the serial one."""
    rng = np.random.default_rng(4)
    for gemm, rows, cols, _ in CASES[:40]:
        a = rng.integers(-128, 128, (gemm.m, gemm.k))
        b = rng.integers(-128, 128, (gemm.k, gemm.n))
        array = unit(rows, cols, double=True, folds="serial")
        claimed = array_cycles(gemm, array, DATAFLOWS[name]).total
        if name == "output-stationary":
            ran = serial(a, b, array, name)
        else:
            ran = simulate(a, b, array, name, double=True, waits=True)
        assert np.array_equal(ran.product, a @ b)
        assert ran.cycles == claimed


def test_most_cases_have_several_folds_and_remainders():
    several = [g for g, rows, cols, _ in CASES if min(g) > 1 and max(g) > max(rows, cols)]
    ragged = [g for g, rows, cols, _ in CASES if g.m % rows or g.n % cols or g.k % rows]
    assert len(several) > 30
    assert len(ragged) > 50


EXACT = module.overlapped_cycles


def without_gaps(rows, cols, array_rows, array_cols, depth, *, double, drains):
    exact = EXACT(rows, cols, array_rows, array_cols, depth, double=double, drains=drains)
    one = EXACT(rows, cols, rows, cols, depth, double=double, drains=drains)
    return min(exact, one)


def always_two_registers(*sizes, double, drains):
    return EXACT(*sizes, double=True, drains=drains)


def that_ends_with_its_last_fold(rows, cols, array_rows, array_cols, depth, *, double, drains):
    """Forgets that a wide fold in front of a narrow last one may be done later."""
    first = min(rows, array_rows)
    gap = max(depth, first) if double else depth + first - 1 + drains
    narrow = cols - (-(-cols // array_cols) - 1) * array_cols
    exact = EXACT(rows, cols, array_rows, array_cols, depth, double=double, drains=drains)
    return exact - max(0, min(array_cols - narrow, array_cols - gap - narrow))


@pytest.mark.parametrize("broken", [without_gaps, always_two_registers])
@pytest.mark.parametrize("name", DATAFLOWS)
def test_a_broken_formula_is_seen_to_fail(monkeypatch, name, broken):
    monkeypatch.setattr(module, "overlapped_cycles", broken)
    assert disagreements(name, CASES[:60])


def test_forgetting_the_wider_fold_before_a_narrow_last_one_is_seen_to_fail(monkeypatch):
    cases = [(Gemm(1, 6, 1), 1, 5, True)]
    assert disagreements("weight-stationary", cases) == []
    monkeypatch.setattr(module, "overlapped_cycles", that_ends_with_its_last_fold)
    assert disagreements("weight-stationary", cases)


@given(
    gemms, st.integers(1, 256), st.integers(1, 256), st.booleans(), st.sampled_from([*DATAFLOWS])
)
def test_overlapped_folds_never_take_longer_than_serial_ones(gemm, rows, cols, double, name):
    flow = DATAFLOWS[name]
    serial = array_cycles(gemm, unit(rows, cols, double, "serial"), flow)
    overlapped = array_cycles(gemm, unit(rows, cols, double), flow)
    assert overlapped.total <= serial.total
    assert overlapped.streamed == serial.streamed < overlapped.total


@given(gemms, st.integers(1, 256), st.integers(1, 256), st.sampled_from([*DATAFLOWS]))
def test_a_second_register_never_costs_cycles(gemm, rows, cols, name):
    flow = DATAFLOWS[name]
    for folds in ("serial", "overlapped"):
        one, two = (array_cycles(gemm, unit(rows, cols, d, folds), flow) for d in (False, True))
        assert two.total <= one.total


def test_a_batch_of_one_on_a_large_array_by_hand():
    """49 pixels, 512 x 512 weights, 256 x 256 elements: 4 folds, loads of 256 hide 49 streamed.

    Overlapped, two registers: 256 to load the first, 3 gaps of max(49, 256), 49 + 256 + 256 - 2.
    Serial, one register: 4 times 256 + 49 + 256 + 256 - 2.
    """
    gemm, flow = Gemm(49, 512, 512), DATAFLOWS["weight-stationary"]
    overlapped = array_cycles(gemm, unit(256, 256, True), flow).total
    serial = array_cycles(gemm, unit(256, 256, False, "serial"), flow).total
    assert overlapped == 256 + 3 * 256 + (49 + 256 + 256 - 2)
    assert serial == 4 * (256 + 49 + 256 + 256 - 2)
    assert 1.15 < serial / overlapped < 3.5


def test_an_unknown_dataflow_is_refused():
    one = np.ones((1, 1), int)
    with pytest.raises(ValueError, match=r"^dataflow must be one that can be simulated"):
        simulate(one, one, Array(rows=1, cols=1), "no-local-reuse", double=False)
