"""Traffic in closed form is what a walk through the tiles fetches and writes."""

import pytest
from hypothesis import given, settings

from hwsim import traffic as module
from hwsim.buffers import walk
from hwsim.tiling import Tiling
from hwsim.traffic import compulsory_traffic, traffic
from hwsim.workload import Convolution
from tests.hwsim.strategies import machine, machines, tiled


def walked(conv, tiling, unit):
    steps = walk(conv, tiling, unit, lambda *_: 0)
    return tuple(
        sum(getattr(step, name) for step in steps)
        for name in ("ifmap_bytes", "filter_bytes", "ofmap_bytes")
    )


@settings(max_examples=400, deadline=None)
@given(tiled(), machines)
def test_the_closed_form_counts_the_bytes_of_the_literal_walk(case, unit):
    assert tuple(traffic(*case, unit)) == walked(*case, unit)


@settings(max_examples=200, deadline=None)
@given(tiled(), machines)
def test_no_tiling_moves_less_than_the_compulsory_bytes(case, unit):
    conv, tiling = case
    moved, least = traffic(conv, tiling, unit), compulsory_traffic(conv, unit)
    assert all(some >= minimum for some, minimum in zip(moved, least, strict=True))


def test_halo_rows_are_read_twice_by_hand():
    """4 output rows in two bands of 2, kernel 3, padding 1: input rows 0..2 and 1..3."""
    conv = Convolution(
        in_channels=1, height=4, width=5, out_channels=1, kernel_h=3, kernel_w=3, padding=1
    )
    moved = traffic(conv, Tiling(1, 2, 1, 1, "ifmap-outer"), machine(operand_bytes=2))
    assert moved.ifmap_bytes == (3 + 3) * 5 * 2
    assert moved.filter_bytes == 9 * 2
    assert moved.ofmap_bytes == 4 * 5 * 2


def never_again(parts, order):
    return 1, 1


def always_again(parts, order):
    bands, outs, _ = (len(axis) for axis in parts)
    return outs, bands


@pytest.mark.parametrize("broken", [never_again, always_again])
def test_a_broken_reload_rule_is_seen_to_fail(monkeypatch, broken):
    conv = Convolution(in_channels=4, height=6, width=3, out_channels=4)
    cases = [
        (conv, Tiling(1, rows, outs, ins, order))
        for rows in (2, 6)
        for outs in (2, 4)
        for ins in (2, 4)
        for order in ("ifmap-outer", "filter-outer")
    ]
    assert all(tuple(traffic(*case, machine())) == walked(*case, machine()) for case in cases)
    monkeypatch.setattr(module, "_reads", broken)
    assert any(tuple(traffic(*case, machine())) != walked(*case, machine()) for case in cases)
