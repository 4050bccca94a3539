"""Sums over equal tiles are what stepping through those tiles counts."""

from fractions import Fraction
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim import uniform as module
from hwsim.buffers import play, walk
from hwsim.channel import keeps, transfer_cycles
from hwsim.cycles import tile_cycles
from hwsim.heuristic import fewest_rows
from hwsim.machine import OPERANDS, Dram
from hwsim.schedule import tile_of
from hwsim.tiling import ORDERS, Tiling, pieces
from hwsim.traffic import traffic_of
from hwsim.uniform import Again, Cuts, Doubled, Times
from hwsim.workload import Convolution, matrix_product
from tests.hwsim.strategies import machine, machines, workloads


def divisors(whole, least=1):
    return st.sampled_from([size for size in range(least, whole + 1) if whole % size == 0])


@st.composite
def uniform(draw):
    """A workload and a tiling of it into equal tiles."""
    conv = draw(workloads)
    rows = draw(divisors(conv.out_height, fewest_rows(conv)))
    images = draw(divisors(conv.batch)) if rows == conv.out_height else 1
    outs = draw(divisors(conv.out_channels // conv.groups))
    ins = draw(divisors(conv.in_channels // conv.groups))
    return conv, Tiling(images, rows, outs, ins, draw(st.sampled_from(ORDERS)))


def cuts_of(conv, tiling):
    return Cuts(
        conv.groups,
        conv.batch // tiling.images,
        conv.out_height // tiling.rows,
        conv.out_channels // conv.groups // tiling.out_channels,
        conv.in_channels // conv.groups // tiling.in_channels,
        np.bool_(tiling.order == "filter-outer"),
    )


def times_of(conv, tiling, unit):
    bands = pieces(conv, tiling).bands
    last = conv.out_height // tiling.rows - 1

    def moving(*sizes):
        return transfer_cycles(unit, prod(sizes) * unit.operand_bytes)

    def again(*sizes):
        return unit.l2.moving_cycles(prod(sizes) * unit.operand_bytes)

    images = [
        (bands[band].in_rows, conv.width, tiling.in_channels) for band in (0, min(1, last), last)
    ]
    kernels = (tiling.out_channels, tiling.in_channels, conv.taps)
    tile = tile_of(conv, tiling.images, tiling.rows, tiling.out_channels, tiling.in_channels)
    return Times(
        *(moving(*image) for image in images),
        moving(*kernels),
        moving(bands[0].out_rows, conv.out_width, tiling.out_channels),
        tile_cycles(tile, unit).total,
        Again(*(again(*each) for each in (*images, kernels))) if keeps(conv, unit) else None,
    )


def counted(conv, tiling, unit):
    tiles = {}

    def cycles(m, n, k):
        return tiles.setdefault((m, n, k), times_of(conv, tiling, unit).compute)

    return play(walk(conv, tiling, unit, cycles), unit)


def agrees(conv, tiling, unit):
    doubled = Doubled(*(int(name in unit.buffers.doubled) for name in OPERANDS))
    said = module.total_cycles(cuts_of(conv, tiling), times_of(conv, tiling, unit), doubled)
    return int(said) == counted(conv, tiling, unit)


@settings(max_examples=250, deadline=None)
@given(uniform(), machines)
def test_the_sum_takes_the_cycles_that_stepping_counts(case, unit):
    assert agrees(*case, unit)


@settings(max_examples=200, deadline=None)
@given(uniform(), machines)
def test_operands_are_read_as_often_as_the_walk_reads_them(case, unit):
    conv, tiling = case
    parts = pieces(conv, tiling)
    once = traffic_of(parts._replace(out_channels=(1,)), "ifmap-outer", conv, unit).ifmap_bytes
    moved = traffic_of(parts, tiling.order, conv, unit)
    if len(parts.in_channels) > 1:
        once = traffic_of(parts._replace(in_channels=(1,)), "ifmap-outer", conv, unit).ifmap_bytes
    ifmap, filters = module.reads(cuts_of(conv, tiling))
    assert moved.ifmap_bytes == ifmap * once
    weights = conv.out_channels * conv.taps * (conv.in_channels // conv.groups)
    assert moved.filter_bytes == filters * weights * unit.operand_bytes


CASES = [
    (conv, Tiling(1, rows, outs, ins, order))
    for conv in (
        Convolution(in_channels=4, height=8, width=3, out_channels=4, kernel_h=3, padding=1),
        matrix_product(8, 4, 4, count=2),
    )
    for rows in (2, 4, 8)
    if rows <= conv.out_height and conv.out_height % rows == 0
    for outs in (2, 4)
    for ins in (2, 4)
    for order in ORDERS
]


EXACT = module._bands


def with_every_band_alike(cuts, times):
    first, middle, last = EXACT(cuts, times)
    return first, (middle[0], first[1]), (last[0], first[1])


def without_a_second_tile(cuts, times):
    return 10**9


@pytest.mark.parametrize(
    ("name", "broken"),
    [("_bands", with_every_band_alike), ("_second", without_a_second_tile)],
)
def test_a_broken_sum_is_seen_to_fail(monkeypatch, name, broken):
    unit = machine(dram=Dram(bytes_per_cycle=Fraction(1, 2), latency_cycles=2))
    assert len(CASES) > 20
    assert all(agrees(*case, unit) for case in CASES)
    monkeypatch.setattr(module, name, broken)
    assert not all(agrees(*case, unit) for case in CASES)


def test_three_bands_by_hand():
    """Loads of 3, 4 and 2 for the bands, 5 for the filter that stays, 1 to store, 6 to compute.

    3 + 5, then max(6, 4), max(6, 2 + 1), max(6, 0 + 1), then 1.
    """
    cuts = Cuts(1, 1, 3, 1, 1, np.bool_(True))
    times = Times(3, 4, 2, 5, 1, 6)
    assert module.overlapped_total(cuts, times) == 8 + 6 + 6 + 6 + 1
    assert module.serial_total(cuts, times) == 8 + 4 + 2 + 3 * (6 + 1)
