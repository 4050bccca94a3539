"""What the lowering counts is what running it counts, and what the golden model counts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.dynamic import OPERATIONS, PerPixel
from hwsim.execute import Measured, execute
from hwsim.execute.dynamic import per_pixel
from hwsim.lowering import Options, backward, write
from hwsim.lowering import per_pixel as ways_module
from hwsim.lowering.per_pixel import ways
from hwsim.workload import Convolution, Elementwise, Reduction, Softmax, macs_of
from refimpl import BatchNorm
from refimpl.forms import Fused, XVolution, cost, trained_cost
from tests.lowering.cases import GOLDEN, cases, given_of, numbers
from tests.lowering.golden import arguments

COUNTED = Elementwise | Reduction | Softmax


@pytest.mark.parametrize("form", GOLDEN)
def test_every_step_takes_the_operations_that_running_it_counts(form):
    @settings(max_examples=5, deadline=None, database=None, derandomize=True)
    @given(cases(form))
    def check(case):
        *_, graph, given, unit = case
        both = backward(graph).graph
        dy = np.ones(graph.shape_of(graph.results["y"]))
        measured = execute(both, given | {"d_y": dy}, unit).measured
        for step, each in zip(both.steps, measured, strict=True):
            assert each.macs == macs_of(step.primitive)
            if isinstance(step.primitive, COUNTED):
                assert each.operations == step.primitive.operations

    check()


@st.composite
def products(draw):
    """Any product per pixel, and numbers for both operands."""
    side, dilation = draw(st.sampled_from([1, 3])), draw(st.integers(1, 2))
    extent = dilation * (side - 1) + 1
    height, width = (draw(st.integers(extent, extent + 4)) for _ in range(2))
    stride = draw(st.integers(1, 2))
    operation = draw(st.sampled_from(OPERATIONS))
    kernels = operation in OPERATIONS[3:]
    work = PerPixel(
        operation=operation,
        batch=draw(st.integers(1, 2)),
        heads=draw(st.integers(1, 2)),
        channels=draw(st.integers(1, 3)),
        outputs=draw(st.integers(1, 3)) if kernels else 1,
        height=height,
        width=width,
        out_height=-(-height // stride),
        out_width=-(-width // stride),
        kernel_h=side,
        kernel_w=side,
        stride=stride,
        dilation=dilation,
        border=draw(st.sampled_from(["zero", "clamp"])),
    )
    grid, image = (work.out_height, work.out_width), (height, width)
    at_pixels, weights = (work.channels, *grid), (work.weight_elements // work.pixels, *grid)
    shapes = {
        "score": (at_pixels, (work.channels, *image)),
        "weigh": (weights, (work.channels, *image)),
        "scatter": (weights, at_pixels),
        "mix": (weights, (work.channels, *image)),
        "spread": (weights, (work.outputs, *grid)),
        "outer": ((work.outputs, *grid), (work.channels, *image)),
    }[operation]
    random = np.random.default_rng(draw(st.integers(0, 99)))
    a, b = (
        random.integers(-3, 4, (work.batch, work.heads * channels, *rest))
        for channels, *rest in shapes
    )
    return work, a, b


@settings(max_examples=120, deadline=None)
@given(products())
def test_a_product_per_pixel_gives_the_same_numbers_in_every_way(case):
    work, a, b = case
    first = per_pixel(work, a, b, "vector", Measured())
    for way in ways(work)[1:]:
        count = Measured()
        assert (per_pixel(work, a, b, way.name, count) == first).all()
        assert count.macs == way.macs
    assert first.size == work.write_elements
    assert a.size + b.size == work.read_elements


@settings(max_examples=60, deadline=None)
@given(products())
def test_only_a_block_of_pixels_wastes_products(case):
    work, *_ = case
    for way in ways(work):
        if way.name == "small":
            assert way.macs == work.macs
        if way.name == "banded":
            assert way.macs >= work.macs


def test_a_block_that_forgets_its_halo_is_seen_to_fail(monkeypatch):
    work = PerPixel(
        operation="score",
        channels=2,
        height=6,
        width=6,
        out_height=6,
        out_width=6,
        kernel_h=3,
        kernel_w=3,
    )
    a = np.ones((1, 2, 6, 6), int)

    def agrees():
        count = Measured()
        per_pixel(work, a, a, "banded", count)
        return count.macs == ways(work)[2].macs

    assert agrees()
    monkeypatch.setattr(ways_module, "spots", lambda work, rows, cols: 16)
    assert not agrees()


SITE = Convolution(
    in_channels=2, height=5, width=4, out_channels=6, kernel_h=3, kernel_w=3, padding=1, stride=2
)
FUSED = {
    "xvolution-fused": "feature",
    "xvolution-two-pass": "two-pass",
    "xvolution-tied": "tied",
    "xvolution-square": "square",
    "xvolution-shared": "shared",
    "xvolution-kernel": "kernel",
}


def fused(form, options, given):
    """A fused X-volution of `refimpl` made of the lowering's tensors."""
    shifts, steps, _ = arguments(SITE, options)
    names = ("w", "b", "alpha") if "w" in given and "square" not in form else ("w_c", "w_a", "b")
    arrays = {name: given[name] for name in names if name in given}
    return Fused(attention="pssa", form=FUSED[form], arrays=arrays, options={**shifts, **steps})


@pytest.mark.parametrize("form", FUSED)
def test_fused_forms_take_what_the_golden_model_counts(form):
    options = Options()
    graph, given = given_of(form, SITE, options, 0)
    counted = cost(fused(form, options, given), SITE.height, SITE.width)
    elements = sum(p.elements for p in graph.primitives if isinstance(p, Elementwise))
    assert (graph.macs, elements) == (counted.array_macs, counted.elementwise)


@pytest.mark.parametrize(
    ("form", "attention"),
    [
        ("xvolution-training", "pssa"),
        ("xvolution-training-local", "local_attention"),
        ("xvolution-training-sa", "global_attention"),
    ],
)
def test_training_forms_take_what_the_golden_model_counts(form, attention):
    """Its products of attention are the scale, which the lowering folds into the queries."""
    graph = write(form, SITE)
    given = numbers(graph, 0)
    norm = BatchNorm(*(np.ones(SITE.out_channels) for _ in range(4)))
    arrays = {name: each for name, each in given.items() if name.startswith("w_")}
    trained = XVolution(
        attention=attention, arrays=arrays, bn_c=norm, bn_a=norm, stride=SITE.stride
    )
    counted = trained_cost(trained, SITE.height, SITE.width)
    assert graph.macs == counted.array_macs
    assert graph.products == (counted.elementwise if attention == "pssa" else 0)


@pytest.mark.parametrize(
    ("form", "attention", "kind"),
    [
        ("xvolution-kernel-local", "local_attention", "kernel"),
        ("xvolution-sa", "global_attention", "sa"),
    ],
)
def test_merged_attention_takes_what_the_golden_model_counts(form, attention, kind):
    graph = write(form, SITE)
    options = {"stride": SITE.stride, "kernel": 3, "heads": 1}
    fusion = Fused(attention=attention, form=kind, arrays=numbers(graph, 0), options=options)
    assert graph.macs == cost(fusion, SITE.height, SITE.width).array_macs


def test_the_square_form_on_the_array_counts_its_sums_as_multiply_accumulates():
    on_array, beside = write("xvolution-square-array", SITE), write("xvolution-square", SITE)
    pixels = SITE.in_channels * SITE.height * SITE.width
    assert on_array.macs - beside.macs == pixels * 8 * 5  # 2D sums of 1 + D maps, D = 4
    assert on_array.products == beside.products


def test_largest_tensors_are_those_that_the_forms_are_known_for():
    pixels, queries = SITE.height * SITE.width, SITE.out_height * SITE.out_width
    kernels = queries * SITE.out_channels * SITE.in_channels * 9
    assert write("attention", SITE).largest.elements == queries * pixels
    assert write("xvolution-kernel-stored", SITE).largest.elements == kernels
    for form in ("attention-tiled", "xvolution-fused", "xvolution-kernel-local"):
        assert write(form, SITE).largest.elements < queries * pixels * 2
