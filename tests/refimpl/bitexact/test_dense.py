"""Sums on panels against the loops that define them: every geometry, extremes, every bit."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.bitexact import (
    accumulate,
    dense,
    float_operators,
    integer_operators,
    integer_sum,
    mac,
)
from refimpl.bitexact.accumulate import kernel_rows, patches, sum_float32, sum_int32
from refimpl.bitexact.accumulation import Accumulation
from refimpl.bitexact.formats import FORMATS, default_cast, encode
from refimpl.bitexact.integer_output import after_sum
from refimpl.bitexact.integer_sum import IntegerAccumulator
from refimpl.bitexact.operators import PIPELINES
from refimpl.bitexact.requantise import ALL_RULES, Factor, scaling
from refimpl.io.reproduce import environment
from refimpl.ops.conv2d import conv_geometry
from refimpl.vectors.machines import MACHINES, PLAIN
from tests.refimpl.bitexact import literal

LOW, HIGH = -(2**15), 2**15 - 1


@st.composite
def convolutions(draw):
    """Shapes whose tiles, panels and pairs are ragged in every way; (image, kernels, geometry)."""
    n, c = draw(st.integers(1, 2)), draw(st.sampled_from([1, 2, 3, 5, 37]))
    o = draw(st.sampled_from([1, 2, 3, 7, 8, 15]))
    kernel = draw(st.tuples(*[st.integers(1, 4)] * 2))
    dilation, stride = (draw(st.tuples(*[st.integers(1, 3)] * 2)) for _ in range(2))
    padding = draw(st.tuples(*[st.integers(0, 4)] * 2))
    sides = tuple(
        max(draw(st.integers(1, 11)), apart * (size - 1) + 1 - 2 * pad)
        for size, apart, pad in zip(kernel, dilation, padding, strict=True)
    )
    image, kernels = (n, c, *sides), (o, c, *kernel)
    geometry = conv_geometry(image, kernels, stride=stride, padding=padding, dilation=dilation)
    return image, kernels, geometry


def looped(x, w, geometry, monkeypatch, start=None):
    """The same sums by the loops, whatever there is to sum."""
    monkeypatch.setattr(accumulate, "pays", lambda _: False)
    return sum_float32(kernel_rows(w, "cuv"), patches(x, geometry, "cuv"), start)


@given(of=convolutions(), seed=st.integers(0, 2**32), bits=st.sampled_from([8, 16]))
@settings(deadline=None, max_examples=150)
def test_a_sum_of_narrow_integers_has_the_bits_of_the_loop(of, seed, bits):
    image, kernels, geometry = of
    rng = np.random.default_rng(seed)
    kinds = (np.int16, np.int8 if bits == 8 else np.int16)
    x, w = (
        rng.choice(np.array([-(2 ** (8 * kind().itemsize - 1)), -1, 0, 1, 77]), size).astype(kind)
        for kind, size in zip(kinds, (image, kernels), strict=True)
    )
    expected = sum_int32(kernel_rows(w, "cuv"), patches(x, geometry, "cuv"))
    np.testing.assert_array_equal(dense.convolve_narrow(x, w, geometry), expected)


@pytest.mark.parametrize("channels", [1, 2, 9, 577])
def test_a_sum_of_the_largest_products_wraps(channels):
    x = np.full((1, channels, 1, 5), LOW, np.int16)
    w = np.full((2, channels, 1, 1), LOW, np.int16)
    total = dense.convolve_narrow(x, w, conv_geometry(x.shape, w.shape))
    assert set(total.ravel().tolist()) == {(channels * 2**30 + 2**31) % 2**32 - 2**31}


@given(of=convolutions(), seed=st.integers(0, 2**32), biased=st.booleans())
@settings(deadline=None, max_examples=150)
def test_a_sum_in_binary32_has_the_bits_of_the_loop(of, seed, biased):
    """Subnormal, huge and cancelling numbers, zeros of both signs; no product is fused."""
    image, kernels, geometry = of
    rng = np.random.default_rng(seed)
    x, w = (
        (rng.standard_normal(size) * 2.0 ** rng.integers(-80, 60, size)).astype(np.float32)
        * rng.choice([1, 1, 0, -0.0], size).astype(np.float32)
        for size in (image, kernels)
    )
    start = rng.standard_normal(len(w)).astype(np.float32) if biased else None
    with pytest.MonkeyPatch.context() as patch:
        expected = looped(x, w, geometry, patch, start)
    got = dense.convolve_binary32(x, w, geometry, start)
    np.testing.assert_array_equal(got.view(np.uint32), expected.view(np.uint32))


def test_a_product_is_rounded_before_it_is_added():
    """(1 + 2⁻¹²)² − (1 + 2⁻¹¹) is 0 if the product is rounded, and 2⁻²⁴ if it is fused."""
    x = np.array([1, 1 + 2.0**-12], np.float32).reshape(1, 2, 1, 1)
    w = np.array([-(1 + 2.0**-11), 1 + 2.0**-12], np.float32).reshape(1, 2, 1, 1)
    assert dense.convolve_binary32(x, w, conv_geometry(x.shape, w.shape)).item() == 0


def test_infinities_and_nans_stay_where_the_loop_has_them(monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 3, 6, 7)).astype(np.float32)
    x[0, 1, 2, 3], x[0, 2, 5, 6], x[0, 0, 0, 0] = np.inf, np.nan, -np.inf
    w = rng.standard_normal((9, 3, 3, 3)).astype(np.float32)
    w[4, 1, 1, 1] = 0
    geometry = conv_geometry(x.shape, w.shape, padding=1)
    expected = looped(x, w, geometry, monkeypatch)
    np.testing.assert_array_equal(dense.convolve_binary32(x, w, geometry), expected)
    assert np.isnan(expected).any()
    assert np.isinf(expected).any()


@given(
    lanes=st.integers(1, 9),
    lane_order=st.sampled_from(["sequential", "tree"]),
    pass_terms=st.sampled_from([0, 1, 5, 12]),
    between=st.sampled_from(["carried", "added"]),
    product=st.sampled_from(["fp32", "fused"]),
    pixels=st.sampled_from([1, 33, 256, 259]),
    shared=st.booleans(),
    seed=st.integers(0, 2**32),
)
@settings(deadline=None, max_examples=120)
def test_declared_binary32_sums_have_the_bits_of_the_loop_that_rounds_each_one(
    lanes, lane_order, pass_terms, between, product, pixels, shared, seed
):
    of = Accumulation(
        lanes=lanes, lane_order=lane_order, pass_terms=pass_terms, between=between, product=product
    )
    rng = np.random.default_rng(seed)
    rows, columns = (
        (rng.standard_normal(size) * 2.0 ** rng.integers(-80, 60, size)).astype(np.float32)
        for size in ((2, 3, 17), (2, 17, pixels))
    )
    rows = rows[0] if shared else rows
    start = rng.standard_normal(3).astype(np.float32)
    found = []
    for pays in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(mac, "pays", lambda _, pays=pays: pays)
            patch.setattr(accumulate, "pays", lambda _, pays=pays: pays)
            sums = mac.accumulate(rows.astype(float), columns.astype(float), of, start)
            found.append(sums.total.tobytes() + sums.passes.tobytes())
    assert found[0] == found[1]


@pytest.mark.parametrize("rounding", ["half_up", "half_even", "half_away", "floor", "toward_zero"])
@pytest.mark.parametrize("arithmetic", ["int8", "int8 in 16 bits", "bf16", "fp16", "fp32"])
def test_a_pipeline_gives_the_same_stages_whichever_way_it_sums(arithmetic, rounding, monkeypatch):
    rng = np.random.default_rng(1)
    image, kernels = (2, 6, 9, 11), (9, 6, 3, 3)
    attributes = {"stride": [2, 1], "padding": [1, 2], "x_zero": 3, "y_zero": -1}
    attributes["rounding"] = rounding
    if arithmetic == "int8 in 16 bits":
        arithmetic, attributes["accumulator"] = "int8", {"bits": 16}
    if arithmetic == "int8":
        tensors = {
            "x": rng.integers(-128, 128, image).astype(np.int8),
            "w": rng.integers(-128, 128, kernels).astype(np.int8),
            "b": rng.integers(-(2**31), 2**31, 9).astype(np.int32),
            "multiplier": rng.integers(2**30, 2**31, 9).astype(np.int32),
            "shift": rng.integers(31, 60, 9).astype(np.int8),
        }
    else:
        cast = default_cast(arithmetic)
        drawn = {"x": image, "w": kernels, "b": (9,)}
        tensors = {key: encode(rng.standard_normal(drawn[key]), cast) for key in drawn}
    run = PIPELINES["conv2d", arithmetic]
    found = []
    for pays in (True, False):
        for module in (accumulate, integer_sum, integer_operators, float_operators):
            monkeypatch.setattr(module, "pays", lambda _, pays=pays: pays)
        found.append(run(tensors, attributes))
    assert list(found[0]) == list(found[1])
    for stage, array in found[0].items():
        assert array.tobytes() == found[1][stage].tobytes(), stage
    if "accumulator" in attributes:
        assert np.abs(found[0]["accumulator"].astype(np.int64)).max() <= 2**15
        assert array.dtype == found[1][stage].dtype


@given(st.data())
@settings(deadline=None, max_examples=60)
@pytest.mark.parametrize("rule", ALL_RULES)
def test_the_stages_after_a_sum_are_their_formulas_in_python_integers(rule, data):
    """Totals, biases and shifts at random and at the ends; more numbers than one part holds."""
    of = IntegerAccumulator(
        bits=data.draw(st.sampled_from([16, 20, 32])),
        overflow=data.draw(st.sampled_from(["wrap", "saturate"])),
    )
    half = 1 << (of.bits - 1)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    pixels = data.draw(st.sampled_from([1, 7, 1024, 1029]))
    total = rng.integers(-half, half, (1, 2, pixels)).astype(np.int32)
    total[0, 0, 0], total[0, 1, -1] = -half, half - 1
    bias = rng.integers(-(2**31), 2**31, 2)
    multiplier, shift = rng.integers(2**30, 2**31, 2), rng.integers(1, 62, 2)
    zero, limits = (
        data.draw(st.integers(-128, 127)),
        data.draw(st.sampled_from([(-128, 127), (-3, 9)])),
    )
    got = after_sum(
        total, bias, of, scaling(Factor(multiplier, shift), rounding=rule, bits=of.bits),
        zero_point=zero, limits=limits, into=FORMATS["int8"],
    )  # fmt: skip
    for o, p in {(o, p) for o in (0, 1) for p in (0, pixels // 2, pixels - 1)}:
        value = int(total[0, o, p]) + int(bias[o])
        wrapped = (value + half) % (2 * half) - half
        value = literal.clip(value, -half, half - 1) if of.overflow == "saturate" else wrapped
        scaled = literal.RULES[rule](value, int(multiplier[o]), int(shift[o])) + zero
        assert got.biased[0, o, p] == value
        assert got.before_clip[0, o, p] == literal.clip(scaled, -(2**31), 2**31 - 1)
        assert got.output[0, o, p] == literal.clip(scaled, *limits)


HASH = """
import hashlib, numpy as np
from refimpl.bitexact.dense import convolve_binary32, convolve_narrow
from refimpl.ops.conv2d import conv_geometry
rng = np.random.default_rng(3)
x, w = rng.standard_normal((1, 9, 12, 13)), rng.standard_normal((11, 9, 3, 3))
geometry = conv_geometry(x.shape, w.shape, stride=2, padding=1)
floats = convolve_binary32(x.astype(np.float32), w.astype(np.float32), geometry)
whole = ((1000 * each).astype(np.int16) for each in (x, w))
print(hashlib.sha256(floats.tobytes() + convolve_narrow(*whole, geometry).tobytes()).hexdigest())
"""


def test_the_panels_have_the_same_bits_where_the_compiler_knows_no_wide_vectors(tmp_path):
    """And no instruction that multiplies and adds at once."""
    found = [
        subprocess.run(
            [sys.executable, "-c", HASH],
            env=environment(MACHINES[machine], tmp_path),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for machine in (PLAIN, "generic CPU for the compiler")
    ]
    assert found[0] == found[1]
    assert len(found[0].strip()) == 64
