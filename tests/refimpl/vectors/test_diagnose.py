"""Known deviations are named by the bits they leave; the cone shows what an element is made of."""

from dataclasses import replace
from fractions import Fraction
from math import floor
from pathlib import Path
from unittest import mock

import ml_dtypes
import numpy as np
import pytest

from refimpl.bitexact.formats import decode, format_of, integers_of, to_integers, words_of
from refimpl.bitexact.operators import ALL_OPERATORS, OPERATORS, PIPELINES
from refimpl.bitexact.requantise import ROUNDINGS
from refimpl.vectors.case import KNOWN, Choices
from refimpl.vectors.cone import cone, value_of
from refimpl.vectors.diagnose import diagnose
from refimpl.vectors.local import steps_of
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import Sizes, random_cases
from refimpl.vectors.variants import VARIANTS, applicable, run

PAGE = Path(__file__).parents[3] / "docs" / "vectors.md"
SIZES = Sizes(batch=1, channels=3, outputs=3, height=6, width=5)
CHOICES = Choices(k_tile=8, bias_at="first", order="uvc", rounding="half_even")
CASES = random_cases(OPERATORS, SIZES, Choices()) + random_cases(OPERATORS, SIZES, CHOICES)
GOLDEN = {id(case): stages(case) for case in CASES}
EVERY = [
    case
    for operator in ALL_OPERATORS
    for arithmetic in KNOWN
    if (operator, arithmetic) in PIPELINES
    for case in random_cases([operator], Sizes(), Choices(arithmetics=(arithmetic,)))
]


def differs(golden, device, stage):
    """Whether any word differs: an independent comparison, in which NaNs are one."""
    if device[stage].dtype != golden[stage].dtype:
        return True
    a, b = (np.where(np.isnan(decode(each)), 0, words_of(each)) if format_of(each).kind == "float"
            else words_of(each) for each in (golden[stage], device[stage]))  # fmt: skip
    return not np.array_equal(a, b)


def computed(name, case):
    with np.errstate(all="ignore"):
        return run(VARIANTS[name], case)


@pytest.mark.parametrize(
    "case", CASES + EVERY, ids=lambda case: f"{case.id}-{len(case.attributes)}"
)
def test_a_device_with_a_known_deviation_is_recognised_by_any_stage_it_spoils(case):
    golden = stages(case)
    for variant in applicable(case):
        device = computed(variant.name, case)
        spoiled = [s for s in golden if differs(golden, device, s)]
        left = {stage: device[stage] for stage in spoiled[:: len(spoiled) + 1] + spoiled[-1:]}
        findings = diagnose(case, golden, left, variants=[variant])
        assert [f.name for f in findings if f.reproduces] == [variant.name] * bool(spoiled)


@pytest.mark.parametrize("case", EVERY[::3], ids=lambda case: case.id)
def test_no_variant_is_named_that_does_not_give_the_bits(case):
    golden = stages(case)
    output = list(golden)[-1]
    for variant in list(applicable(case))[::5]:
        left = {output: computed(variant.name, case)[output]}
        findings = diagnose(case, golden, left)
        for finding in [f for f in findings if f.reproduces]:
            assert not differs(computed(finding.name, case), left, output)
        assert bool(findings) == differs(golden, left, output)


def test_every_variant_spoils_some_case_or_needs_a_case_made_for_it():
    spoiling = set()
    for case in CASES + EVERY:
        golden = stages(case)
        for variant in [each for each in applicable(case) if each.name not in spoiling]:
            device = computed(variant.name, case)
            if any(differs(golden, device, stage) for stage in golden):
                spoiling.add(variant.name)
    assert set(VARIANTS) - spoiling == MADE_FOR


MADE_FOR = {
    "accumulator-40-bits",
    "accumulator-other-overflow",
    "output-infinite",
    "output-saturated",
    "probabilities-over-255",
    "rounding-half-away",
    "rounding-half-even",
    "rounding-half-up",
}


def test_the_page_says_how_many_variants_there_are_and_how_many_a_case_meets():
    text = " ".join(PAGE.read_text().split())
    met = [len(list(applicable(case))) for case in EVERY]
    assert f"runs {len(VARIANTS)} known deviations, of which {min(met)} to {max(met)} mean" in text


def with_tensors(case, **tensors):
    return replace(case, tensors={**case.tensors, **tensors})


@pytest.mark.parametrize("rule", ["half_up", "half_even", "half_away"])
def test_rules_that_differ_only_on_ties_are_told_apart_where_there_are_ties(rule):
    other = {"half_up": "half_even", "half_even": "half_away", "half_away": "half_up"}[rule]
    choices = Choices(arithmetics=("int8",), rounding=other)
    (case,) = random_cases(["conv2d"], SIZES, choices)
    quarters = np.full(3, 2**30, np.int32), np.full(3, 32, np.int8)
    x, w = (case.tensors[name] // 40 for name in "xw")
    case = with_tensors(case, x=x, w=w, b=case.tensors["b"] % 7, multiplier=quarters[0])
    case = with_tensors(case, shift=quarters[1])
    device = run(VARIANTS[f"rounding-{rule.replace('_', '-')}"], case)
    findings = diagnose(case, stages(case), {"output": device["output"]})
    name = f"rounding-{rule.replace('_', '-')}"
    found = {f.name for f in findings if f.reproduces}
    alike = {  # a quarter is exact in binary32; ½ ± ¼ is no tie of the second rounding
        "half_even": {"rounding-float-even"},
        "half_away": {"rounding-tflite-double", "rounding-tosa-double"},
    }
    assert found == {name, *alike.get(rule, ())}


@pytest.mark.parametrize("declared", ROUNDINGS)
def test_every_rounding_rule_is_told_of_a_device_that_has_another(declared):
    (case,) = random_cases(["conv2d"], Sizes(height=24, width=24),
                           Choices(arithmetics=("int8",), rounding=declared))  # fmt: skip
    golden = stages(case)
    biased = golden["biased"].astype(object)
    m, s = case.tensors["multiplier"], case.tensors.get("shift")
    if declared == "float_even":
        pairs = [Fraction(float(each)) for each in m]
    else:
        pairs = [Fraction(int(a), 2 ** int(b)) for a, b in zip(m, s, strict=True)]
    exact = biased * np.array(pairs, object)[:, None, None]
    truncated = np.vectorize(int, otypes=[object])(exact) + case.attributes["y_zero"]
    floored = np.vectorize(floor, otypes=[object])(exact) + case.attributes["y_zero"]
    for name, before in (("toward_zero", truncated), ("floor", floored)):
        if declared in (name, "float_even"):
            continue
        left = {"output": np.clip(before, -128, 127).astype(np.int8)}
        named = [f.name for f in diagnose(case, golden, left) if f.reproduces]
        assert named == [f"rounding-{name.replace('_', '-')}"]


def test_a_bad_rule_is_told_every_rule_there_is():
    with pytest.raises(ValueError, match="tosa_double, float_even, not 'foo'"):
        Choices(rounding="foo")


def only_one(operator, arithmetic, **choices):
    (case,) = random_cases([operator], SIZES, Choices(arithmetics=(arithmetic,), **choices))
    return case


def named(case, left):
    return [f.name for f in diagnose(case, stages(case), left) if f.reproduces]


def requantised(case, total):
    """Python integers: half up, the zero point; no saturation."""
    b, m, s = (case.tensors[name].astype(object)[:, None, None]
               for name in ("b", "multiplier", "shift"))  # fmt: skip
    value = (total.astype(object) + b) * m
    half = np.vectorize(lambda k: 1 << (int(k) - 1), otypes=[object])(s)
    return (value + half) // (2 * half) + case.attributes["y_zero"]


def summed(padded, w):
    """A 3×3 convolution of stride 1 by loops over taps, in Python integers."""
    height, width = padded.shape[2] - 2, padded.shape[3] - 2
    total = np.zeros((len(padded), len(w), height, width), object)
    for o, c, u, v in np.ndindex(w.shape):
        seen = padded[:, c, u : u + height, v : v + width].astype(object)
        total[:, o] += seen * int(w[o, c, u, v])
    return total


LIMITS = {"int4": (-8, 7), "int8": (-128, 127), "int16": (-(2**15), 2**15 - 1)}


@pytest.mark.parametrize("arithmetic", LIMITS)
def test_a_mac_that_leaves_the_zero_point_in_is_named(arithmetic):
    case = only_one("conv2d", arithmetic)
    padded, w = (integers_of(each) for each in (stages(case)["padded"], case.tensors["w"]))
    before = requantised(case, summed(padded, w))
    output = to_integers(np.clip(before, *LIMITS[arithmetic]).astype(np.int64), arithmetic)
    assert named(case, {"output": output}) == ["x-zero-not-subtracted"]


@pytest.mark.parametrize("arithmetic", LIMITS)
def test_padding_with_a_raw_zero_is_named(arithmetic):
    case = only_one("conv2d", arithmetic)
    zero = case.attributes["x_zero"]
    x, w = (integers_of(case.tensors[name]) for name in "xw")
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))) - zero
    before = requantised(case, summed(padded, w))
    output = to_integers(np.clip(before, *LIMITS[arithmetic]).astype(np.int64), arithmetic)
    assert named(case, {"output": output}) == ["padding-raw-zero"]


@pytest.mark.parametrize("arithmetic", LIMITS)
def test_wrapping_instead_of_saturating_is_named(arithmetic):
    case = only_one("conv2d", arithmetic)
    bits = format_of(case.tensors["x"]).bits
    factor = case.tensors["shift"] - np.int8(3)  # so that much is beyond the limits
    case = with_tensors(case, shift=factor)
    before = integers_of(stages(case)["before_clip"])
    low = before % 2**bits
    output = to_integers(np.where(low >= 2 ** (bits - 1), low - 2**bits, low), arithmetic)
    assert set(named(case, {"output": output})) == {"no-saturation", "last-no-saturation"}


def test_a_truncated_bf16_output_is_named():
    case = only_one("conv2d", "bf16")
    words = stages(case)["biased"].view(np.uint32) >> 16
    output = words.astype(np.uint16).view(ml_dtypes.bfloat16)
    assert named(case, {"output": output}) == ["output-truncated"]


@pytest.mark.parametrize(("arithmetic", "kind", "name"), [
    ("bf16", ml_dtypes.bfloat16, "products-bf16"),
    ("fp16", np.float16, "products-fp16"),
    ("fp8_e5m2", ml_dtypes.bfloat16, "products-bf16"),
])  # fmt: skip
def test_products_of_a_narrower_format_are_named(arithmetic, kind, name):
    case = only_one("conv2d", arithmetic)
    padded, w = (each.astype(np.float32) for each in (stages(case)["padded"], case.tensors["w"]))
    total = np.zeros(stages(case)["accumulator"].shape, np.float32)
    height, width = total.shape[2:]
    for c, u, v in np.ndindex(w.shape[1:]):
        seen = padded[:, None, c, u : u + height, v : v + width]
        total += (seen * w[:, c, u, v, None, None]).astype(kind).astype(np.float32)
    found = named(case, {"accumulator": total})
    assert found == ([name] if arithmetic != "fp8_e5m2" else [])  # exact in bf16: nothing is wrong


def test_a_softmax_unit_that_truncates_or_has_another_denominator_is_named():
    case = only_one("global_attention", "int8")
    golden = stages(case)
    real = np.vectorize(Fraction, otypes=[object])
    exact = real(golden["exp_output"].astype(float)) * real(golden["reciprocal"].astype(float))
    rounded = np.vectorize(lambda p: float(np.float32(float(p))), otypes=[float])(exact)
    cut = np.floor(rounded * 255).astype(np.uint8)
    assert named(case, {"probabilities": cut}) == ["probabilities-truncated"]
    over = np.minimum(np.rint(rounded * 256), 255).astype(np.uint8)
    assert named(case, {"probabilities": over}) == ["probabilities-over-256"]


def test_denominators_of_a_declared_one_are_told():
    declared = {"probabilities": {"denominator": 256}}
    case = only_one("global_attention", "int8", declared=declared)
    assert named(case, {"output": computed("probabilities-over-255", case)["output"]}) == [
        "probabilities-over-255"
    ]


def test_an_exponential_without_its_maximum_is_named():
    case = only_one("local_attention", "fp32")
    golden = stages(case)
    counted = np.isfinite(golden["exp_input"])
    left = np.where(counted, golden["scaled_scores"], golden["exp_input"])
    assert named(case, {"exp_input": left.astype(np.float32)}) == ["no-maximum"]


def test_flipped_kernels_of_a_gradient_are_named():
    case = only_one("conv2d_backward", "int8")
    dy, w = integers_of(case.tensors["dy"]) - case.attributes["dy_zero"], case.tensors["w"]
    padded = np.pad(dy, ((0, 0), (0, 0), (1, 1), (1, 1)))
    unflipped = summed(padded, w.swapaxes(0, 1)).astype(np.int32)  # must meet them turned round
    assert named(case, {"dx_accumulator": unflipped}) == ["kernel-rotated"]


def test_a_gradient_of_narrower_products_or_accumulators_is_named():
    case = only_one("conv2d_backward", "fp32")
    dy, x = case.tensors["dy"], np.pad(case.tensors["x"], ((0, 0), (0, 0), (1, 1), (1, 1)))
    products, total = np.zeros((2, *case.tensors["w"].shape), np.float32)
    height, width = dy.shape[2:]
    for n, i, j in np.ndindex(len(dy), height, width):
        rounded = dy[n, :, i, j, None, None, None] * x[n, :, i : i + 3, j : j + 3]
        exact = dy[n, :, i, j, None, None, None].astype(float) * x[n, :, i : i + 3, j : j + 3]
        products += cut_to_bf16(exact)
        total = (total.astype(float) + rounded).astype(np.float16).astype(np.float32)
    assert named(case, {"dw": products}) == ["products-bf16"]
    assert named(case, {"dw": total}) == ["accumulator-fp16"]


def cut_to_bf16(exact):
    """Of binary64 numbers of at most 48 bits, to nearest, ties to even: by scaling to integers."""
    fraction, exponent = np.frexp(exact)
    return np.ldexp(np.rint(np.ldexp(fraction, 8)), exponent - 8).astype(np.float32)


def test_attention_with_narrower_accumulators_is_named():
    case = only_one("local_attention", "bf16")
    names = {"accumulation": "cuv", "accumulation_scores": "d", "accumulation_context": "t"}
    narrow = {name: {"format": "fp16", "order": order} for name, order in names.items()}
    device = stages(replace(case, attributes={**case.attributes, **narrow}))
    left = device["scores"].astype(np.float32)
    assert (left != stages(case)["scores"]).any()
    assert named(case, {"scores": left}) == ["accumulator-fp16"]


def test_overflow_of_an_output_is_told_both_ways():
    case = only_one("conv2d", "fp16")
    big = case.tensors["w"] * np.float16(12000)
    case = with_tensors(case, w=big)
    golden = stages(case)
    assert np.isinf(golden["output"]).any()
    most = np.clip(golden["output"], np.float16(-65504), np.float16(65504))
    assert named(case, {"output": most}) == ["output-saturated"]
    attributes = {**case.attributes, "output": {"format": "fp16", "overflow": "saturate"}}
    other = replace(case, attributes=attributes)
    assert named(other, {"output": golden["output"]}) == ["output-infinite"]


def test_overflow_of_an_accumulator_is_told_both_ways():
    case = only_one("conv2d", "int8")
    for declared, other in (("wrap", "saturate"), ("saturate", "wrap")):
        record = {"bits": 16, "overflow": declared}
        made = replace(case, attributes={**case.attributes, "accumulator": record})
        turned = {**record, "overflow": other}
        device = stages(replace(case, attributes={**case.attributes, "accumulator": turned}))
        assert "accumulator-other-overflow" in named(made, {"output": device["output"]})


def test_a_device_that_folds_a_normalisation_is_named():
    case = only_one("batch_norm", "fp32")
    golden, t = stages(case), case.tensors
    f = golden["factor"]
    with_offset = t["beta"] - t["mean"] * f
    output = t["x"] * f[:, None, None] + with_offset[:, None, None]
    assert output.dtype == np.float32
    assert named(case, {"output": output}) == ["normalisation-folded"]


@pytest.mark.parametrize("bits", [20, 24, 40])
def test_a_narrow_accumulator_is_recognised_where_it_wraps(bits):
    arithmetic, most, each = ("int16", 2**15 - 1, 23) if bits > 32 else ("int8", 127, 14)
    shape = (1, 2 ** (bits - each + 1), 1, 1)
    (case,) = random_cases(
        ["conv2d"],
        Sizes(batch=1, outputs=1, height=1, width=1, kernel=1),
        Choices(arithmetics=(arithmetic,)),
    )
    full = np.full(shape, most, arithmetic)
    case = with_tensors(case, x=full, w=np.full(shape, 127, np.int8))
    golden, device = stages(case), run(VARIANTS[f"accumulator-{bits}-bits"], case)
    total, half = int(golden["accumulator"].item()), 2 ** (bits - 1)
    assert total > half
    assert device["accumulator"].item() == (total + half) % (2 * half) - half
    findings = diagnose(case, golden, {"accumulator": device["accumulator"]})
    assert f"accumulator-{bits}-bits" in [f.name for f in findings if f.reproduces]


def test_an_unknown_fault_gets_no_name_and_a_partial_one_a_share():
    (case,) = random_cases(["conv2d"], SIZES, Choices(arithmetics=("int8",)))
    golden = stages(case)
    rng = np.random.default_rng(0)
    noise = rng.integers(-128, 128, golden["output"].shape).astype(np.int8)
    assert not any(f.reproduces for f in diagnose(case, golden, {"output": noise}))
    partial = run(VARIANTS["rounding-floor"], case)["output"].copy()
    partial.flat[0] ^= 64
    (best, *_) = diagnose(case, golden, {"output": partial})
    assert best.name == "rounding-floor"
    assert not best.reproduces
    assert "perhaps" in best.sentence


@pytest.mark.parametrize("operator", ["conv2d", "pssa", "xvolution", "xvolution_fused"])
def test_variants_of_a_large_case_are_looked_at_in_one_channel_first(operator):
    for arithmetic in ("int8", "bf16"):
        case = only_one(operator, arithmetic, k_tile=8)
        golden = stages(case)
        for variant in list(applicable(case))[::4]:
            device = computed(variant.name, case)
            spoiled = [stage for stage in golden if differs(golden, device, stage)]
            with mock.patch("refimpl.vectors.diagnose.MOST_AT_ONCE", 0):
                few = diagnose(case, golden, device, variants=[variant])
            assert [f.reproduces for f in few] == [True] * bool(spoiled)


def test_an_untouched_device_has_no_diagnosis():
    for case in CASES[:2]:
        golden = stages(case)
        assert diagnose(case, golden, golden) == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_cone_of_an_accumulator_adds_up_to_it_tile_by_tile(case):
    golden = GOLDEN[id(case)]
    rng = np.random.default_rng(1)
    for stage in [name for name in golden if name.endswith("accumulator")]:
        index = tuple(int(rng.integers(size)) for size in golden[stage].shape)
        found = cone(case, golden, stage, index)
        assert found.taps[-1].partial == value_of(golden[stage][index])
        partial = golden.get(stage.replace("accumulator", "partial_sums"))
        if partial is not None:
            ends = [
                tap.partial
                for tap, after in zip(found.taps, found.taps[1:], strict=False)
                if tap.tile != after.tile
            ] + [found.taps[-1].partial]
            assert ends == [value_of(each) for each in partial[(slice(None), *index)]]
        assert f"{stage}{list(index)} is computed of" in found.text
        assert any(tap.at is None for tap in cone(case, golden, stage, (0, 0, 0, 0)).taps)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_cone_of_any_other_stage_lists_what_it_reads(case):
    golden = GOLDEN[id(case)]
    for stage, step in steps_of(case).items():
        index = (0,) * golden[stage].ndim
        found = cone(case, golden, stage, index, golden)
        arrays = {**case.tensors, **golden}
        for operand in found.operands:
            assert operand.name in step.needs
            assert operand.golden == value_of(arrays[operand.name][operand.at])
            if operand.name in golden:
                assert operand.device == operand.golden
        if stage.endswith(("output", "biased", "before_clip", "product")):
            assert found.operands


def test_a_shifted_pixel_comes_from_its_neighbour_and_none_from_outside():
    (case,) = random_cases(["shift_product"], SIZES, Choices(arithmetics=("int8",)))
    golden = stages(case)
    x = case.tensors["x"]
    for channel in range(12):
        at = (0, channel, 2, 3)
        (operand,) = cone(case, golden, "shifted", at).operands
        assert x[operand.at] == golden["shifted"][at]
        moved = abs(operand.at[2] - 2) + abs(operand.at[3] - 3)
        assert moved == 1
