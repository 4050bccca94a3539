"""What a hardware change buys: judged by walking the tiles and letting time pass."""

from dataclasses import replace
from fractions import Fraction

import pytest

from hwsim import buffers as literal
from hwsim.cycles import tile_cycles
from hwsim.evaluate import cost_layers
from hwsim.io import preset
from hwsim.lowering import Options, convolution_layer
from hwsim.machine import Buffers, Dram, Mover
from hwsim.schedule import tile_of
from hwsim.study import Study, changed
from hwsim.study.changes import CHANGES, remade
from hwsim.study.rows import run_form
from hwsim.study.summary import bought
from hwsim.workload import Convolution, Elementwise, Shift
from tests.hwsim.strategies import machine

SITE = Convolution(
    batch=2, in_channels=8, out_channels=8, height=9, width=5, kernel_h=3, kernel_w=3, padding=1
)
STUDY = Study(
    networks=("resnet34",),
    stages=("conv2_x", "conv5_x"),
    batches=(1,),
    machines=("davinci-310p", "gemmini-default"),
    forms=("convolution", "xvolution-fused"),
)


def small(*, double):
    """A machine that has to cut the site into many tiles, and waits for DRAM."""
    held = Buffers(ifmap_bytes=1600, filter_bytes=800, ofmap_bytes=700, double_buffered=double)
    return machine(buffers=held, dram=Dram(bytes_per_cycle=Fraction(3, 2), latency_cycles=3))


@pytest.fixture(scope="module")
def found():
    return list(changed(STUDY, [preset(name) for name in STUDY.machines]))


@pytest.mark.parametrize("length", [1, 2])
@pytest.mark.parametrize("double", [True, False])
def test_products_made_on_load_take_what_walking_the_tiles_takes(double, length):
    """The rows of x that a tile's taps read at any shift, counted one by one; then time passes."""
    unit, options = small(double=double), Options(length=length)
    form = run_form("xvolution-fused", [(SITE, 1)], unit, {}, options=options)
    (conv,) = (p for p in form.layers[0][0].primitives if isinstance(p.primitive, Convolution))
    merged, tiling = conv.primitive, conv.tiling

    def cycles(pixels, outputs, depth):
        rows = pixels // merged.out_width
        channels = depth // merged.taps
        return tile_cycles(tile_of(merged, 1, rows, outputs, channels), unit).total

    steps = literal.walk(merged, tiling, unit, cycles)
    fed = []
    for step, (band, _, channels, _) in zip(steps, literal._tiles(merged, tiling), strict=True):
        touched = {(i, row) for i, line in band for row in literal._input_rows(merged, line)}
        shifted = {
            (i, (row + shift) % SITE.height) for i, row in touched for shift in (-length, 0, length)
        }
        maps = -(-len(channels) // 5)
        size = len(shifted) * SITE.width * maps * unit.operand_bytes
        fed.append(step._replace(ifmap_bytes=size if step.ifmap_bytes else 0))
    assert len(fed) > 4
    after = remade(form, unit, options, "load")
    before = sum(p.cost.cycles for p in form.layers[0][0].primitives if p is conv)
    assert before == literal.play(steps, unit)
    assert after.cost.cycles == literal.play(fed, unit)
    read = sum(step.ifmap_bytes + step.filter_bytes for step in fed)
    assert after.cost.dram_read_bytes == read


def test_products_made_on_load_need_no_shift_and_no_elementwise_step():
    unit = small(double=True)
    form = run_form("xvolution-fused", [(SITE, 1)], unit, {}, options=Options())
    assert {type(each) for each in form.primitives} == {Convolution, Elementwise, Shift}
    assert {type(p) for p in remade(form, unit, Options(), "load").primitives} == {Convolution}
    chip = remade(form, unit, Options(), "chip")
    assert {type(each) for each in chip.primitives} == {Convolution, Elementwise}
    load = remade(form, unit, Options(), "load")
    assert load.cost.cycles <= chip.cost.cycles <= form.cost.cycles
    assert chip.cost.vector_ops == form.cost.vector_ops


def test_every_change_that_can_be_made_is_made_in_every_case(found):
    for name in STUDY.machines:
        mine = [case for case in found if case.machine == name]
        lacking = {"multiply-unit"} if name == "davinci-310p" else {"shift-address"}
        for stage in STUDY.stages:
            assert {c.change for c in mine if c.stage == stage} == set(CHANGES) - lacking
        on_top = {c.change for c in mine if c.base}
        assert on_top == (
            set() if name == "davinci-310p" else set(CHANGES) - lacking - {"multiply-unit"}
        )


def test_a_changed_machine_costs_what_an_estimate_of_it_costs(found):
    unit = preset("davinci-310p")
    wider = replace(unit, dram=replace(unit.dram, bytes_per_cycle=Fraction(34)))
    shifting = replace(
        unit, mover=Mover(bytes_per_cycle=Fraction(128), shift="modular-generator"), support={}
    )
    site = replace(SITE, batch=1, in_channels=64, out_channels=64, height=56, width=56)
    layer = convolution_layer("f", site, relu=False, form="xvolution-fused")
    for name, changed_unit in (("dram-wider", wider), ("shift-address", shifting)):
        (cost,) = cost_layers([layer], changed_unit)
        (case,) = (
            c for c in found if (c.machine, c.stage, c.change) == ("davinci-310p", "conv2_x", name)
        )
        assert case.cycles_after == 6 * cost.cost.cycles


def test_no_change_makes_the_form_slower_and_friendliness_needs_multiplication(found):
    for case in found:
        assert 0 <= case.saved < 1
        if case.change == "multiply-unit":
            assert not case.friendly_before
            assert case.cycles_after == case.cycles_before


def test_changes_are_ranked_by_the_cases_that_they_make_friendly(found):
    ranked = bought(found)
    assert [each.gained for each in ranked] == sorted((e.gained for e in ranked), reverse=True)
    by_name = {each.change: each for each in ranked}
    load = by_name["product-on-load"]
    assert load.cases == 4
    assert load.least <= load.saved <= load.most
