"""X-volution's training form on integers against fractions (``literal_training.py``)."""

import numpy as np
import pytest

import refimpl as ref
from refimpl.bitexact.formats import decode
from refimpl.bitexact.operators import PIPELINES
from refimpl.vectors.case import Choices
from refimpl.vectors.stimuli import Sizes, random_cases
from tests.refimpl.bitexact import literal_training

CHOICES = {
    "default": {},
    "wide product": {"product": "wide"},
    "clipped": {"clip": [0, 90]},
    "strided": {"stride": [2, 1], "padding": [0, 1], "boundary": "zero"},
}


def case_of(seed="0", **sizes):
    chosen = Sizes(**{"batch": 2, "channels": 2, "outputs": 2, "height": 4, "width": 3} | sizes)
    (case,) = random_cases(
        ["xvolution_training"], chosen, Choices(arithmetics=("int8",)), seed=seed
    )
    return dict(case.tensors), dict(case.attributes)


def run(tensors, attributes):
    return PIPELINES["xvolution_training", "int8"](tensors, attributes)


@pytest.mark.parametrize("choice", CHOICES)
def test_every_stage_is_what_python_integers_and_fractions_say(choice):
    tensors, attributes = case_of()
    attributes |= CHOICES[choice]
    got = run(tensors, attributes)
    expected = literal_training.xvolution_training(tensors, attributes)
    unseen = {"attention_product", "attention_product_before_clip"} if "wide" in choice else set()
    assert set(got) == set(expected) - unseen
    for name, array in got.items():
        np.testing.assert_array_equal(decode(array), expected[name].astype(float), name)


def test_accumulators_beyond_24_bits_are_rounded_before_they_are_scaled():
    """fl32 of the accumulator is an operation of its own, and its rounding shows."""
    tensors, attributes = case_of(channels=1, kernel=1)
    tensors["x"] = np.full_like(tensors["x"], 127)
    tensors["x"][0, 0, 0, 0] = 126
    tensors["w_a"] = np.full_like(tensors["w_a"], 127)
    attributes |= {"product": "wide", "x_zero": -128, "accumulator": {"bits": 48}}
    tensors["scale_a"] = np.full_like(tensors["scale_a"], 2.0**-20)
    got = run(tensors, attributes)
    total = got["attention_accumulator"]
    assert (np.abs(total) > 2**24).any()
    exact = total * 2.0**-20
    np.testing.assert_array_equal(got["attention_dequantised"], exact.astype(np.float32))
    assert (got["attention_dequantised"].astype(np.float64) != exact).any()


def test_it_is_near_the_training_form_in_float64():
    """The same call in real numbers: within what the product's and the output's steps allow."""
    tensors, attributes = case_of(height=6, width=6)
    got = run(tensors, attributes)
    x = tensors["x"].astype(np.float64) - attributes["x_zero"]
    total = 0.0
    for end, branch in (("_c", "conv"), ("_a", "attention")):
        w = tensors[f"w{end}"].astype(np.float64)
        if branch == "conv":
            z = ref.conv2d(x, w, padding=1)
        else:
            product = got["attention_product"].astype(np.float64)
            z = ref.conv2d(product - attributes["t_zero"], w, padding=1)
        z = z * tensors[f"scale{end}"].astype(np.float64)[:, None, None]
        mean = z.mean(axis=(0, 2, 3), keepdims=True)
        var = z.var(axis=(0, 2, 3), keepdims=True)
        gamma, beta = (
            tensors[f"{name}{end}"].astype(np.float64)[:, None, None] for name in ("gamma", "beta")
        )
        total = total + gamma * (z - mean) / np.sqrt(var + attributes["eps"]) + beta
    np.testing.assert_allclose(got["sum"], total, rtol=0, atol=1e-4)
    steps = np.clip(np.rint(total * attributes["output_factor"]) + attributes["y_zero"], -128, 127)
    assert np.abs(got["output"] - steps).max() <= 1


@pytest.mark.parametrize(
    "declared",
    [
        {"accumulation_statistics": {"order": "ijn"}},
        {"accumulation_statistics": {"lanes": 4, "lane_order": "tree"}},
        {"accumulation_statistics": {"format": "bf16"}},
        {"rsqrt": {"kind": "table", "index_bits": 4}},
    ],
    ids=["order", "tree", "bf16", "table"],
)
def test_how_the_statistics_are_computed_is_declared_and_changes_bits(declared):
    tensors, attributes = case_of(batch=3, height=6, width=5)
    plain, other = run(tensors, attributes), run(tensors, attributes | declared)
    np.testing.assert_array_equal(plain["conv_accumulator"], other["conv_accumulator"])
    assert any(
        decode(plain[name]).tobytes() != decode(other[name]).tobytes()
        for name in ("conv_norm_mean", "conv_norm_var", "attention_norm_var", "conv_norm_factor")
    )


@pytest.mark.parametrize("arithmetic", ["int4", "int8", "int16"])
def test_seeded_outputs_reach_the_rails_and_mostly_lie_between(arithmetic):
    sizes = Sizes(batch=2, channels=4, outputs=8, height=8, width=8)
    (case,) = random_cases(["xvolution_training"], sizes, Choices(arithmetics=(arithmetic,)))
    output = PIPELINES[case.operator, arithmetic](case.tensors, case.attributes)["output"]
    limits = {"int4": (-8, 7), "int8": (-128, 127), "int16": (-(2**15), 2**15 - 1)}[arithmetic]
    values = output.astype(np.int64)
    assert (values.min(), values.max()) == limits
    assert np.isin(values, limits).mean() < 0.5
