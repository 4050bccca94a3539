"""Layers and nodes in every arithmetic: judged by Python numbers and the rule that they state."""

import re
from bisect import bisect_left
from dataclasses import dataclass
from fractions import Fraction
from math import inf

import ml_dtypes
import numpy as np
import pytest

import refimpl as ref
from refimpl.bitexact.formats import FORMATS, decode, integers_of, words_of
from refimpl.bitexact.operators import ARITHMETICS, FLOAT_ARITHMETICS, INTEGER_ARITHMETICS
from refimpl.onnx_graph.upstream import Convolution
from refimpl.vectors.case import Choices
from refimpl.vectors.layer import layer_cases
from refimpl.vectors.network import inputs_of, network_cases, prepare
from refimpl.vectors.onnx_node import onnx_cases
from refimpl.vectors.stages import stages
from tests.refimpl.vectors.test_network import LAYERS, SHIFTS, TINY

WEIGHTS = {"int4": ("int4", 7), "int8": ("int8", 127), "int16": ("int8", 127)}
RANGES = {"int4": (-8, 7), "int8": (-128, 127), "int16": (-32768, 32767)}
MULTIPLIERS = {"int4": 31, "int8": 31, "int16": 15}
ROUNDOFF = {"fp32": 24, "bf16": 8, "fp16": 11, "fp8_e4m3": 4, "fp8_e5m2": 3}  # digits
LEAST = {"fp32": -149, "bf16": -133, "fp16": -24, "fp8_e4m3": -9, "fp8_e5m2": -16}
VALUES = {
    "bf16": (ml_dtypes.bfloat16, 16),
    "fp16": (np.float16, 16),
    "fp8_e4m3": (ml_dtypes.float8_e4m3fn, 8),
    "fp8_e5m2": (ml_dtypes.float8_e5m2, 8),
}

FORMAT_OF = {FORMATS[name].dtype: name for name in RANGES}


@pytest.fixture(scope="module")
def prepared():
    pixels = np.random.default_rng(5).integers(0, 256, (20, 24, 3)).astype(np.uint8)
    return prepare(TINY, pixels, side=10, keep=inputs_of(TINY, LAYERS))


def made(prepared, arithmetic, **declared):
    choices = Choices(arithmetics=(arithmetic,), declared=declared)
    cases, excluded = network_cases(prepared, LAYERS, choices, stimulus={})
    return {case.operator: case for case in cases}, excluded


def output_of(case):
    *_, output = stages(case).values()
    return output


def reals(prepared):
    """Real tensors of the layers in binary64: x, and folded kernels and biases by branch."""
    floats, _ = made(prepared, "fp32")
    wide = {
        operator: {name: array.astype(float) for name, array in case.tensors.items()}
        for operator, case in floats.items()
    }
    fused, pssa = wide["xvolution_fused"], wide["pssa"]
    return wide | {
        "conv": {"w": fused["w"][:, :4], "b": fused["b"] - pssa["b"]},
        "attention": {"w": pssa["w"], "b": pssa["b"]},
    }


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_every_form_of_a_layer_has_the_formats_that_were_asked_for(prepared, arithmetic):
    cases, excluded = made(prepared, arithmetic)
    missing = {each.what.split("-", 1)[1].rsplit("-", 1)[0] for each in excluded}
    assert {name.replace("_", "-") for name in cases} | missing == {
        "conv2d", "shift-product", "pssa", "xvolution", "xvolution-fused",
    }  # fmt: skip
    kernels = WEIGHTS.get(arithmetic, (arithmetic,))[0]
    for case in cases.values():
        assert case.arithmetic == arithmetic
        assert case.tensors["x"].dtype == FORMATS[arithmetic].dtype
        assert output_of(case).dtype == FORMATS[arithmetic].dtype
        for name in ("w", "w_c", "w_a"):
            if name in case.tensors:
                assert case.tensors[name].dtype == FORMATS[kernels].dtype
        if arithmetic == "int16" and "w" in case.tensors:
            assert case.attributes["accumulator"] == {"bits": 48}
            accumulator = stages(case)["accumulator"]
            assert accumulator.dtype == np.int64
            assert case.tensors["multiplier"].max() < 2**15


def stated(pattern, text):
    """Integers that a rule names."""
    found = re.search(pattern, text)
    assert found, (pattern, text)
    return [int(each) for each in found.groups()]


def affine_by_the_rule(x, part):
    """Scale and zero of numbers, by what the text of the rule says, in Python's floats."""
    low, high = min(0.0, *x), max(0.0, *x)
    (steps,) = stated(r"scale = \(max - min\)/(\d+)", part)
    least, again, most = stated(r"clip\(round\((-?\d+) - min/scale\), (-?\d+), (-?\d+)\)", part)
    assert (again, most - least) == (least, steps)
    scale = (high - low) / steps
    return scale, max(least, min(most, round(least - low / scale)))


def quantised(x, scale, zero, limits):
    return [max(limits[0], min(limits[1], round(each / scale) + zero)) for each in x]


def nearest_factor(factor, bits):
    """The multiplier of ``bits`` bits and the shift that are nearest, by trying every shift."""
    best = None
    for shift in range(bits, bits + 40):
        multiplier = round(Fraction(factor) * 2**shift)
        if multiplier < 2**bits:
            off = abs(Fraction(multiplier, 2**shift) - Fraction(factor))
            if best is None or off < best[0]:
                best = (off, multiplier, shift)
    return best


def judge_kernels(case, w, b, input_scale, y_scale, suffix=""):
    (top,) = stated(r"scale = max\|w\|/(\d+)", case.stimulus["quantisation"])
    assert top == WEIGHTS[case.arithmetic][1]
    (bits,) = stated(r"of (\d+) bits", case.stimulus["quantisation"])
    assert bits == MULTIPLIERS[case.arithmetic]
    for o in range(len(w)):
        row = w[o].reshape(-1).tolist()
        scale = max(map(abs, row)) / top
        expected = [max(-top, min(top, round(each / scale))) for each in row]
        assert integers_of(case.tensors[f"w{suffix}"])[o].reshape(-1).tolist() == expected
        real = scale * input_scale
        assert case.tensors[f"b{suffix}"][o] == round(b[o] / real)
        off, *_ = nearest_factor(real / y_scale, bits)
        got = Fraction(
            int(case.tensors[f"multiplier{suffix}"][o]), 2 ** int(case.tensors[f"shift{suffix}"][o])
        )
        assert abs(got - Fraction(real / y_scale)) == off


def parts(case):
    """The sentences of a case's rule, by what they speak of."""
    pieces = case.stimulus["quantisation"].split("; ")
    return {piece.partition(":")[0]: piece for piece in pieces}


@pytest.mark.parametrize("arithmetic", INTEGER_ARITHMETICS)
def test_a_convolution_is_quantised_by_the_rule_that_it_states(arithmetic):
    rng = np.random.default_rng(7)
    x, w = rng.standard_normal((1, 2, 5, 4)), rng.standard_normal((3, 2, 3, 3))
    x, w, b = (each.astype(np.float32) for each in (x, w, rng.standard_normal(3)))
    one = Convolution(x=x, w=w, b=b, stride=(1, 1), padding=(1, 1), dilation=(1, 1), groups=1)
    floats, case = onnx_cases(one, "c", Choices(arithmetics=("fp32", arithmetic)), stimulus={})
    says = parts(case)
    for name, array in (("x", x), ("output", output_of(floats))):
        scale, zero = affine_by_the_rule(array.reshape(-1).tolist(), says[name])
        short = name[0].replace("o", "y")
        assert case.attributes[f"{short}_scale"] == scale
        assert case.attributes[f"{short}_zero"] == zero
    x_scale, y_scale = (case.attributes[f"{of}_scale"] for of in "xy")
    expected = quantised(
        x.reshape(-1).tolist(), x_scale, case.attributes["x_zero"], RANGES[arithmetic]
    )
    assert integers_of(case.tensors["x"]).reshape(-1).tolist() == expected
    judge_kernels(case, w.astype(float), b.tolist(), x_scale, y_scale)


def folded(weights, of):
    """A branch's kernels and bias with its normalisation, in Python's order of the formula."""
    bn = weights[f"bn_{of}"]
    gain = bn.gamma.astype(float) / np.sqrt(bn.var.astype(float) + 1e-5)
    return (
        weights[f"w_{of}"].astype(float) * gain[:, None, None, None],
        bn.beta.astype(float) - bn.mean.astype(float) * gain,
    )


@pytest.mark.parametrize("arithmetic", INTEGER_ARITHMETICS)
def test_the_product_of_an_x_volution_is_quantised_by_the_rule_that_it_states(prepared, arithmetic):
    cases, _ = made(prepared, arithmetic)
    floats, _ = made(prepared, "fp32")
    product = output_of(floats["shift_product"]).reshape(-1).tolist()
    for operator in set(cases) - {"conv2d"}:
        case = cases[operator]
        scale, zero = affine_by_the_rule(product, parts(case)["product"])
        own = case.attributes
        assert (own["t_scale"], own["t_zero"]) == (scale, zero)
        factor = own["x_scale"] * own["x_scale"] / scale
        off, *_ = nearest_factor(factor, MULTIPLIERS[arithmetic])
        got = Fraction(int(case.tensors["t_multiplier"][0]), 2 ** int(case.tensors["t_shift"][0]))
        assert abs(got - Fraction(factor)) == off


def values_of(name):
    """Finite values of a format in order, each with its word, and the word of infinity or NaN."""
    meaning, bits = VALUES[name]
    words = np.arange(2**bits, dtype=f"u{bits // 8}")
    with np.errstate(invalid="ignore"):
        values = words.view(meaning).astype(float)
    table = {float(v): int(w) for v, w in zip(values, words, strict=True) if abs(v) < inf}
    return sorted(table.items())


def nearest_word(value, table, name):
    """The word of a real number, to nearest with ties to even, by looking through all values."""
    exact, top = Fraction(value), table[-1][0]
    at = bisect_left(table, (value, -1))
    below, above = table[max(at - 1, 0)], table[min(at, len(table) - 1)]
    if abs(exact) > top:
        gap = Fraction(top) - Fraction(table[-2][0])
        if abs(exact) < Fraction(top) + gap / 2 or name == "fp8_e4m3":  # e4m3 saturates
            return float(np.copysign(top, value))
        return float(np.copysign(inf, value))
    down, up = exact - Fraction(below[0]), Fraction(above[0]) - exact
    if down != up:
        return below[0] if down < up else above[0]
    return below[0] if below[1] % 2 == 0 else above[0]


@pytest.mark.parametrize("arithmetic", [name for name in FLOAT_ARITHMETICS if name != "fp32"])
def test_floats_are_cast_once_from_the_real_numbers(prepared, arithmetic):
    cases, _ = made(prepared, arithmetic)
    table = values_of(arithmetic)
    x = prepared.activations["conv1.relu"]
    w, b = folded(prepared.parameters["mix"], "a")
    case = cases["pssa"]
    for got, real in ((case.tensors["x"], x), (case.tensors["w"], w)):
        expected = [nearest_word(each, table, arithmetic) for each in real.reshape(-1).tolist()]
        assert decode(got).reshape(-1).tolist() == expected
    assert case.tensors["b"].dtype == np.float32
    np.testing.assert_array_equal(case.tensors["b"], b.astype(np.float32))
    assert case.stimulus["beyond_range"] == {}
    assert case.stimulus["quantisation"].startswith(f"x and kernels: to {arithmetic}, nearest_even")


@pytest.mark.parametrize(
    ("arithmetic", "over", "text"),
    [
        ("fp8_e4m3", 448.0, "beyond ±448: saturate"),
        ("fp8_e5m2", inf, "beyond ±57344: infinity"),
        ("fp16", inf, "beyond ±65504: infinity"),
    ],
)
def test_what_lies_beyond_a_format_follows_the_declared_cast_and_is_counted(arithmetic, over, text):
    x = np.array([1.0, 2.0, -3.0, 0.5], np.float32).reshape(1, 1, 2, 2)
    w = np.array([1e6, -1e6, 1.0], np.float32).reshape(3, 1, 1, 1)
    b = np.zeros(3, np.float32)
    one = Convolution(x=x, w=w, b=b, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1)
    (case,) = onnx_cases(one, "c", Choices(arithmetics=(arithmetic,)), stimulus={})
    assert decode(case.tensors["w"]).reshape(-1).tolist() == [over, -over, 1.0]
    assert case.stimulus["beyond_range"] == {"w": 2}
    assert text in case.stimulus["quantisation"]


@dataclass(frozen=True)
class Near:
    """Real numbers, how far what stands for them may be, and the variance of independent errors."""

    real: np.ndarray
    off: np.ndarray
    variance: np.ndarray

    @classmethod
    def exact(cls, real):
        return cls(real, np.zeros_like(real), np.zeros_like(real))

    def in_steps(self, step, *, steps=1.0):
        """To a grid: to nearest, or where the zero point was rounded too within a whole step."""
        step = np.broadcast_to(step, self.real.shape)
        return Near(self.real, self.off + steps * step, self.variance + step**2 / 12)

    def in_floats(self, name):
        u, least = 2.0 ** -ROUNDOFF[name], 2.0 ** LEAST[name]
        size = np.abs(self.real) + self.off
        more = (u * self.real) ** 2 / 3 + least**2 / 12
        return Near(self.real, self.off + u * size + least / 2, self.variance + more)

    def product(self):
        def pairs(of):
            return ref.shift_product(of, **SHIFTS)

        size = np.abs(self.real)
        return Near(
            pairs(self.real),
            pairs(size + self.off) - pairs(size),
            pairs(self.real**2 + self.variance) - pairs(self.real**2),
        )

    def convolved(self, w, b, stride):
        def sums(x, kernels):
            return ref.conv2d(x, kernels, None, stride=stride, padding=1)

        real = sums(self.real, w.real) + b[:, None, None]
        size, kernels = np.abs(self.real), np.abs(w.real)
        off = sums(size + self.off, kernels + w.off) - sums(size, kernels)
        off = off + 2.0**-20 * (sums(size, kernels) + np.abs(b)[:, None, None])  # of fp32 sums
        spread = sums(self.real**2 + self.variance, w.real**2 + w.variance)
        return Near(real, off, spread - sums(self.real**2, w.real**2))

    def times(self, s, t):
        wide = s[:, None, None]
        moved = self.real * wide + t[:, None, None]
        return Near(
            moved, self.off * np.abs(wide) + 2.0**-20 * np.abs(moved), self.variance * wide**2
        )

    def plus(self, other):
        return Near(self.real + other.real, self.off + other.off, self.variance + other.variance)

    def beside(self, other):
        return Near(*(
            np.concatenate(pair, axis=1)
            for pair in (
                (self.real, other.real), (self.off, other.off), (self.variance, other.variance)
            )
        ))  # fmt: skip


def kernels_near(w, top, share=None):
    """Kernels on a grid per output channel; ``share`` scales channels before they are quantised."""
    scale = np.ones(w.shape[1]) if share is None else share
    absorbed = w * scale[:, None, None]
    step = np.abs(absorbed).reshape(len(w), -1).max(axis=1)[:, None, None, None] / top
    return Near.exact(w).in_steps(step / scale[:, None, None], steps=0.5)


def expected_integers(prepared, case, wide=False):
    """What the layer gives in real numbers, and how far an integer case may be from it."""
    real, own = reals(prepared), case.attributes
    top = WEIGHTS[case.arithmetic][1]
    stride = 1 if case.operator == "conv2d" else 2
    of = real[case.operator]
    x = Near.exact(of["x"]).in_steps(own["x_scale"])
    if case.operator == "conv2d":
        return x.convolved(kernels_near(of["w"], top), of["b"], 1).in_steps(own["y_scale"])
    product = x.product() if wide else x.product().in_steps(own["t_scale"])
    if case.operator == "shift_product":
        return product
    if case.operator == "pssa":
        kernels = kernels_near(of["w"], top)
        return product.convolved(kernels, of["b"], stride).in_steps(own["y_scale"])
    if case.operator == "xvolution_fused":
        share = np.where(np.arange(12) < 4, 1.0, own["t_scale"] / own["x_scale"])
        kernels = kernels_near(of["w"], top, share)
        return x.beside(product).convolved(kernels, of["b"], stride).in_steps(own["y_scale"])
    branches = [
        source.convolved(kernels_near(real[name]["w"], top), real[name]["b"], stride)
        for name, source in (("conv", x), ("attention", product))
    ]
    one, other = (each.in_steps(own["y_scale"]) for each in branches)
    return one.plus(other)


def must_be_near(got, expected, where=None, *, factor=3.0):
    off = np.abs(got - expected.real)
    kept = np.ones(off.shape, bool) if where is None else where
    assert kept.mean() > 0.5
    assert (off <= expected.off)[kept].all()
    rms = np.sqrt((off[kept] ** 2).mean())
    assert rms <= factor * np.sqrt(expected.variance[kept].mean())


def unsaturated(case):
    """Outputs of two branches of which neither saturates; all of any other operator."""
    if case.operator != "xvolution":
        return None
    inside = [integers_of(stages(case)[f"{of}_output"]) for of in ("conv", "attention")]
    low, high = RANGES[FORMAT_OF[stages(case)["output"].dtype]]
    return np.all([(low < each) & (each < high) for each in inside], axis=0)


def read(case, named="y"):
    scale, zero = (case.attributes[f"{named}_{of}"] for of in ("scale", "zero"))
    return (integers_of(output_of(case)) - zero) * scale


@pytest.mark.parametrize("arithmetic", INTEGER_ARITHMETICS)
def test_integers_read_with_their_scales_are_as_close_to_the_layer_as_their_steps(
    prepared, arithmetic
):
    cases, _ = made(prepared, arithmetic)
    assert len(cases) >= 4
    for operator, case in cases.items():
        got = read(case, "t" if operator == "shift_product" else "y")
        must_be_near(got, expected_integers(prepared, case), unsaturated(case))


def expected_floats(prepared, case):
    real, name = reals(prepared), case.arithmetic
    of = real[case.operator]
    stride = 1 if case.operator == "conv2d" else 2
    x = Near.exact(of["x"]).in_floats(name)
    w = {each: Near.exact(of[each]).in_floats(name) for each in of if each.startswith("w")}
    if case.operator == "conv2d":
        return x.convolved(w["w"], of["b"], 1).in_floats(name)
    product = x.product().in_floats(name)
    if case.operator == "shift_product":
        return product
    if case.operator == "xvolution":
        none = np.zeros(5)
        one, other = (
            source.convolved(w[f"w_{end}"], none, stride).times(of[f"s_{end}"], of[f"t_{end}"])
            for end, source in (("c", x), ("a", product))
        )
        return one.plus(other).in_floats(name)
    source = product if case.operator == "pssa" else x.beside(product)
    return source.convolved(w["w"], of["b"], stride).in_floats(name)


@pytest.mark.parametrize("arithmetic", FLOAT_ARITHMETICS)
def test_floats_are_as_close_to_the_layer_as_their_digits(prepared, arithmetic):
    cases, _ = made(prepared, arithmetic)
    assert len(cases) == 5
    for case in cases.values():
        factor = inf if arithmetic == "fp32" else 3.0  # fp32: the sums' own errors, not the casts'
        must_be_near(decode(output_of(case)), expected_floats(prepared, case), factor=factor)


@pytest.mark.parametrize(
    "declared",
    [
        {"product": "wide"},
        {"product_format": "int16"},
        {"output_format": "int16"},
        {"accumulator": {"bits": 40}},
    ],
)
def test_scales_follow_the_formats_that_are_declared(prepared, declared):
    cases, _ = made(prepared, "int8", **declared)
    wide = "product" in declared
    for operator, case in cases.items():
        if wide and operator == "shift_product":
            assert case.attributes["t_scale"] == case.attributes["x_scale"] ** 2
        got = read(case, "t" if operator == "shift_product" else "y")
        kept = None if operator != "xvolution" else unsaturated(case)
        must_be_near(got, expected_integers(prepared, case, wide), kept)
    if "output_format" in declared:
        assert output_of(cases["pssa"]).dtype == np.int16
        plain, _ = made(prepared, "int8")
        assert cases["pssa"].attributes["y_scale"] < plain["pssa"].attributes["y_scale"] / 200


def test_what_no_rule_quantises_is_refused(prepared):
    x = np.array([[[[1.0, np.nan]]]], np.float32)
    w, b = np.ones((1, 1, 1, 1), np.float32), np.zeros(1, np.float32)
    one = Convolution(x=x, w=w, b=b, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1)
    with pytest.raises(ValueError, match="what enters the layer must be finite to be int4"):
        onnx_cases(one, "c", Choices(arithmetics=("int4",)), stimulus={})
    for name, value in (("boundary", "zero"), ("length", 2), ("directions", [[0, 1], [1, 0]])):
        with pytest.raises(ValueError, match=f"{name} must not be declared of layer mix, which"):
            layer_cases(
                TINY.node("mix"),
                prepared.parameters["mix"],
                prepared.activations["conv1.relu"],
                Choices(arithmetics=("int8",), declared={name: value}),
                stimulus={},
            )
    with pytest.raises(ValueError, match="output_format must be an integer format"):
        made(prepared, "int8", output_format="fp16")


def test_words_of_the_same_case_are_the_same_whatever_else_is_asked_for(prepared):
    alone, _ = made(prepared, "int4")
    cases, _ = network_cases(prepared, LAYERS, Choices(arithmetics=ARITHMETICS), stimulus={})
    for case in cases:
        if case.arithmetic == "int4":
            assert case.id == alone[case.operator].id
            np.testing.assert_array_equal(
                words_of(case.tensors["x"]), words_of(alone[case.operator].tensors["x"])
            )
