"""A declaration that no case reads is refused with the reason; what is read is in the manifest."""

import re

import numpy as np
import pytest
from typer.testing import CliRunner

from refimpl.bitexact.describe import described
from refimpl.bitexact.formats import integers_of
from refimpl.cli import app
from refimpl.vectors.case import Choices
from refimpl.vectors.declare import must_concern, parsed
from refimpl.vectors.dut import Dut
from refimpl.vectors.dut_cases import dut_cases
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import Sizes, random_cases

SMALL = Sizes(batch=1, channels=3, outputs=2, height=4, width=4)


def cases(operators, arithmetic, texts):
    chosen = Choices(arithmetics=(arithmetic,), declared=parsed(texts))
    return random_cases(operators, SMALL, chosen)


def text(operator, arithmetic, *texts):
    (case,) = cases([operator], arithmetic, texts)
    return described(operator, arithmetic, case.attributes)


UNREAD = [
    ("global_attention", "int8", ["softmax.kind=integer", "probabilities.denominator=256"],
     "probabilities.denominator is read only by a softmax in floats; softmax.kind is integer"),
    ("global_attention", "int8", ["softmax.kind=integer", "probabilities.format=bf16"],
     "probabilities.format is read only by a softmax in floats; softmax.kind is integer"),
    ("local_attention", "fp32", ["normalise=none", "softmax.exp.kind=table"],
     "softmax.exp.kind is read only by a softmax; normalise is none"),
    ("local_attention", "int8", ["normalise=none", "probabilities.format=bf16"],
     "probabilities.format is read only by a softmax in floats; normalise is none"),
    ("global_attention", "int8", ["output_factor=2"],
     "output_factor is read only by a context in floats; the probabilities are integers"),
    ("global_attention", "int8", ["accumulation_context.lanes=4"],
     "accumulation_context.lanes is read only by a context in floats; the probabilities are int"),
    ("global_attention", "int8", ["probabilities.format=bf16", "accumulator_context.bits=40"],
     "accumulator_context.bits is read only by a context in integers; the probabilities are fl"),
    ("global_attention", "bf16", ["softmax.exp.index_bits=5"],
     "softmax.exp.index_bits is read only by a table or by pieces; softmax.exp.kind is correct"),
    ("global_attention", "bf16", ["softmax.exp.kind=piecewise", "softmax.exp.interpolation=linear"],
     "softmax.exp.interpolation is read only by a table; softmax.exp.kind is piecewise"),
    ("global_attention", "bf16", ["softmax.normalise=divide", "softmax.reciprocal.kind=table"],
     "softmax.reciprocal.kind is read only by a multiplication with it; softmax.normalise is di"),
    ("global_attention", "fp32", ["softmax.sum.bias=first"],
     "softmax.sum.bias is read only by a sum with a bias; this one has none"),
    ("pssa", "int8", ["product=wide", "product_format=int16"],
     "product_format is read only by a requantised product; product is wide"),
    ("conv2d", "fp32", ["accumulation.aligned_bits=9"],
     "accumulation.aligned_bits is read only by an aligned sum; accumulation.lane_order is sequ"),
    ("conv2d", "fp32", ["accumulation.between=added"],
     "accumulation.between is read only between passes; accumulation.pass_terms is 0"),
    ("conv2d", "fp32", ["accumulation.tiles.c=2"],
     "accumulation.tiles.c is read only by a loop over tiles; accumulation.order is cuv"),
    ("global_attention", "fp32", ["normalise=none", "probabilities.denominator=2"],
     "probabilities.denominator is read only by a softmax; normalise is none"),
    ("conv2d", "fp32", ["accumulation.lane_order=tree"],
     "accumulation.lane_order is read only by several lanes, or where it is aligned; accumulation"),
    ("conv2d", "fp32", ["accumulation.product=fused", "accumulation.product_rounding=nearest_even"],
     "accumulation.product_rounding is read only by products that are rounded; accumulation.prod"),
    ("batch_norm", "fp32", ["rsqrt.rounding=nearest_even"],
     "rsqrt.rounding is read only by entries that are computed; rsqrt.kind is correct"),
    ("batch_norm", "fp32", ["rsqrt.name=rsqrt"],
     "rsqrt.name is read only as what it is; its place names it"),
    ("batch_norm", "bf16", ["accumulation_statistics.lanes=4"],
     "accumulation_statistics.lanes is read only by statistics of a batch; statistics is given"),
    ("conv2d", "int8", ["accumulator.order=uvc"],
     "accumulator.order is read only where it saturates, or in passes that are seen; accumulator"),
]  # fmt: skip


@pytest.mark.parametrize(("operator", "arithmetic", "texts", "sentence"), UNREAD)
def test_what_no_case_reads_is_refused_with_the_reason(operator, arithmetic, texts, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}"):
        cases([operator], arithmetic, texts)
    words = ["vectors", "never", "--operator", operator, "--arithmetic", arithmetic]
    done = CliRunner().invoke(app, [*words, *(w for each in texts for w in ("--declare", each))])
    assert done.exit_code == 2
    assert sentence.split(";")[0] in " ".join(done.output.split())


def test_a_field_that_one_case_of_several_reads_is_not_refused():
    found = cases(["batch_norm", "xvolution_training"], "fp32", ["accumulation_statistics.lanes=4"])
    (plain,) = cases(["batch_norm"], "fp32", [])
    assert [case.operator for case in found] == ["batch_norm", "xvolution_training"]
    assert found[0].id == plain.id  # which does not read it, and is the same case
    assert found[0].attributes == plain.attributes
    assert found[1].attributes["accumulation_statistics"] == {"lanes": 4}


def test_the_default_of_a_field_that_is_read_may_be_declared():
    (case,) = cases(
        ["conv2d"], "fp32", ["accumulation.lanes=1", "accumulation.rounding=nearest_even"]
    )
    assert case.attributes["accumulation"]["lanes"] == 1


@pytest.mark.parametrize("operators", [["batch_norm"], ["batch_norm", "xvolution_training"]])
def test_a_device_may_declare_what_one_of_its_operators_reads(operators):
    dut = Dut(
        name="d",
        features={"operators": operators, "arithmetics": ["fp32"], "strides": [1],
                  "dilations": [1], "kernels": [1]},
        arithmetic={"accumulation_statistics": {"lanes": 2}},
        tile={"channels": 2, "outputs": 2, "pixels": 4},
    )  # fmt: skip
    if len(operators) == 2:
        assert dut_cases(dut)[0]
        return
    with pytest.raises(ValueError, match="lanes is read only by statistics of a batch"):
        dut_cases(dut)


def test_must_concern_refuses_what_cases_of_other_sources_do_not_read():
    chosen = Choices(arithmetics=("fp32",), declared=parsed(["accumulation.aligned_bits=9"]))
    (plain,) = cases(["conv2d"], "fp32", [])
    with pytest.raises(ValueError, match="is read only by an aligned sum"):
        must_concern([plain], chosen)


SAID = [
    ("conv2d", "int8", "output_format=int16", "saturation", "int16, [-32768, 32767]"),
    ("conv2d", "int8", "clip=[0,50]", "saturation", "int8, [0, 50]"),
    ("global_attention", "int8", "probabilities.rounding=toward_zero", "probabilities",
     "a*255 to uint8, toward_zero, saturates to [0, 255]"),
    ("conv2d", "fp32", "accumulation.rounding=toward_zero", "accumulation",
     "R_fp32: toward_zero, overflow to the largest, but an infinity stays"),
    ("global_attention", "int8", "probabilities.format=bf16", "accumulation_context",
     "acc = 0 ; for t: acc = R_fp32(acc + R_fp32(w*x)) ; R_fp32: nearest_even"),
    ("global_attention", "int8", "score_scale=0.1", "scaled_scores",
     "R(fl32(scores)*0.10000000149011612), R that of the softmax"),
    ("xvolution_training", "int8", "output_factor=3", "output", "R(R(conv + attention)*3.0)"),
    ("batch_norm", "bf16", "eps=0.25", "normalisation", "R(var + 0.25)"),
    ("conv2d_backward", "fp16", "dw.format=bf16", "dw", "to bf16, nearest_even"),
    ("pssa", "fp32", "length=2", "shift", "L = 2"),
]  # fmt: skip


@pytest.mark.parametrize(("operator", "arithmetic", "declared", "key", "words"), SAID)
def test_what_is_declared_stands_in_the_arithmetic(operator, arithmetic, declared, key, words):
    assert words in text(operator, arithmetic, declared)[key]
    plain = text(operator, arithmetic).get(key, "")
    assert words not in plain or "rounding" not in declared


def test_tiles_and_passes_of_a_saturating_accumulator_are_said():
    fields = ["overflow=saturate", "order=Cuvc", "tiles.c=2", "pass_terms=6", "bits=12"]
    said = text("conv2d", "int8", *(f"accumulator.{each}" for each in fields))["accumulator"]
    assert said == "int12, saturates after every term, terms in the order Cuvc c=2, 6 terms a pass"


@pytest.mark.parametrize("declared", [[], ["output_format=int4"], ["clip=[-20,20]"]])
def test_limits_in_the_text_are_those_that_outputs_reach(declared):
    (case,) = cases(["conv2d"], "int8", declared)
    found = integers_of(stages(case)["output"])
    limits = f"[{found.min()}, {found.max()}]"
    assert limits in described("conv2d", "int8", case.attributes)["saturation"]


@pytest.mark.parametrize(
    ("operator", "record", "order", "loops"),
    [
        ("conv2d", "accumulator", "xyz", "c, u, v"),
        ("pssa", "accumulator", "cu", "c, u, v"),
        ("conv2d_backward", "accumulator_dx", "cuv", "o, u, v"),
        ("xvolution_backward", "accumulator_dw", "ouv", "n, i, j"),
    ],
)
def test_an_order_over_loops_that_the_sum_has_not_is_refused(operator, record, order, loops):
    with pytest.raises(ValueError, match=f"order must run over the loops {loops}, not '{order}'"):
        cases([operator], "int8", [f"{record}.overflow=saturate", f"{record}.order={order}"])


def test_constants_in_the_text_are_those_that_stages_are_computed_with():
    (case,) = cases(["global_attention"], "int8", ["probabilities.format=bf16", "score_scale=0.1"])
    said, found = described("global_attention", "int8", case.attributes), stages(case)
    scale = float(re.search(r"fl32\(scores\)\*([^)]+)\)", said["scaled_scores"])[1])
    scores = integers_of(found["scores"])
    assert np.array_equal(found["scaled_scores"], np.float32(scores) * np.float32(scale))
    factor = float(re.search(r"R\(context\*([^)]+)\)", said["output"])[1])
    assert np.array_equal(found["scaled_context"], found["context"] * np.float32(factor))


def test_a_constant_that_is_flushed_is_said_as_it_is_read():
    said = text("global_attention", "fp32", "scale=1e-40", "accumulation_scores.subnormals=flushed")
    assert said["scaled_scores"].startswith("R(scores*0.0)")


def test_the_denominator_and_the_cast_in_the_text_are_those_of_the_probabilities():
    declared = ["probabilities.denominator=200", "probabilities.rounding=toward_zero"]
    (case,) = cases(["local_attention"], "int8", declared)
    said = described("local_attention", "int8", case.attributes)["probabilities"]
    assert said == "a*200 to uint8, toward_zero, saturates to [0, 255]"
    found = stages(case)
    a = np.float32(found["exp_output"]) * found["reciprocal"]
    assert np.array_equal(found["probabilities"], np.trunc(a.astype(np.float64) * 200))


def test_an_order_tiles_and_passes_in_the_text_give_the_accumulator_term_by_term():
    fields = ["order=Cuvc", "tiles.c=2", "bits=13", "overflow=saturate", "pass_terms=6"]
    (case,) = cases(["conv2d"], "int8", [f"accumulator.{each}" for each in fields])
    said = described("conv2d", "int8", case.attributes)["accumulator"]
    bits, tile, taps = (int(re.search(rf"{each}(\d+)", said)[1]) for each in ("int", "c=", "c=2, "))
    assert "saturates after every term, terms in the order Cuvc" in said
    found, half = stages(case), 2 ** (bits - 1)
    x, w = found["padded"][0].astype(int) + 7, case.tensors["w"].astype(int)  # x_zero is -7
    total, kept = 0, []
    for first in range(0, 3, tile):
        for u, v in np.ndindex(3, 3):
            for c in range(first, min(first + tile, 3)):
                total = max(-half, min(half - 1, total + w[1, c, u, v] * x[c, 1 + u, 2 + v]))
                kept.append(total)
    passes = [integers_of(found[name])[0, 1, 1, 2] for name in found if "partial_" in name]
    assert passes == [kept[min(at + taps, len(kept)) - 1] for at in range(0, len(kept), taps)]
    assert integers_of(found["accumulator"])[0, 1, 1, 2] == kept[-1]
