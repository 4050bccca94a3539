from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hwsim.batch.exhaustive import uniform_tilings
from hwsim.buffers import walk
from hwsim.heuristic import heuristic_tiling
from hwsim.io import preset, preset_names
from hwsim.machine import Array, Dram
from hwsim.networks import network
from hwsim.search import best_run, run, tilings_of
from hwsim.tiling import Tiling, candidates, fits, tile_bytes
from hwsim.workload import Convolution
from tests.hwsim.strategies import buffers, machine, machines, workloads


def tried(conv, unit):
    """Every candidate that fits, run to the end."""
    return [
        run(conv, tiling, unit)
        for tiling in tilings_of(conv, unit)
        if fits(tile_bytes(conv, tiling, unit), unit.buffers)
    ]


@settings(max_examples=80, deadline=None)
@given(workloads, machines)
def test_the_search_finds_what_trying_every_candidate_finds(conv, unit):
    everything = tried(conv, unit)
    assume(everything)
    best = best_run(conv, unit)
    assert best._replace(searched=None) in everything
    assert best.merit[:2] == min(each.merit[:2] for each in everything)


@settings(max_examples=80, deadline=None)
@given(workloads, machines)
def test_the_search_is_never_worse_than_the_rule(conv, unit):
    ruled = heuristic_tiling(conv, unit)
    assume(ruled is not None)
    assert best_run(conv, unit).merit[:2] <= run(conv, ruled, unit).merit[:2]


@pytest.mark.parametrize("name", preset_names())
def test_on_every_preset_the_rule_finds_a_mapping_no_better_than_the_search(name):
    unit = preset(name)
    convs = {p for x in network("resnet34").layers for p in x.primitives if hasattr(p, "taps")}
    for conv in sorted(convs, key=repr)[::4]:
        ruled = heuristic_tiling(conv, unit)
        assert ruled is not None
        assert best_run(conv, unit).cycles <= run(conv, ruled, unit).cycles


def test_the_search_says_what_it_searched():
    unit = machine(buffers=buffers(400))
    conv = Convolution(in_channels=8, height=9, width=9, out_channels=20)
    found = best_run(conv, unit).searched
    assert found.others >= found.fitting >= found.timed >= 1
    assert (found.equal, found.others) == (
        len(uniform_tilings(conv)),
        len(list(candidates(conv, unit.array))),
    )
    assert run(conv, Tiling(1, 1, 1, 1, "ifmap-outer"), unit).searched is None
    assert found.sentence.startswith(f"{found.equal} mappings into equal tiles and ")


@settings(max_examples=40, deadline=None)
@given(workloads, machines, st.integers(2, 5))
def test_more_memory_or_bandwidth_never_costs_cycles(conv, unit, times):
    assume(tried(conv, unit))
    faster = replace(unit, dram=replace(unit.dram, bytes_per_cycle=unit.dram.bytes_per_cycle * 2))
    size = unit.buffers.ifmap_bytes * times
    larger = replace(unit, buffers=buffers(size, double=unit.buffers.double_buffered))
    cycles = best_run(conv, unit).cycles
    assert best_run(conv, faster).cycles <= cycles
    assert best_run(conv, larger).cycles <= cycles


def test_a_memory_that_never_waits_leaves_only_the_first_load_and_the_last_store():
    unit = machine(dram=Dram(bytes_per_cycle=Fraction(10**9)), array=Array(rows=8, cols=8))
    conv = Convolution(in_channels=8, height=9, width=9, out_channels=20, kernel_h=3, kernel_w=3)
    best = best_run(conv, unit)
    assert best.cycles == best.array.total + 3


def test_buffers_too_small_for_one_tile_are_refused_in_one_sentence():
    conv = Convolution(in_channels=3, height=8, width=50, out_channels=4, label="stem")
    with pytest.raises(
        ValueError, match=r"^buffers of small must hold 2 tiles of at least 50 "
    ) as e:
        best_run(conv, machine(buffers=buffers(99)))
    assert "stem" in str(e.value)
    assert best_run(conv, machine(buffers=buffers(400)))


@pytest.mark.parametrize("name", preset_names())
def test_what_a_preset_fetches_for_resnet34_fits_its_buffers(name):
    """Tile by tile on the literal walk, which also agrees on the bytes."""
    unit = preset(name)
    convs = {p for x in network("resnet34").layers for p in x.primitives if hasattr(p, "macs")}
    assert len(convs) > 10
    for conv in convs:
        best = best_run(conv, unit)
        steps = walk(conv, best.tiling, unit, lambda *_: 0)
        held = unit.buffers.tiles_held
        assert max(s.ifmap_bytes for s in steps) * held[0] <= unit.buffers.ifmap_bytes
        assert max(s.filter_bytes for s in steps) * held[1] <= unit.buffers.filter_bytes
        sums = max(s.ofmap_bytes for s in steps) // unit.operand_bytes * unit.accumulator_bytes
        assert sums * held[2] <= unit.buffers.ofmap_bytes
        fetched = sum(s.ifmap_bytes + s.filter_bytes + s.ofmap_bytes for s in steps)
        assert fetched == best.traffic.total_bytes


def test_a_batch_that_needs_millions_of_tiles_is_refused_in_one_sentence():
    conv = Convolution(batch=10**9, in_channels=3, height=8, width=8, out_channels=4, label="stem")
    with pytest.raises(ValueError, match=r"^stem must be small enough for at most 131072 tiles "):
        best_run(conv, machine())
