"""Grids: every combination once, checked before anything runs, equal only to themselves."""

from fractions import Fraction
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwsim
from hwsim.heuristic import heuristic_tiling
from hwsim.search import run
from hwsim.sweep import columns, front, plan
from hwsim.sweep.columns import BUDGET, Coded

VARIED = {
    "array.rows": (8, 32, 100),
    "dram.bytes_per_cycle": (Fraction(3), Fraction(40, 7)),
    "buffers.double_buffered": (True, False),
}


def asked(varied=VARIED, sides=32):
    networks = [hwsim.network("resnet34", height=sides, width=sides, batch=n) for n in (1, 3)]
    return plan([hwsim.preset(n) for n in ("tpu-v1", "scalesim-default")], varied, networks)


def test_every_combination_is_a_machine_once_the_last_key_fastest():
    made = asked()
    assert made.machines == 2 * 3 * 2 * 2
    values = [made.values_of(number) for number in range(made.machines)]
    assert values == 2 * list(product(*VARIED.values()))
    for number, (rows, rate, double) in enumerate(values):
        machine = made.machine(number)
        assert machine.name == ("tpu-v1" if number < 12 else "scalesim-default")
        assert machine.array.rows == rows
        assert machine.dram.bytes_per_cycle == rate
        assert machine.buffers.double_buffered is double


def test_every_point_has_the_numbers_of_the_model_of_one_layer_under_the_same_mapping():
    made = asked()
    found = columns(made, 0, made.points)
    rng = np.random.default_rng(0)
    for point in rng.integers(0, made.points, 60):
        machine, layer = divmod(int(point), len(made.layers))
        unit, conv = made.machine(machine), made.layers[layer].conv
        tiling = heuristic_tiling(conv, unit)
        assert found["fits"][point] == (tiling is not None)
        if tiling is None:
            continue
        expected = run(conv, tiling, unit)
        assert found["cycles"][point] == expected.cycles
        assert found["dram_bytes"][point] == expected.traffic.total_bytes
        assert found["macs"][point] == conv.macs
        parts = [found[each][point] for each in BUDGET]
        assert sum(parts) == expected.cycles


@settings(deadline=None)
@given(cuts=st.lists(st.integers(0, 1752), max_size=4))
def test_any_stretches_of_points_join_to_all_of_them(cuts):
    made = asked({"array.rows": (8, 32)})
    ends = sorted({0, made.points, *(min(cut, made.points) for cut in cuts)})
    whole = columns(made, 0, made.points)
    parts = [columns(made, a, b) for a, b in pairwise(ends)]
    for name, column in whole.items():
        joined = np.concatenate([plain(part[name]) for part in parts])
        assert (joined == plain(column)).all(), name


def plain(column):
    if isinstance(column, Coded):
        return np.array(column.values, object)[column.codes]
    return column


@pytest.mark.parametrize(
    ("varied", "sentence"),
    [
        ({"array.rows": ()}, r"array.rows must have at least one value"),
        ({"array.rows": (8, 8)}, r"values of array.rows must differ"),
        ({"array.row": (8,)}, r"row must be a constant of Array, as rows is"),
        ({"array.rows.x": (8,)}, r"x must be a constant of int, which has none to vary"),
        ({"array.rows": (8, 0)}, r"tpu-v1 with array.rows = 0 is no machine: .*at least 1"),
        ({"array.rows": ("many",)}, r"tpu-v1 with array.rows = many is no machine"),
        ({"array.rows": tuple(range(1, 2001)), "array.cols": tuple(range(1, 2001))},
         r"at most 1,000,000 machines, not 8,000,000"),
    ],
)  # fmt: skip
def test_an_absurd_grid_is_refused_before_it_runs(varied, sentence):
    with pytest.raises(ValueError, match=sentence):
        asked(varied)


def test_a_sweep_without_machines_or_layers_is_refused():
    with pytest.raises(ValueError, match="at least one machine"):
        plan([], {}, [hwsim.network("resnet34")])
    with pytest.raises(ValueError, match="at least one convolution"):
        plan([hwsim.preset("tpu-v1")], {}, [])


def test_a_digest_tells_plans_apart_and_nothing_else():
    assert asked().digest == asked().digest
    others = [asked({**VARIED, "array.rows": (8, 32, 101)}), asked(sides=64), asked({})]
    assert len({asked().digest, *(each.digest for each in others)}) == 4


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30))
def test_a_front_is_what_no_other_row_beats(rows):
    first, second = (np.array([row[i] for row in rows], float) for i in (0, 1))
    kept = front(first, second).tolist()
    beaten = {
        i for i, a in enumerate(rows) for b in rows if b[0] <= a[0] and b[1] <= a[1] and a != b
    }
    assert {rows[i] for i in kept} == {row for i, row in enumerate(rows) if i not in beaten}
    assert len({rows[i] for i in kept}) == len(kept)
    assert [rows[i] for i in kept] == sorted(rows[i] for i in kept)
