"""No schedule moves less than the bound, and good ones not much more."""

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hwsim import lower_bound as module
from hwsim.io import preset
from hwsim.lower_bound import lower_bound_bytes, terms, window_reuse, words_bound
from hwsim.search import best_run
from hwsim.tiling import fits, tile_bytes
from hwsim.traffic import compulsory_traffic, traffic
from hwsim.workload import Convolution, matrix_product
from tests.hwsim.strategies import buffers, convolutions, machine, machines, tiled, workloads


@settings(max_examples=300, deadline=None)
@given(tiled(), machines, st.integers(4, 400))
def test_no_tiling_that_fits_moves_less(case, unit, size):
    conv, tiling = case
    unit = replace(unit, buffers=buffers(size, double=False))
    assume(fits(tile_bytes(conv, tiling, unit), unit.buffers))
    assert traffic(conv, tiling, unit).total_bytes >= lower_bound_bytes(conv, unit)


@settings(max_examples=100, deadline=None)
@given(workloads, machines)
def test_it_is_never_below_the_compulsory_bytes(conv, unit):
    assert lower_bound_bytes(conv, unit) >= compulsory_traffic(conv, unit).total_bytes


@settings(max_examples=100, deadline=None)
@given(convolutions())
def test_terms_are_the_pairs_of_an_output_and_a_number_of_the_image(conv):
    def met(kernel, size, outs, stride):
        taps = [(y * stride + t * conv.dilation) for y in range(outs) for t in range(kernel)]
        return sum(0 <= place - conv.padding < size for place in taps)

    rows = met(conv.kernel_h, conv.height, conv.out_height, conv.stride)
    cols = met(conv.kernel_w, conv.width, conv.out_width, conv.stride_across)
    per_pair = conv.batch * conv.out_channels * (conv.in_channels // conv.groups)
    assert terms(conv) == per_pair * rows * cols <= conv.macs


@settings(max_examples=100, deadline=None)
@given(convolutions())
def test_no_number_stands_in_more_windows_than_said(conv):
    places = [
        y * conv.stride + t * conv.dilation
        for y in range(conv.out_height)
        for t in range(conv.kernel_h)
    ]
    across = [
        x * conv.stride_across + t * conv.dilation
        for x in range(conv.out_width)
        for t in range(conv.kernel_w)
    ]
    most = max(map(places.count, places)) * max(map(across.count, across))
    assert most <= window_reuse(conv)


def test_a_matrix_product_by_hand():
    """512 cubed with 4096 numbers: 2 * 2**27 / 64 - 8192 - 2**18."""
    assert words_bound(matrix_product(512, 512, 512), 4096) == 2**22 - 8192 - 2**18


def small_chip():
    return machine(buffers=buffers(3000, double=False), accumulator_bytes=1)


def test_a_good_schedule_of_a_large_product_is_within_a_factor_of_the_bound():
    conv, unit = matrix_product(512, 512, 512), small_chip()
    factor = best_run(conv, unit).traffic.total_bytes / lower_bound_bytes(conv, unit)
    assert 1 <= factor < 4


def test_a_bound_without_the_reuse_of_windows_is_seen_to_fail(monkeypatch):
    conv = Convolution(
        in_channels=64, height=32, width=32, out_channels=64, kernel_h=7, kernel_w=7, padding=3
    )
    unit = machine(buffers=buffers(4000, double=False), accumulator_bytes=1)
    moved = best_run(conv, unit).traffic.total_bytes
    assert moved >= lower_bound_bytes(conv, unit)
    monkeypatch.setattr(module, "window_reuse", lambda conv: 1 / 16)
    assert moved < lower_bound_bytes(conv, unit)


@pytest.mark.parametrize("name", ["tpu-v1", "scalesim-default", "gemmini-default"])
def test_presets_stay_above_it(name):
    conv = Convolution(
        batch=8,
        in_channels=256,
        height=28,
        width=28,
        out_channels=256,
        kernel_h=3,
        kernel_w=3,
        padding=1,
    )
    unit = preset(name)
    assert best_run(conv, unit).traffic.total_bytes >= lower_bound_bytes(conv, unit)
