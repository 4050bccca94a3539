"""ZigZag and Vela beside us: shown; and what is said of them holds in their own rows."""

from dataclasses import replace
from datetime import date
from importlib.resources import files

import pytest

from hwsim.integers import ceil_div
from hwsim.io.machines import preset
from hwsim.io.published import published, published_machine
from hwsim.search import best_run, run, tilings_of
from hwsim.tiling import fits, tile_bytes
from hwsim.validate import vela, zigzag
from hwsim.validate.layers import convolution_of, layer_cost
from hwsim.validate.targets import validate

SIDE = 32
ZIGZAG, VELA = published("zigzag_3_9_1"), published("vela_5_2_0")
"""Rows and columns of the array of ``tpu_like``; and what was recorded."""


def by_layer(rows):
    return {row["layer"]: row for row in rows}


def test_peers_are_shown_without_a_limit():
    found = validate(["zigzag", "vela"])
    assert {each.verdict for each in found} == {"shown"}
    assert len(found) == 4 * len(ZIGZAG) + 3 * len(VELA)


def test_every_difference_of_more_than_two_percent_has_a_reason_or_says_that_it_is_not_known():
    found = validate(["zigzag", "vela"])
    assert [each.case for each in found if abs(each.error) > 0.02 and not each.reason] == []


@pytest.mark.parametrize("peer", [zigzag, vela], ids=["zigzag", "vela"])
def test_every_reason_belongs_to_a_difference_that_is_there(peer):
    found = validate([peer.__name__.rpartition(".")[2]])
    far = {(each.case, each.quantity) for each in found if abs(each.error) > 0.02}
    assert far.issuperset(peer.REASONS)


@pytest.mark.parametrize(("peer", "within", "layers"), [("zigzag", 0.0135, 4), ("vela", 0.0355, 5)])
def test_total_cycles_are_as_close_as_the_page_says(peer, within, layers):
    errors = [abs(each.error) for each in validate([peer]) if each.quantity == "cycles"]
    assert sum(error <= within for error in errors) == layers
    assert len(errors) == 8


def test_a_record_says_which_package_said_it_how_and_when():
    for name, package in (("zigzag_3_9_1", "zigzag-dse 3.9.1"), ("vela_5_2_0", "vela 5.2.0")):
        text = files("hwsim").joinpath("published", f"{name}.csv").read_text("utf-8")
        said = text.splitlines()[0]
        assert package in said
        assert "python -m tests.oracles." in said
        assert date.fromisoformat(said.rpartition("; ")[2])


@pytest.mark.parametrize("row", ZIGZAG, ids=lambda row: row["layer"])
def test_zigzag_streams_channels_through_rows_and_taps_through_cycles(row):
    conv = convolution_of(row)
    folds = ceil_div(conv.in_channels, SIDE) * ceil_div(conv.out_channels, SIDE)
    pixels = conv.out_height * conv.out_width
    assert int(row["array_cycles"]) == folds * conv.taps * pixels


@pytest.mark.parametrize("row", ZIGZAG, ids=lambda row: row["layer"])
def test_zigzags_cycles_are_the_sum_of_its_parts(row):
    parts = ("array", "stall", "onloading", "offloading", "drain")
    assert sum(int(row[f"{part}_cycles"]) for part in parts) == int(row["cycles"])


def test_zigzag_loads_the_input_of_conv2_x_before_the_array_begins():
    row = by_layer(ZIGZAG)[zigzag.SECOND]
    assert int(row["onloading_cycles"]) * 8 == int(row["ifmap_bytes"]) == 64 * 56 * 56
    machine = published_machine("zigzag_tpu_like")
    assert layer_cost(row, machine).stall_cycles < int(row["onloading_cycles"])


def test_zigzag_leaves_out_the_pixels_that_a_stride_skips():
    row = by_layer(ZIGZAG)[zigzag.SHORTCUT]
    assert int(row["ifmap_bytes"]) == 256 * 28 * 28
    machine = published_machine("zigzag_tpu_like")
    moved = best_run(convolution_of(row), machine).traffic
    assert moved.ifmap_bytes == 256 * 28 * 56
    assert moved.filter_bytes == 2 * int(row["filter_bytes"])


@pytest.mark.parametrize("layer", [zigzag.SECOND, zigzag.FOURTH, zigzag.ALEXNET])
def test_what_we_load_again_costs_no_cycles_and_could_be_loaded_once(layer):
    row = by_layer(ZIGZAG)[layer]
    conv, machine = convolution_of(row), published_machine("zigzag_tpu_like")
    fastest = best_run(conv, machine)
    once = sum(int(row[f"{operand}_bytes"]) for operand in ("ifmap", "filter", "ofmap"))
    few = [
        run(conv, tiling, machine)
        for tiling in tilings_of(conv, machine)
        if tiling.rows == conv.out_height
        and tiling.out_channels >= SIDE
        and fits(tile_bytes(conv, tiling, machine), machine.buffers)
    ]
    least = min(few, key=lambda each: each.traffic.total_bytes)
    assert least.traffic.total_bytes == once < fastest.traffic.total_bytes
    assert fastest.cycles < least.cycles


def test_a_sum_of_zigzag_stays_in_its_element_and_ours_passes_through_sram():
    """Its loops take taps and channels inside pixels; ours adds in SRAM at each of 18 folds."""
    row = by_layer(ZIGZAG)[zigzag.SECOND]
    assert row["loops"].split()[:3] == ["C2", "FY3", "FX3"]
    conv = convolution_of(row)
    cost = layer_cost(row, published_machine("zigzag_tpu_like"))
    folds = ceil_div(conv.in_channels * conv.taps, SIDE)
    assert cost.sram_ofmap_bytes == 2 * 2 * folds * conv.out_elements


def test_the_machine_beside_zigzag_has_its_sizes_and_is_no_preset():
    machine = published_machine("zigzag_tpu_like")
    assert machine.array.macs_per_cycle == 1024
    assert machine.buffers.filter_bytes == 1024 * 128
    assert machine.energy.dram_pj_per_byte == 700 / 8
    assert machine.energy.register_pj_per_byte * 6 == pytest.approx(0.095 + 2 * 0.021)


def test_zigzags_energy_needs_a_table():
    machine = replace(published_machine("zigzag_tpu_like"), energy=None)
    with pytest.raises(ValueError, match=r"^zigzag-tpu-like must have an energy table to stand"):
        list(zigzag.zigzag_comparisons(ZIGZAG, machine))


@pytest.mark.parametrize("row", VELA, ids=lambda row: row["layer"])
def test_velas_total_is_the_longer_of_array_and_memory_without_latency(row):
    assert int(row["memory_cycles"]) == int(row["bytes"]) // 8
    assert int(row["cycles"]) == max(int(row["npu_cycles"]), int(row["memory_cycles"]))


@pytest.mark.parametrize("row", VELA, ids=lambda row: row["layer"])
def test_vela_counts_writes_twice_and_loads_weights_anew_for_every_block_of_pixels(row):
    conv = convolution_of(row)
    height, width, _ = map(int, row["block"].split())
    blocks = ceil_div(conv.out_height, height) * ceil_div(conv.out_width, width)
    assert int(row["ofmap_bytes"]) == 2 * conv.out_elements
    assert int(row["filter_bytes"]) == blocks * int(row["encoded_bytes"])


@pytest.mark.parametrize("row", VELA, ids=lambda row: row["layer"])
def test_velas_weights_are_not_compressed(row):
    conv = convolution_of(row)
    assert int(row["encoded_bytes"]) > conv.out_channels * conv.in_channels * conv.taps


@pytest.mark.parametrize("row", VELA, ids=lambda row: row["layer"])
def test_velas_array_takes_the_steps_of_blocks_of_2_by_2_and_a_few_percent(row):
    """Eight output channels from eight input ones; a block of pixels no faster than its weights."""
    conv = convolution_of(row)
    taps = conv.taps if row["traversal"] == "DepthFirst" else ceil_div(conv.taps, 4) * 4
    height, width, _ = map(int, row["block"].split())
    height, width = min(height, conv.out_height), min(width, conv.out_width)
    of_block = ceil_div(height, 2) * ceil_div(width, 2)
    pixels = ceil_div(conv.out_height, 2) * ceil_div(conv.out_width, 2)
    waiting = max(1, 32 / (4 * of_block))
    steps = pixels * taps * ceil_div(conv.in_channels, 8) * ceil_div(conv.out_channels, 8)
    assert 1 < int(row["npu_cycles"]) / (steps * waiting) < 1.035


def test_vela_loads_the_input_of_the_shortcut_for_four_groups_of_outputs():
    row = by_layer(VELA)[vela.SHORTCUT]
    groups = ceil_div(512, int(row["block"].split()[2]))
    assert int(row["ifmap_bytes"]) == groups * 256 * 56 * 56
    assert int(row["memory_cycles"]) > int(row["npu_cycles"])


def test_without_latency_the_product_takes_us_what_its_bytes_take():
    machine = preset("ethos-u55-like")
    free = replace(machine, dram=replace(machine.dram, latency_cycles=0))
    (row,) = [row for row in VELA if row["layer"] == vela.PRODUCT]
    cost = layer_cost(row, free)
    assert cost.cycles < int(row["cycles"]) < layer_cost(row, machine).cycles
    assert cost.cycles == pytest.approx(cost.dram_bytes / 8, rel=1e-3)
