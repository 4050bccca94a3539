from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings

from hwsim.cost import Cost
from hwsim.evaluate import compare_forms, cost_layers, estimate, layer_forms
from hwsim.io import preset, preset_names
from hwsim.lowering import FORMS
from hwsim.machine import Mover, SharedL2, Support, with_vector_unit
from hwsim.networks import network
from hwsim.search import best_run
from hwsim.tiling import Tiling
from hwsim.workload import (
    Convolution,
    Copy,
    Elementwise,
    Layer,
    Shift,
    Softmax,
    Unmodelled,
    matrix_product,
)
from tests.hwsim.strategies import buffers, machine, machines, workloads


def cost_of(unit, *primitives):
    (layer,) = cost_layers([Layer(name="x", form="x", primitives=primitives)], unit)
    return layer


@settings(max_examples=60, deadline=None)
@given(workloads, machines)
def test_a_convolution_costs_its_best_run_part_by_part(conv, unit):
    unit = replace(unit, buffers=buffers(9999))
    (only,), run = cost_of(unit, conv).primitives, best_run(conv, unit)
    cost = only.cost
    assert only.tiling == run.tiling
    assert cost.cycles == sum(cost.budget.values()) == run.cycles
    assert cost.stall_cycles + cost.l2_stall_cycles == run.cycles - run.array.total
    assert cost.buffer_stall_cycles == run.array.waiting
    assert cost.compute_cycles + cost.fragmentation_cycles == run.array.streamed
    assert (cost.compute_cycles - 1) * unit.array.macs_per_cycle < cost.macs
    assert cost.macs <= cost.compute_cycles * unit.array.macs_per_cycle
    assert cost.compulsory_bytes <= cost.dram_bytes == run.traffic.total_bytes


@pytest.mark.parametrize("machine_name", preset_names())
def test_a_network_costs_the_sum_of_its_layers_and_they_of_their_primitives(machine_name):
    result = estimate(network("resnet34"), preset(machine_name))
    assert result.cost == sum((layer.cost for layer in result.layers), Cost())
    parts = [each.cost for layer in result.layers for each in layer.primitives]
    assert result.cost == sum(parts, Cost())
    assert result.cost.macs == network("resnet34").macs
    assert result.cost.dram_bytes >= result.cost.compulsory_bytes
    assert 0 < result.utilisation <= 1
    assert result.seconds == result.cost.cycles / preset(machine_name).clock_hz


def test_elementwise_work_takes_the_longer_of_vector_unit_and_dram_by_hand():
    """100 products on 4 lanes: 25 cycles; 200 read and 100 written at 4 per cycle: 50 + 25."""
    layer = cost_of(machine(), Elementwise(kind="multiply", elements=100, inputs=2))
    assert layer.cost == Cost(
        vector_cycles=25,
        stall_cycles=50,
        vector_ops=100,
        dram_read_bytes=200,
        dram_write_bytes=100,
        compulsory_bytes=300,
        lower_bound_bytes=300,
    )


@pytest.mark.parametrize("operand_bytes", [1, 2, 4])
def test_vector_traffic_grows_with_the_width_of_a_number(operand_bytes):
    unit = machine(operand_bytes=operand_bytes)
    assert cost_of(unit, Softmax(rows=5, cols=8)).cost.dram_read_bytes == 40 * operand_bytes


def test_a_fused_primitive_hides_under_the_array_and_what_does_not_fit_is_exposed():
    product = matrix_product(4, 4, 4)
    alone = cost_of(machine(), product).cost
    relu = Elementwise(kind="relu", elements=16, fused=True)
    hidden = cost_of(machine(), product, relu).cost
    assert (hidden.cycles, hidden.hidden_vector_cycles) == (alone.cycles, 4)
    slow = Elementwise(kind="relu", elements=4 * alone.cycles + 12, fused=True)
    exposed = cost_of(machine(), product, relu, slow).cost
    assert exposed.hidden_vector_cycles == alone.cycles
    assert exposed.vector_cycles == 4 + 3
    assert exposed.dram_bytes == alone.dram_bytes


def test_a_copy_takes_the_longer_of_mover_and_dram_by_hand():
    """100 read and 60 written at 4 per cycle: 25 + 15; the mover takes 2 + 100 / 2."""
    copy = Copy(read_elements=100, write_elements=60)
    assert cost_of(machine(), copy).cost.budget["stall"] == 40
    slow = machine(mover=Mover(bytes_per_cycle=Fraction(2), latency_cycles=2))
    cost = cost_of(slow, copy).cost
    assert (cost.movement_cycles, cost.stall_cycles, cost.cycles) == (52, 0, 52)
    assert (cost.dram_read_bytes, cost.dram_write_bytes) == (100, 60)


def test_a_copied_shift_moves_whole_blocks_through_dram_or_on_the_chip_by_hand():
    """20 channels in blocks of 16: 32 a pixel, 8 pixels; 256 bytes at 8 per cycle after 2."""
    work = Shift(elements=160, down=1, right=0, channels=20)
    mover = Mover(bytes_per_cycle=Fraction(8), latency_cycles=2, shift="copy", block_channels=16)
    through = cost_of(machine(mover=mover), work).cost
    assert (through.movement_cycles, through.dram_bytes) == (2 + 32, 2 * 256)
    assert through.stall_cycles == 2 * 64 - 34
    near = cost_of(machine(mover=replace(mover, on_chip=True)), work).cost
    assert near == Cost(movement_cycles=34)


def test_a_second_level_makes_a_transfer_no_faster_than_a_cores_share_of_it_by_hand():
    """200 read and 100 written at 4 per cycle, 50 + 25; through a third of 6: 100 + 50."""
    work = Elementwise(kind="multiply", elements=100, inputs=2)
    level = SharedL2(bytes_per_cycle=Fraction(6), cores=3)
    cost = cost_of(machine(l2=level), work).cost
    assert (cost.vector_cycles, cost.stall_cycles, cost.l2_stall_cycles) == (25, 50, 75)
    assert (cost.l2_bytes, cost.dram_bytes) == (300, 300)


def test_what_a_second_level_holds_is_read_from_dram_once():
    product = matrix_product(64, 64, 64)
    small = machine(buffers=buffers(600))
    alone = cost_of(small, product).cost
    level = SharedL2(size_bytes=2 * 64 * 64, bytes_per_cycle=Fraction(64))
    held = cost_of(replace(small, l2=level), product).cost
    assert alone.dram_bytes > alone.compulsory_bytes == held.dram_bytes
    assert held.l2_bytes > held.dram_bytes
    assert held.cycles < alone.cycles
    missed = cost_of(replace(small, l2=replace(level, cores=2)), product).cost
    assert missed.dram_bytes > held.dram_bytes


def test_what_nothing_describes_is_named_and_never_free():
    product = matrix_product(3, 3, 3)
    layer = cost_of(machine(), product, Unmodelled(reason="nobody knows", label="Thing"))
    assert layer.not_executable == ("Thing: nobody knows",)
    assert layer.cost == cost_of(machine(), product).cost


def test_what_the_support_matrix_rules_out_is_not_executed():
    unit = machine(support={"depthwise": Support(level="not executable")})
    depthwise = Convolution(in_channels=4, out_channels=4, groups=4, height=5, width=5)
    layer = cost_of(unit, depthwise)
    assert layer.not_executable == ("convolution: small does not execute depthwise",)
    assert layer.cost == Cost()
    assert cost_of(unit, replace(depthwise, groups=1)).cost.macs == 400


def test_nothing_hides_under_vector_work():
    add = Elementwise(kind="add", elements=16, inputs=2)
    relu = Elementwise(kind="relu", elements=16, fused=True)
    assert cost_of(machine(), add, relu).cost.vector_cycles == 8


def test_what_a_machine_has_no_unit_for_is_a_result_with_its_reason():
    product = matrix_product(3, 3, 3)
    layer = cost_of(machine(vector=None), product, Softmax(rows=3, cols=3))
    assert layer.not_executable == ("softmax: small has no vector unit",)
    assert layer.cost == cost_of(machine(vector=None), product).cost
    softmax = layer.primitives[1]
    assert (softmax.cost, softmax.tiling) == (Cost(), None)


@pytest.mark.parametrize(
    ("machine_name", "costed", "missing"),
    [
        ("tpu-v1", 121, "nothing"),
        ("gemmini-default", 120, "1 x mean pool: gemmini-default does not execute mean"),
    ],
)
def test_coverage_says_what_is_not_in_the_cost(machine_name, costed, missing):
    """72 layers and 49 ReLUs: one for conv1, and three for each of the 16 blocks."""
    sentence = estimate(network("resnet50"), preset(machine_name)).coverage.sentence
    assert sentence == (
        f"costed {costed} of 121 primitives, 100.0% of the MACs; not executable: {missing}"
    )


def test_scalesim_executes_convolutions_only_and_everything_with_a_hypothetical_unit():
    unit = preset("scalesim-default")
    bare = estimate(network("resnet34"), unit)
    assert bare.coverage.costed == sum(layer.macs > 0 for layer in network("resnet34").layers)
    assert bare.cost.vector_ops == 0
    full = estimate(network("resnet34"), with_vector_unit(unit, 32))
    assert full.coverage.costed == full.coverage.asked
    assert full.cost.vector_ops > 0


@pytest.mark.parametrize("machine_name", preset_names())
def test_forms_of_a_layer_are_costed_under_one_policy(machine_name):
    unit = with_vector_unit(preset(machine_name), 16)
    forms = layer_forms(unit, in_channels=64, out_channels=64, height=28, width=28)
    assert list(forms) == list(FORMS)
    missing = [reason for layer in forms.values() for reason in layer.not_executable]
    assert bool(missing) is not unit.supports("per-pixel").executable
    assert all(reason.endswith(" does not execute per-pixel") for reason in missing)
    plain, merged = forms["convolution"].cost, forms["xvolution-fused"].cost
    training = forms["xvolution-training"].cost
    assert training.macs == merged.macs == 5 * plain.macs
    assert merged.cycles < training.cycles
    assert merged.compulsory_bytes < training.compulsory_bytes


def test_a_stage_compared_in_every_form_is_its_3x3_layers_only():
    compared = compare_forms("resnet50", "conv5_x", preset("tpu-v1"))
    assert list(compared) == list(FORMS)
    for form, result in compared.items():
        assert [layer.name for layer in result.layers] == [f"conv5_{b}.conv2" for b in (1, 2, 3)]
        assert {layer.form for layer in result.layers} == {form}
    whole = estimate(network("resnet50", stage="conv5_x", form="attention"), preset("tpu-v1"))
    costs = {layer.name: layer.cost for layer in whole.layers}
    for layer in compared["attention"].layers:
        assert layer.cost == costs[layer.name]


def test_a_batch_reads_weights_less_often_than_its_images_one_by_one():
    unit = preset("tpu-v1")
    one = estimate(network("resnet34").only("conv5_2.conv1"), unit).cost
    eight = estimate(network("resnet34", batch=8).only("conv5_2.conv1"), unit).cost
    assert eight.macs == 8 * one.macs
    assert eight.filter_read_bytes < 8 * one.filter_read_bytes
    assert eight.cycles < 8 * one.cycles


def test_the_worked_example_of_the_documentation():
    """Every number is derived in docs/hwsim.md, "One layer by hand"."""
    asked = network("resnet34").only("conv3_1.downsample")
    (layer,) = estimate(asked, preset("scalesim-default")).layers
    (only,) = layer.primitives
    assert only.tiling == Tiling(1, 1, 128, 64, only.tiling.order)
    assert only.cost.budget == {
        "compute": 6_272,
        "fragmentation": 896,
        "fill_drain": 9_632,
        "vector": 0,
        "movement": 0,
        "buffer_stall": 0,
        "l2_stall": 0,
        "stall": 4_606,
    }
    assert only.cost.cycles == 21_406
    assert only.cost.dram_bytes == only.cost.compulsory_bytes == 208_896
