"""Float pipelines away from the defaults, against exact fractions: formats, orders, casts."""

from fractions import Fraction

import numpy as np
import pytest

from refimpl.bitexact.accumulation import Accumulation, term_order
from refimpl.bitexact.formats import (
    FORMATS,
    Cast,
    cast_of,
    decode,
    default_cast,
    encode,
    format_of,
)
from refimpl.bitexact.operators import PIPELINES
from refimpl.bitexact.softmax import below_maximum
from tests.refimpl.bitexact import fractions_model
from tests.refimpl.bitexact.literal import sides

DESCRIPTIONS = {
    "plain": {},
    "fused": {"product": "fused"},
    "tree-of-4": {"lanes": 4, "lane_order": "tree", "product": "fused"},
    "exact-of-4": {"lanes": 4, "lane_order": "exact", "product": "fused"},
    "aligned": {"lanes": 8, "lane_order": "aligned", "product": "fused", "aligned_bits": 12},
    "passes": {"pass_terms": 7, "between": "added"},
    "tiles": {"order": "Cuvc", "tiles": {"c": 2}, "lanes": 3},
    "bf16-accumulator": {"format": "bf16", "product": "fused"},
    "fp16-accumulator": {"format": "fp16", "product": "fp16"},
    "truncated": {"rounding": "toward_zero"},
    "upward": {"rounding": "toward_positive", "lanes": 4, "lane_order": "exact"},
    "downward in bf16": {"rounding": "toward_negative", "format": "bf16", "product": "fused"},
    "products downward": {"product_rounding": "toward_negative", "product": "bf16"},
    "flushed": {"subnormals": "flushed"},
    "bias-first": {"bias": "first"},
}


def read(array, *, flush):
    """Numbers of an array; 0 for those below the least normal one of its format, if flushed."""
    wide, of = decode(array), format_of(array)
    return np.where(np.abs(wide) < 2.0 ** (1 - of.bias), 0, wide) if flush else wide


def judged_conv(x, w, b, attributes, name):
    """Each output as the description says, in fractions; taps outside are products with 0."""
    of = Accumulation(**attributes["accumulation"])
    rows, cols, pixel = sides(x, w, attributes)
    order = term_order(dict(zip("cuv", w.shape[1:], strict=True)), of.order, of.tiles)
    taps = [list(np.ndindex(w.shape[1:]))[k] for k in order]
    into, flush = FORMATS[of.format], of.subnormals == "flushed"
    wide_x, wide_w, wide_b = (read(each, flush=flush) for each in (x, w, b))
    out = np.empty((len(x), len(w), rows, cols))
    for n, o, i, j in np.ndindex(out.shape):
        places = [(c, pixel(i, j, u, v)) for c, u, v in taps]
        values = [Fraction(0) if p is None else Fraction(wide_x[n, c, *p]) for c, p in places]
        weights = [Fraction(wide_w[o, c, u, v]) for c, u, v in taps]
        start = Fraction(wide_b[o]) if of.bias == "first" else Fraction(0)
        total = fractions_model.accumulate(weights, values, of, start, FORMATS)
        if of.bias == "last":
            total = fractions_model.nearest(
                total + Fraction(wide_b[o]), into, of.rounding, flush=flush
            )
        out[n, o, i, j] = fractions_model.nearest(total, FORMATS[name])
    return out


@pytest.mark.parametrize("description", DESCRIPTIONS)
@pytest.mark.parametrize("name", ["fp32", "bf16", "fp16", "fp8_e4m3", "fp8_e5m2"])
def test_a_convolution_in_any_format_and_order_is_what_exact_fractions_say(name, description):
    rng = np.random.default_rng(4)

    def draw(*shape):
        return encode(rng.standard_normal(shape), default_cast(name))

    x, w = draw(1, 3, 3, 3), draw(2, 3, 3, 2)
    b = encode(rng.integers(-8, 8, 2) / 4, default_cast("fp32"))
    attributes = {"padding": [1, 1], "accumulation": DESCRIPTIONS[description]}
    stages = PIPELINES["conv2d", name]({"x": x, "w": w, "b": b}, attributes)
    expected = judged_conv(x, w, b, attributes, name)
    np.testing.assert_array_equal(decode(stages["output"]), expected)
    carrier = DESCRIPTIONS[description].get("format", "fp32")
    assert format_of(stages["accumulator"]).name == carrier
    assert format_of(stages["output"]).name == name


@pytest.mark.parametrize("name", ["bf16", "fp16", "fp8_e4m3", "fp8_e5m2"])
def test_a_shift_product_is_rounded_once(name):
    rng = np.random.default_rng(5)
    x = encode(rng.standard_normal((1, 2, 4, 4)), default_cast(name))
    attributes = {"directions": [[0, 1]], "length": 1, "boundary": "circular"}
    got = PIPELINES["shift_product", name]({"x": x}, attributes)["product"]
    wide = decode(x)
    for at in np.ndindex(got.shape):
        exact = Fraction(wide[at]) * Fraction(wide[at[0], at[1], at[2], (at[3] + 1) % 4])
        assert decode(got)[at] == fractions_model.nearest(exact, FORMATS[name])


@pytest.mark.small
def test_an_output_is_cast_as_declared():
    tensors = {
        "x": encode(np.array([[[[300.0]]]]), default_cast("bf16")),
        "w": encode(np.array([[[[2.0]]]]), default_cast("bf16")),
    }

    def output(**cast):
        stages = PIPELINES["conv2d", "bf16"](tensors, {"output": cast})
        return stages["output"], decode(stages["output"]).item()

    array, value = output(format="fp8_e4m3")
    assert (format_of(array).name, value) == ("fp8_e4m3", 448.0)
    assert np.isnan(output(format="fp8_e4m3", overflow="nan")[1])
    assert output(format="int8")[1] == 127


@pytest.mark.small
def test_subnormal_operands_are_read_as_zeros_where_they_are_flushed():
    x = encode(np.full((1, 1, 1, 1), 2.0**-130), Cast(format="fp32"))
    w = encode(np.full((1, 1, 1, 1), 2.0**100), Cast(format="fp32"))
    kept = PIPELINES["conv2d", "fp32"]({"x": x, "w": w}, {})
    flushed = PIPELINES["conv2d", "fp32"](
        {"x": x, "w": w}, {"accumulation": {"subnormals": "flushed"}}
    )
    assert kept["output"].item() == 2.0**-30
    assert flushed["output"].item() == 0


def test_a_score_below_its_maximum_is_rounded_once():
    """1 + 2^-8 + 2^-60 is above a tie of bf16; rounded to binary64 first it would be the tie."""
    scores, maximum = np.array([[-(1 + 2.0**-8)]]), np.array([[2.0**-60]])
    found = below_maximum(scores, maximum, np.array([[True]]), cast_of(None, "bf16"))
    assert found.astype(np.float64).item() == -(1 + 2.0**-7)
    assert (scores - maximum).item() == scores.item()  # which is the tie, and even is −1
