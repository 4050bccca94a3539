"""Cycles with stalls are what an array and a DRAM channel take, stepped cycle by cycle."""

from dataclasses import replace
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings

from hwsim import schedule as module
from hwsim.buffers import Step, play, walk
from hwsim.cycles import array_cycles
from hwsim.cycles.tile import feed_of
from hwsim.dataflow import DATAFLOWS
from hwsim.machine import Array, Dram
from hwsim.schedule import array_total, total_cycles
from hwsim.systolic import Ports, simulate
from hwsim.tiling import Tiling, pieces
from hwsim.workload import Gemm, matrix_product
from tests.hwsim.strategies import buffers, machine, machines, tiled


def closed(conv, tiling, unit):
    return total_cycles(conv, pieces(conv, tiling), tiling.order, unit)


def formula(unit):
    flow = DATAFLOWS[unit.dataflow]
    return lambda m, n, k: array_cycles(Gemm(m, n, k), unit.array, flow, feed_of(unit)).total


@cache
def literal(m, n, k, rows, cols, dataflow, ports):
    ones = np.ones((m, k), int), np.ones((k, n), int)
    return simulate(*ones, Array(rows=rows, cols=cols), dataflow, ports).cycles


@settings(max_examples=250, deadline=None)
@given(tiled(), machines)
def test_the_schedule_takes_the_cycles_that_stepping_counts(case, unit):
    assert closed(*case, unit) == play(walk(*case, unit, formula(unit)), unit)


@settings(max_examples=40, deadline=None)
@given(tiled(), machines)
def test_so_it_does_when_every_tile_runs_on_the_literal_array(case, unit):
    widths = (unit.operand_bytes, unit.operand_bytes, unit.accumulator_bytes)
    rates = zip(unit.buffers.rates, widths, strict=True)
    ports = Ports(*(rate and rate / width for rate, width in rates))

    def tile_cycles(m, n, k):
        return literal(m, n, k, unit.array.rows, unit.array.cols, unit.dataflow, ports)

    steps = walk(*case, unit, tile_cycles)
    assert closed(*case, unit) == play(steps, unit)
    assert array_total(case[0], pieces(*case), unit).total == sum(s.compute_cycles for s in steps)


@settings(max_examples=100, deadline=None)
@given(tiled(), machines)
def test_overlap_never_takes_longer_than_one_thing_after_another(case, unit):
    serial = replace(unit, buffers=buffers(1000, double=False))
    overlapped = replace(unit, buffers=buffers(1000, double=True))
    assert closed(*case, overlapped) <= closed(*case, serial)


def test_two_tiles_by_hand():
    """Two rows of A, one after the other, times a 3 x 2 matrix that stays, 3 bytes per cycle.

    First 1 + 2 cycles to load a row and the matrix; the second row loads, and the first result is
    stored, under the array's work; the last result is stored in 1.
    """
    unit = machine(dram=Dram(bytes_per_cycle=Fraction(3), latency_cycles=0))
    conv, tiling = matrix_product(2, 2, 3), Tiling(1, 1, 2, 3, "ifmap-outer")
    one = formula(unit)(1, 2, 3)
    assert one == 3 + (1 + 2 - 2) + 1
    assert closed(conv, tiling, unit) == (1 + 2) + one + one + 1


def test_the_channel_waits_and_then_moves_by_hand():
    """Latency 2, then 7 bytes at 2 per cycle: 2 + 4 to load, 3 to compute, 2 + 1 to store."""
    unit = machine(dram=Dram(bytes_per_cycle=Fraction(2), latency_cycles=2))
    assert play([Step(7, 0, 3, 2)], unit) == (2 + 4) + 3 + (2 + 1)


def always_changed(first, second):
    return np.ones(len(first), bool)


def never_changed(first, second):
    return np.arange(len(first)) == 0


@pytest.mark.parametrize("broken", [always_changed, never_changed])
def test_a_broken_schedule_is_seen_to_fail(monkeypatch, broken):
    unit, conv = machine(dram=Dram(bytes_per_cycle=Fraction(1))), matrix_product(6, 6, 6)
    cases = [(conv, Tiling(1, rows, 3, ins, "ifmap-outer")) for rows in (2, 6) for ins in (3, 6)]
    played = [play(walk(*case, unit, formula(unit)), unit) for case in cases]
    assert [closed(*case, unit) for case in cases] == played
    monkeypatch.setattr(module, "_changed", broken)
    assert [closed(*case, unit) for case in cases] != played
