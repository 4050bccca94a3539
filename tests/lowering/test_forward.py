"""Every form, run as lowered and tiled, gives what the golden model gives."""

from dataclasses import replace
from math import expm1

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.execute import Measured, array, dynamic, execute
from hwsim.execute.dynamic import WAYS
from hwsim.lowering import Options, build, write
from hwsim.workload import Convolution
from refimpl import conv2d
from tests.hwsim.strategies import ARRAYS_OF, buffers, machine, tiled
from tests.lowering.cases import GOLDEN, cases, given_of, numbers
from tests.lowering.golden import ROOTS, SOFTMAX, golden
from tests.lowering.literal import literal_product

UNIT = 2.0**-53


def bound(graph, given):
    """How far two evaluations of a softmax form may differ in float64, whole numbers given.

    Projections of whole numbers are exact, so scores z are. An exponent is a rounded difference,
    with one more for each of up to n blocks of keys: a weight is within a factor e^{±r} of another
    evaluation's, r = 16(n + 1)u·max|z| + (10n + 8)u for n keys, and so is a sum of values from the
    same sum of their sizes, with n roundings more. What follows is linear: 64 covers its roundings.
    Numbers given are at most 3 in size, so v and q, k at most 9c, an output projection 3·v times.
    """
    _, channels, height, width = graph.tensors["x"].shape
    keys, deep, values = max(9, height * width), len(given["w_q"]), len(given["w_v"])
    projected = 9 * channels
    r = 16 * (keys + 1) * UNIT * deep * projected**2 + (10 * keys + 8) * UNIT
    return (expm1(r) + 64 * keys * UNIT) * (3 * values * projected + 27 * projected)


def root_bound(graph, given, epsilon=1e-5):
    """How far two evaluations of a form with batch statistics may differ in float64.

    Sums of whole numbers are exact, and so is a branch's result v; means, deviations and their
    squares round a few times each, relative to the largest |v| = s (``refimpl.ops.batch_norm``
    derives it), and 1/√(σ² + ε) raises that at most by 1/√ε: 64·u·s/√ε, times γ, twice.
    """
    _, channels, *_ = graph.tensors["x"].shape
    taps = max(each.elements for each in graph.tensors.values() if each.role == "weight")
    largest = 3 * 9 * taps * channels
    return 2 * 3 * 64 * UNIT * largest / epsilon**0.5


def agrees(form, graph, given, result, expected):
    if form in ROOTS:
        most = root_bound(graph, given)
        return result.shape == expected.shape and bool((np.abs(result - expected) <= most).all())
    if form not in SOFTMAX:
        return result.shape == expected.shape and bool((result == expected).all())
    most = bound(graph, given)
    return result.shape == expected.shape and bool((np.abs(result - expected) <= most).all())


@pytest.mark.parametrize("form", GOLDEN)
def test_running_the_primitives_tile_by_tile_gives_the_golden_result(form):
    @settings(max_examples=8, deadline=None, database=None, derandomize=True)
    @given(cases(form), st.sampled_from(WAYS))
    def check(case, way):
        form, site, options, graph, numbers, unit = case
        result = execute(graph, numbers, unit, way=way).results["y"]
        assert agrees(form, graph, numbers, result, golden(form, site, options, numbers))

    check()


LITERALLY = ("convolution", "xvolution-fused", "xvolution-tied", "xvolution-sa", "pssa")


@pytest.mark.parametrize("dataflow", ARRAYS_OF)
def test_so_it_does_when_every_tile_runs_on_the_literal_array(dataflow):
    @settings(max_examples=8, deadline=None, database=None, derandomize=True)
    @given(st.sampled_from(LITERALLY).flatmap(cases), ARRAYS_OF[dataflow])
    def check(case, array):
        form, site, options, graph, numbers, unit = case
        unit = replace(unit, dataflow=dataflow, array=array)
        product = literal_product(unit)
        result = execute(graph, numbers, unit, product=product).results["y"]
        assert (result == golden(form, site, options, numbers)).all()

    check()


@settings(max_examples=40, deadline=None)
@given(tiled(), st.integers(0, 99))
def test_a_convolution_of_other_strides_across_is_the_golden_one_under_any_tiling(case, seed):
    conv, tiling = case
    random = np.random.default_rng(seed)
    x = random.integers(-3, 4, (conv.batch, conv.in_channels, conv.height, conv.width))
    inner = conv.in_channels // conv.groups
    w = random.integers(-3, 4, (conv.out_channels, inner, conv.kernel_h, conv.kernel_w))
    found = array.convolve(conv, tiling, [x, w], Measured())
    steps = {"stride": (conv.stride, conv.stride_across), "dilation": conv.dilation}
    expected = conv2d(x, w, padding=conv.padding, groups=conv.groups, **steps)
    assert found.shape == expected.shape
    assert (found == expected).all()


SITE = Convolution(
    batch=2, in_channels=3, height=5, width=4, out_channels=5, kernel_h=3, kernel_w=3, padding=1
)


DEFAULT = Options()


def holds(form, options=DEFAULT, **changes):
    """Whether a form of one site agrees on a machine that has to cut it into ragged tiles."""
    site = replace(SITE, **changes)
    graph, given = given_of(form, site, options, 7)
    unit = machine(buffers=buffers(150))
    try:
        result = execute(graph, given, unit).results["y"]
    except LookupError:
        return False
    return agrees(form, graph, given, result, golden(form, site, options, given))


def test_a_swapped_direction_is_seen_to_fail(monkeypatch):
    straight = build.Build.shift

    def swapped(self, x, offset, boundary):
        return straight(self, x, (-offset[0], -offset[1]), boundary)

    rightwards = Options(directions=((0, 1), (1, 0)))
    assert holds("xvolution-fused", rightwards)
    monkeypatch.setattr(build.Build, "shift", swapped)
    assert not holds("xvolution-fused", rightwards)


def test_a_missing_halo_row_is_seen_to_fail(monkeypatch):
    whole = array.rows_of
    assert holds("convolution")
    monkeypatch.setattr(array, "rows_of", lambda conv, rows: whole(conv, rows)[:-1])
    assert not holds("convolution")


def test_a_dropped_ragged_tile_is_seen_to_fail(monkeypatch):
    whole = array._cut

    def even(total, size):
        return [piece for piece in whole(total, size) if len(piece) == size]

    assert holds("convolution")
    monkeypatch.setattr(array, "_cut", even)
    assert not holds("convolution")


def test_a_shift_that_does_not_wrap_around_is_seen_to_fail(monkeypatch):
    straight = build.Build.shift

    def stopping(self, x, offset, boundary):
        return straight(self, x, offset, "zero")

    assert holds("pssa")
    monkeypatch.setattr(build.Build, "shift", stopping)
    assert not holds("pssa")


def test_a_stride_of_the_queries_alone_is_seen_to_fail(monkeypatch):
    assert holds("local-attention", stride=2)
    monkeypatch.setattr(dynamic, "_start", lambda work, at, size, side: at - side // 2)
    assert not holds("local-attention", stride=2)


@pytest.mark.parametrize("missing", ["x", "w"])
def test_a_tensor_that_is_missing_or_of_another_shape_is_refused(missing):
    graph = write("convolution", SITE)
    given = numbers(graph, 0)
    with pytest.raises(ValueError, match=rf"^{missing} must be given with shape \(.*not None$"):
        execute(graph, {n: a for n, a in given.items() if n != missing}, machine())
    with pytest.raises(ValueError, match=rf"^{missing} must be given with shape .*, not \(1,\)$"):
        execute(graph, given | {missing: np.zeros(1)}, machine())
