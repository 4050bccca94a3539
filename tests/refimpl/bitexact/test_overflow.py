"""What is beyond a format, in sums, products and casts: exact fractions and ml_dtypes judge.

fp8_e4m3 has no infinity: what overflows is NaN there, or the largest number where that is declared;
and a NaN stays one, in every lane, group and pass.
"""

from fractions import Fraction
from math import isfinite, isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.bitexact.accumulation import Accumulation
from refimpl.bitexact.describe import described
from refimpl.bitexact.formats import FORMATS, Cast, decode, default_cast, encode, words_of
from refimpl.bitexact.mac import accumulate, add_rounded
from refimpl.bitexact.operators import PIPELINES
from refimpl.bitexact.rounding import MODES, OVERFLOWS
from tests.refimpl.bitexact import fractions_model


def exact(x):
    return Fraction(x) if isfinite(x) else x


def same(got, expected):
    return isnan(got) if isnan(expected) else got == expected


@st.composite
def descriptions(draw):
    product = draw(st.sampled_from(["fused", "fp32", "fp16", "fp8_e4m3", "fp8_e5m2"]))
    rounded = (
        {}
        if product == "fused"
        else {
            "product_rounding": draw(st.sampled_from(list(MODES))),
            "product_overflow": draw(st.sampled_from(list(OVERFLOWS))),
        }
    )
    return Accumulation(
        pass_terms=draw(st.integers(0, 4)),
        between=draw(st.sampled_from(["carried", "added"])),
        lanes=draw(st.integers(1, 4)),
        lane_order=draw(st.sampled_from(["sequential", "tree", "exact", "aligned"])),
        product=product,
        format=draw(st.sampled_from(["fp8_e4m3", "fp8_e4m3", "fp8_e5m2", "fp16"])),
        rounding=draw(st.sampled_from(list(MODES))),
        overflow=draw(st.sampled_from(list(OVERFLOWS))),
        **rounded,
    )  # fmt: skip


NUMBERS = st.sampled_from([448.0, -448.0, 240.0, 17.0, -3.0, 1.0, 0.0, 1 / 64])
OPERANDS = st.one_of(NUMBERS, NUMBERS, NUMBERS, st.sampled_from([np.inf, -np.inf, np.nan, 57344.0]))


@given(descriptions(), st.lists(st.tuples(OPERANDS, OPERANDS), min_size=1, max_size=8), NUMBERS)
@settings(deadline=None, max_examples=1000)
def test_a_sum_that_overflows_anywhere_is_what_fractions_infinities_and_nans_give(of, terms, start):
    rows, columns = (np.array(side) for side in zip(*terms, strict=True))
    sides = ([exact(each) for each in side.tolist()] for side in (rows, columns))
    expected = fractions_model.accumulate(*sides, of, exact(start), FORMATS, raises=False)
    got = accumulate(rows[None], columns[None, :, None], of, np.array([start]))
    assert same(got.total.item(), float(expected))
    last = got.passes[0, -1].item()
    assert same(last, float(expected)) or of.between == "added"


@given(st.sampled_from(list(MODES)), st.sampled_from(list(OVERFLOWS)), OPERANDS, OPERANDS)
@settings(deadline=None)
@pytest.mark.parametrize("name", ["fp8_e4m3", "fp8_e5m2", "fp16"])
def test_an_addition_and_a_cast_overflow_alike(name, rounding, overflow, a, b):
    of = Accumulation(format=name, product="fused", rounding=rounding, overflow=overflow)
    total = exact(a) + exact(b)
    expected = float(fractions_model.nearest(total, FORMATS[name], rounding, overflow=overflow))
    assert same(add_rounded(np.array([a]), np.array([b]), of).item(), expected)
    cast = Cast(format=name, rounding=rounding, overflow=overflow)
    assert same(decode(encode(np.array([float(total)]), cast)).item(), expected)


@pytest.mark.parametrize("lane_order", ["sequential", "tree", "exact", "aligned"])
@pytest.mark.parametrize("passes", [0, 4])
def test_a_sum_in_e4m3_is_ml_dtypes_own_from_the_first_overflow_on(lane_order, passes):
    """448 + 448 is NaN in ml_dtypes; nothing that is added afterwards brings it back."""
    theirs = np.array([448.0], np.float32).astype(FORMATS["fp8_e4m3"].dtype)
    assert np.isnan((theirs + theirs).astype(float)).all()
    x = encode(np.array([448.0, 448, -448, -448, 1, 1, 1, 1]), default_cast("fp8_e4m3"))
    tensors = {
        "x": x.reshape(1, 8, 1, 1),
        "w": encode(np.ones((1, 8, 1, 1)), default_cast("fp8_e4m3")),
    }
    record = {"format": "fp8_e4m3", "lanes": 2, "lane_order": lane_order, "pass_terms": passes}
    found = PIPELINES["conv2d", "fp8_e4m3"](tensors, {"accumulation": record})
    assert {int(words_of(found[name]).item()) for name in ("accumulator", "output")} == {0x7F}
    kept = {"accumulation": {**record, "overflow": "saturate"}}
    assert np.isfinite(decode(PIPELINES["conv2d", "fp8_e4m3"](tensors, kept)["output"])).all()


def test_a_product_in_e4m3_overflows_to_nan_or_to_what_is_declared():
    tensors = {
        name: encode(np.full((1, 1, 1, 1), 448.0), default_cast("fp8_e4m3")) for name in "xw"
    }

    def total(**declared):
        attributes = {"accumulation": {"product": "fp8_e4m3", **declared}}
        return decode(PIPELINES["conv2d", "fp8_e4m3"](tensors, attributes)["accumulator"]).item()

    assert isnan(total())
    assert total(product_overflow="saturate") == 448
    text = described("conv2d", "fp8_e4m3", {"accumulation": {"product": "fp8_e4m3"}})
    assert text["accumulation"].endswith("R_fp8_e4m3: nearest_even, overflow to nan")


def test_how_products_are_rounded_must_be_said_of_products_that_are():
    with pytest.raises(ValueError, match="must be declared of products that are rounded"):
        Accumulation(product="fused", product_rounding="toward_zero")
