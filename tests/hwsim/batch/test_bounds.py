from hypothesis import given, settings

from hwsim.batch.bounds import bounds
from hwsim.batch.exhaustive import best_uniform, fitting, uniform_sizes, uniform_tilings
from hwsim.search import run
from hwsim.tiling import fits, tile_bytes
from hwsim.workload import Convolution
from tests.hwsim.strategies import machine, machines_of_every_kind, tiled, workloads


@settings(max_examples=150, deadline=None)
@given(tiled(), machines_of_every_kind())
def test_bounds_are_exact_for_the_array_and_never_above_a_run(case, unit):
    conv, tiling = case
    ran, least = run(conv, tiling, unit), bounds(conv, unit, [tiling])
    assert least.array[0] == ran.array.total
    assert ran.array.total <= least.cycles[0] <= ran.cycles
    assert least.bytes[0] <= ran.traffic.total_bytes


@settings(max_examples=100, deadline=None)
@given(workloads, machines_of_every_kind())
def test_what_fits_in_columns_fits_alone(conv, unit):
    tilings = uniform_tilings(conv)[::2]
    expected = [fits(tile_bytes(conv, tiling, unit), unit.buffers) for tiling in tilings]
    assert fitting(conv, unit, uniform_sizes(conv).T).tolist() == expected


@settings(max_examples=60, deadline=None)
@given(workloads, machines_of_every_kind())
def test_the_best_into_equal_tiles_is_the_best_of_all_of_them(conv, unit):
    merits = [
        run(conv, tiling, unit).merit[:2]
        for tiling in uniform_tilings(conv)
        if fits(tile_bytes(conv, tiling, unit), unit.buffers)
    ]
    best = best_uniform(conv, unit)
    assert (best is None) == (not merits)
    if best is not None:
        assert run(conv, best, unit).merit[:2] == min(merits)


def test_a_long_axis_with_many_divisors_is_thinned():
    conv = Convolution(in_channels=720720, height=1, width=1, out_channels=2)
    assert len(uniform_sizes(conv)) == 32 * 2
    assert best_uniform(conv, machine()) is not None
