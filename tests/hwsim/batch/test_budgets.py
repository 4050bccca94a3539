"""Columns give the numbers of the model of one layer on one machine."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.batch import budgets, evaluate, layer_table, machine_table, mapping
from hwsim.heuristic import heuristic_tiling
from hwsim.integers import ceil_div
from hwsim.io import preset, preset_names
from hwsim.machine import Array, Dram
from hwsim.networks import network
from hwsim.search import run
from hwsim.workload import Convolution
from tests.hwsim.strategies import buffers, machine, machines_of_every_kind, workloads


def one_by_one(conv, unit):
    """Cycles by part, bytes by operand; or None if no tile fits."""
    tiling = heuristic_tiling(conv, unit)
    if tiling is None:
        return None
    ran = run(conv, tiling, unit)
    ideal = min(ceil_div(conv.macs, unit.array.macs_per_cycle), ran.array.streamed)
    total, streamed, waiting = ran.array
    parts = (ideal, streamed - ideal, total - streamed - waiting, waiting, ran.l2_stall)
    return (*parts, ran.cycles - total - ran.l2_stall, *ran.traffic, conv.macs)


def in_columns(convs, units):
    pairs = np.indices((len(convs), len(units))).reshape(2, -1)
    got = evaluate(layer_table(convs), machine_table(units), *pairs)
    rows = [tuple(map(int, row)) for row in np.array(got[:-1]).T]
    return [row if fit else None for row, fit in zip(rows, got.fits, strict=True)]


def expected(convs, units):
    return [one_by_one(conv, unit) for conv in convs for unit in units]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(workloads, min_size=1, max_size=3),
    st.lists(machines_of_every_kind(), min_size=1, max_size=3),
)
def test_columns_give_what_one_layer_on_one_machine_gives(convs, units):
    assert in_columns(convs, units) == expected(convs, units)


def test_so_they_do_for_published_networks_on_every_preset():
    layers = [layer for name in ("resnet50", "alexnet") for layer in network(name).layers]
    convs = list({p for layer in layers for p in layer.primitives if isinstance(p, Convolution)})
    units = [preset(name) for name in preset_names()]
    rows = in_columns(convs, units)
    assert rows == expected(convs, units)
    assert None not in rows


@pytest.mark.parametrize(
    ("module", "name", "broken"),
    [
        (budgets, "reads", lambda cuts: (1, 1)),
        (budgets, "band_rows", lambda layer, rows: rows * layer["stride"]),
        (mapping, "_largest", lambda divisors, offset, whole, most: np.minimum(whole, most)),
    ],
)
def test_a_broken_column_is_seen_to_fail(monkeypatch, module, name, broken):
    conv = Convolution(in_channels=6, height=9, width=5, out_channels=6, kernel_h=3, padding=1)
    convs, units = [conv], [machine(buffers=buffers(size)) for size in (150, 300, 900)]
    assert in_columns(convs, units) == expected(convs, units)
    monkeypatch.setattr(module, name, broken)
    assert in_columns(convs, units) != expected(convs, units)


def test_a_kernel_without_a_mapping_does_not_fit():
    conv = Convolution(in_channels=1, height=20, width=9, out_channels=1, kernel_h=13)
    assert in_columns([conv], [preset("eyeriss-v1")]) == [None]
    with pytest.raises(ValueError, match=r"^a kernel of 13x1 must be no taller than the 12 rows"):
        run(conv, heuristic_tiling(conv, preset("eyeriss-v1")), preset("eyeriss-v1"))


def test_more_pairs_than_a_chunk_keep_their_order():
    convs = [Convolution(in_channels=c, height=7, width=5, out_channels=3) for c in range(1, 8)]
    units = [machine(array=Array(rows=r, cols=2)) for r in range(1, 4)]
    layers, machines = layer_table(convs), machine_table(units)
    rng = np.random.default_rng(1)
    index = rng.integers(0, 7, 20_000), rng.integers(0, 3, 20_000)
    whole, few = evaluate(layers, machines, *index), slice(9_990, 10_010)
    part = evaluate(layers, machines, index[0][few], index[1][few])
    for column, piece in zip(whole, part, strict=True):
        assert np.array_equal(column[few], piece)
    assert np.array_equal(whole.cycles, sum(whole[:6]))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: layer_table([]), r"^a table must have at least one row, not none$"),
        (
            lambda: machine_table([machine(dram=Dram(bytes_per_cycle=Fraction(1, 2**17)))]),
            r"^dram.bytes_per_cycle of small must be a fraction of at most 1073741824 over 65536, ",
        ),
        (
            lambda: layer_table(
                [Convolution(batch=2**24, in_channels=2**12, height=1, width=1, out_channels=2**12)]
            ),
            r"^convolution must have no axis longer than 16777216 and at most 17592186044416 MACs",
        ),
        (
            lambda: layer_table(
                [Convolution(batch=2**25, in_channels=1, height=1, width=1, out_channels=1)]
            ),
            r"^convolution must have no axis longer than 16777216 ",
        ),
    ],
)
def test_what_cannot_be_counted_in_columns_is_refused_in_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


def test_rows_must_come_in_pairs():
    tables = layer_table([Convolution(in_channels=1, height=1, width=1, out_channels=1)])
    with pytest.raises(ValueError, match=r"^layer and machine must be rows of equal length"):
        evaluate(tables, machine_table([machine()]), np.zeros(2, int), np.zeros(3, int))
