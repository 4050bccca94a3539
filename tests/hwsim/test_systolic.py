"""The literal arrays compute the product, in the cycles of the closed form."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim import cycles
from hwsim.cycles import ArrayCycles
from hwsim.dataflow import DATAFLOWS
from hwsim.integers import ceil_div
from hwsim.machine import Array
from hwsim.systolic import simulate
from hwsim.workload import Gemm

PARTS = 4
CASES = Random(2021).sample(  # noqa: S311  a fixed choice of cases, not a secret
    [
        (Gemm(m, n, k), Array(rows=rows, cols=cols))
        for m in (1, 2, 3, 5, 8, 11)
        for n in (1, 2, 4, 7, 9)
        for k in (1, 2, 3, 6, 10)
        for rows in (1, 2, 3, 4, 6)
        for cols in (1, 2, 3, 5)
    ],
    640,
)


def disagreements(name, cases, run=simulate):
    """Cases in which the literal array's product or cycles are not as claimed."""
    rng = np.random.default_rng(7)
    wrong = []
    for gemm, array in cases:
        a = rng.integers(-128, 128, (gemm.m, gemm.k))
        b = rng.integers(-128, 128, (gemm.k, gemm.n))
        ran = run(a, b, array, name)
        claimed = cycles.array_cycles(gemm, array, DATAFLOWS[name]).total
        if not np.array_equal(ran.product, a @ b) or ran.cycles != claimed:
            wrong.append((gemm, array))
    return wrong


def folds_have_remainders(gemm, array, name):
    flow = DATAFLOWS[name]
    return bool(getattr(gemm, flow.rows) % array.rows or getattr(gemm, flow.cols) % array.cols)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", DATAFLOWS)
def test_the_closed_form_counts_what_the_literal_array_takes(name, part):
    assert disagreements(name, CASES[part::PARTS]) == []


@pytest.mark.parametrize("name", DATAFLOWS)
def test_at_least_500_different_cases_are_tried_most_with_remainder_folds(name):
    tried = [case for part in range(PARTS) for case in CASES[part::PARTS]]
    assert len(set(tried)) == len(tried) >= 500
    assert sum(folds_have_remainders(*case, name) for case in tried) >= 300
    assert any(min(case[0]) == 1 for case in tried)


def without_drain(gemm, array, flow):
    real = EXACT(gemm, array, flow)
    return real._replace(total=real.total - getattr(gemm, flow.rows))


def with_folds_rounded_down(gemm, array, flow):
    rows, cols = getattr(gemm, flow.rows), getattr(gemm, flow.cols)
    folds = max(1, rows // array.rows) * max(1, cols // array.cols)
    depth = getattr(gemm, flow.streamed)
    return ArrayCycles(folds * (depth - 2) + 2 * rows + cols, folds * depth)


def with_every_fold_full(gemm, array, flow):
    rows, cols = getattr(gemm, flow.rows), getattr(gemm, flow.cols)
    folds = ceil_div(rows, array.rows) * ceil_div(cols, array.cols)
    depth = getattr(gemm, flow.streamed)
    return ArrayCycles(folds * (depth + 2 * array.rows + array.cols - 2), folds * depth)


EXACT = cycles.array_cycles


@pytest.mark.parametrize("broken", [without_drain, with_folds_rounded_down, with_every_fold_full])
@pytest.mark.parametrize("name", DATAFLOWS)
def test_a_broken_formula_is_seen_to_fail(monkeypatch, name, broken):
    monkeypatch.setattr(cycles, "array_cycles", broken)
    assert disagreements(name, CASES[:40])


def forgetful(a, b, array, name):
    ran = simulate(a, b, array, name)
    ran.product[-1, -1] -= a[-1, -1] * b[-1, -1]
    return ran


@pytest.mark.parametrize("name", DATAFLOWS)
def test_a_product_that_lacks_one_term_is_seen_to_fail(name):
    assert disagreements(name, CASES[:10], run=forgetful)


sides = st.integers(1, 6)


@settings(max_examples=60, deadline=None)
@given(st.data(), sides, sides, sides, sides, sides, st.sampled_from(list(DATAFLOWS)))
def test_the_product_is_exact_on_integers_of_any_size(data, m, n, k, rows, cols, name):
    huge = st.integers(-(2**80), 2**80)
    a = np.array(data.draw(st.lists(huge, min_size=m * k, max_size=m * k)), object).reshape(m, k)
    b = np.array(data.draw(st.lists(huge, min_size=k * n, max_size=k * n)), object).reshape(k, n)
    assert (simulate(a, b, Array(rows=rows, cols=cols), name).product == a @ b).all()


def test_an_unknown_dataflow_is_refused():
    one = np.ones((1, 1), int)
    with pytest.raises(ValueError, match=r"^dataflow must be one that can be simulated"):
        simulate(one, one, Array(rows=1, cols=1), "no-local-reuse")
