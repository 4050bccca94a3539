"""Cycles of the bare arrays: recorded, measured again, and the closed form they must equal."""

import pytest
from typer import Exit

from hwsim.cli.rtl import cycles_command
from hwsim.cycles import array_cycles
from hwsim.dataflow import DATAFLOWS
from hwsim.machine import Array
from hwsim.rtl.measure import ARRAYS, LAYERS, _measured, _run, measure
from hwsim.rtl.record import recorded, sources_sha256
from hwsim.rtl.simulator import SimulatorError
from hwsim.workload import Gemm

RERUN = (2, 5)  # a narrow last fold is done long before a wide array is empty


def closed_form(each):
    array = Array(rows=each.rows, cols=each.cols)
    expected = array_cycles(each.gemm, array, DATAFLOWS[each.dataflow])
    return (expected.total, expected.streamed)


@pytest.mark.parametrize("flow", DATAFLOWS)
def test_recorded_cycles_equal_the_closed_form(flow):
    found = [each for each in recorded().measured if each.dataflow == flow]
    assert {(each.rows, each.cols, each.layer) for each in found} == {
        (*array, layer) for array in ARRAYS for layer in LAYERS
    }
    for each in found:
        assert (each.cycles, each.feeding) == closed_form(each), each
        assert each.gemm == LAYERS[each.layer]


def test_the_record_was_measured_on_the_sources_that_are_here():
    assert recorded().sources_sha256 == sources_sha256()


def test_the_record_has_remainders_on_both_sides_and_one_fold():
    found = recorded().measured
    assert any(each.folds == 1 for each in found)
    rows = [(getattr(e.gemm, DATAFLOWS[e.dataflow].rows), e.rows) for e in found]
    cols = [(getattr(e.gemm, DATAFLOWS[e.dataflow].cols), e.cols) for e in found]
    for sizes in (rows, cols):
        assert any(size > side and size % side for size, side in sizes)
        assert any(size > side and size % side == 0 for size, side in sizes)


def test_the_simulator_counts_again_what_was_recorded(simulator, work):
    again = measure([RERUN], work=work, simulator=simulator)
    before = [each for each in recorded().measured if (each.rows, each.cols) == RERUN]
    assert sorted(again.measured, key=repr) == sorted(before, key=repr)


def test_random_products_take_what_the_closed_form_says(simulator, work):
    shapes = [(1, 1, 7), (3, 5, 1), (4, 6, 2), (7, 4, 3), (2, 11, 5), (9, 5, 8), (6, 10, 6)]
    layers = {repr(shape): Gemm(*shape) for shape in shapes}
    found = measure([RERUN], work=work, simulator=simulator, layers=layers).measured
    assert len(found) == len(shapes) * len(DATAFLOWS)
    assert [(each.cycles, each.feeding) for each in found] == [closed_form(e) for e in found]


def test_an_array_that_returns_no_product_is_not_measured():
    asked = _run("one", Gemm(1, 2, 1), "output-stationary", 3, 5)
    right = [int(word) for word in asked.expected]
    report = {"cycles": 4, "feeding": 1, "folds": 1, "result": right}
    assert _measured(asked, report).cycles == 4
    report["result"] = [right[0], right[1] + 1]
    with pytest.raises(SimulatorError, match="must return the product; 1 words differ"):
        _measured(asked, report)


def test_a_wrong_count_is_seen_by_the_command(monkeypatch, capsys):
    record = recorded()
    off = record.measured[0].model_copy(update={"cycles": record.measured[0].cycles + 1})
    changed = record.model_copy(update={"measured": (off, *record.measured[1:])})
    monkeypatch.setattr("hwsim.rtl.record.recorded", lambda: changed)
    with pytest.raises(Exit) as leaving:
        cycles_command(write=None, array=None)
    assert leaving.value.exit_code == 1
    printed = capsys.readouterr().out
    assert printed.startswith(f"WRONG {off.layer} on {off.rows}x{off.cols} {off.dataflow}")
    assert "1 differ from the closed form" in printed
