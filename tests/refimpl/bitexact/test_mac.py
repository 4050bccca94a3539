"""Every declared way of summing, against exact fractions (``fractions_model.py``)."""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.bitexact.accumulation import Accumulation
from refimpl.bitexact.exact_sum import LIMBS, add_exactly, round_exactly
from refimpl.bitexact.formats import FLOATS, FORMATS, decode, from_words
from refimpl.bitexact.mac import accumulate, add_rounded
from refimpl.bitexact.native import is_plain
from refimpl.bitexact.rounding import MODES, OVERFLOWS
from tests.refimpl.bitexact import fractions_model

ACCUMULATORS = [name for name in FLOATS if name != "fp64"]


@st.composite
def descriptions(draw):
    product = draw(st.sampled_from(["fused", "fp32", "bf16", "fp16", "fp8_e4m3"]))
    return Accumulation(
        pass_terms=draw(st.integers(0, 5)),
        between=draw(st.sampled_from(["carried", "added"])),
        lanes=draw(st.integers(1, 5)),
        lane_order=draw(st.sampled_from(["sequential", "tree", "exact", "aligned"])),
        aligned_bits=draw(st.sampled_from([3, 11, 24, 30])),
        product=product,
        format=draw(st.sampled_from(ACCUMULATORS)),
        rounding=draw(st.sampled_from(list(MODES))),
        subnormals=draw(st.sampled_from(["kept", "flushed"])),
        **(draw(rounded_products()) if product != "fused" else {}),
    )


@st.composite
def rounded_products(draw):
    return {
        "product_rounding": draw(st.sampled_from(list(MODES))),
        "product_overflow": draw(st.sampled_from(list(OVERFLOWS))),
    }


def numbers(draw, name, count, spread):
    """Finite numbers of a format within ``spread`` powers of two, ties and subnormals likely."""
    of = FORMATS[name]
    words = draw(st.lists(st.integers(0, (1 << of.bits) - 1), min_size=count, max_size=count))
    values = decode(from_words(np.array(words, of.word), of))
    values = np.where(np.isfinite(values), values, 1.0)
    fractions, _ = np.frexp(values)
    powers = draw(st.lists(st.integers(*spread), min_size=count, max_size=count))
    return np.ldexp(fractions, powers)


@given(st.data())
@settings(deadline=None, max_examples=300)
def test_a_sum_is_what_exact_fractions_say_bit_for_bit(data):
    of = data.draw(descriptions())
    terms = data.draw(st.integers(1, 9))
    inputs = data.draw(st.sampled_from(["fp32", "bf16", "fp16", "fp8_e5m2"]))
    spread = data.draw(st.sampled_from([(-3, 2), (-9, 3), (-75, -60), (-12, -5)]))
    rows, columns = (numbers(data.draw, inputs, terms, spread) for _ in range(2))
    start = numbers(data.draw, "fp8_e5m2", 1, (-3, 3))  # a number of every accumulator
    if of.format == "fp8_e4m3":
        start = np.trunc(start)
    try:
        expected = fractions_model.accumulate(
            [Fraction(each) for each in rows],
            [Fraction(each) for each in columns],
            of,
            Fraction(start.item()),
            FORMATS,
        )
    except OverflowError:
        return
    got = accumulate(rows[None], columns[None, :, None], of, start)
    assert Fraction(got.total.item()) == expected
    assert Fraction(got.passes[0, -1].item()) == expected or of.between == "added"


@pytest.mark.small
@pytest.mark.parametrize(
    ("lane_order", "product", "name"),
    list(product(["sequential", "tree", "exact", "aligned"], ["fused", "fp32"], ["fp32", "bf16"])),
)
def test_each_way_of_summing_on_small_numbers_compiled_and_interpreted(lane_order, product, name):
    of = Accumulation(
        lane_order=lane_order, product=product, format=name, lanes=3, pass_terms=4, between="added"
    )
    rows = np.array([1.0, 1 + 2.0**-23, -3.0, 2.0**-9, 257.0, 2.0**-140])
    columns = np.array([3.0, 1 + 2.0**-23, 1.0, 0.75, 1 / 1024, 2.0**-9])
    got = accumulate(rows[None], columns[None, :, None], of, np.array([0.5]))
    exact = [[Fraction(each) for each in side] for side in (rows, columns)]
    expected = fractions_model.accumulate(*exact, of, Fraction(1, 2), FORMATS)
    assert Fraction(got.total.item()) == expected


@pytest.mark.small
def test_the_machines_binary32_and_the_declared_one_are_the_same_bits():
    plain, same = Accumulation(), Accumulation(pass_terms=1)
    assert is_plain(plain)
    assert not is_plain(same)
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((2, 7)).astype(np.float32).astype(float)
    columns = rng.standard_normal((2, 7, 3)).astype(np.float32).astype(float)
    np.testing.assert_array_equal(
        accumulate(rows, columns, plain).total, accumulate(rows, columns, same).total
    )


def test_orders_that_differ_give_bits_that_differ():
    rng = np.random.default_rng(9)
    rows, columns = rng.standard_normal((4, 64)), rng.standard_normal((1, 64, 50))
    rows, columns = (each.astype(np.float32).astype(float) for each in (rows, columns))
    totals = {
        accumulate(rows, columns, of).total.tobytes()
        for of in (
            Accumulation(),
            Accumulation(product="fused"),
            Accumulation(lanes=8),
            Accumulation(lanes=8, lane_order="tree"),
            Accumulation(lanes=8, lane_order="exact"),
            Accumulation(lanes=8, lane_order="aligned"),
            Accumulation(pass_terms=16, between="added"),
            Accumulation(rounding="toward_zero"),
            Accumulation(format="bf16"),
            Accumulation(product="fp16"),
        )
    }
    assert len(totals) == 10


@given(st.lists(st.floats(-(2.0**100), 2.0**100, allow_subnormal=False), max_size=20))
@settings(deadline=None)
def test_a_long_accumulator_is_the_exact_sum_rounded_to_odd(values):
    values = [each for each in values if each == 0 or abs(each) > 2.0**-290]
    limbs = np.zeros(LIMBS, np.int64)
    for each in values:
        add_exactly(limbs, each)
    exact = sum((Fraction(each) for each in values), Fraction(0))
    got = round_exactly(limbs)
    if Fraction(got) != exact:
        assert abs(Fraction(got) - exact) < Fraction(float(np.spacing(abs(got))))
        assert int(np.float64(got).view(np.int64)) % 2 == 1


@pytest.mark.small
@pytest.mark.parametrize("rounding", ["toward_negative", "toward_positive", "nearest_even"])
@pytest.mark.parametrize("lane_order", ["sequential", "tree", "exact", "aligned"])
def test_a_sum_that_cancels_has_the_zero_that_decimal_arithmetic_gives_it(lane_order, rounding):
    """IEEE 754 and Python's decimals agree: -0 where rounding is downward, unless all are +0."""
    names = {"toward_negative": ROUND_FLOOR, "toward_positive": ROUND_CEILING}
    context = Context(prec=30, rounding=names.get(rounding, ROUND_HALF_EVEN))
    of = Accumulation(lane_order=lane_order, lanes=2, product="fused", rounding=rounding)
    for terms in ((3.0, -3.0), (0.0, 0.0), (0.0, -0.0), (-0.0, -0.0), (1.5, -0.5, -1.0, 0.0)):
        for start in (0.0, -0.0):
            total = Decimal(start)
            for first in range(0, len(terms), 2):
                pair = context.add(*(Decimal(each) for each in terms[first : first + 2]))
                total = context.add(total, pair)
            columns = np.array(terms)[None, :, None]
            got = accumulate(np.ones((1, len(terms))), columns, of, np.array([start]))
            assert got.total.item() == 0
            assert np.signbit(got.total.item()) == total.is_signed(), (terms, start)


@pytest.mark.small
@pytest.mark.parametrize("lane_order", ["sequential", "tree", "exact", "aligned"])
def test_infinities_and_nans_go_through_every_order(lane_order):
    of = Accumulation(lane_order=lane_order, lanes=4, product="fused")

    def total(*terms):
        columns = np.array(terms)[None, :, None]
        with np.errstate(invalid="ignore"):
            return accumulate(np.ones((1, len(terms))), columns, of).total.item()

    assert total(1.0, np.inf, 2.0) == np.inf
    assert np.isnan(total(np.inf, -np.inf, 2.0))
    assert np.isnan(total(1.0, np.nan, 2.0))
    assert total(2.0**127, 2.0**127) == np.inf


@pytest.mark.small
def test_the_overflow_of_an_accumulator_is_as_declared():
    for overflow, expected in (("infinity", np.inf), ("saturate", 57344.0), ("nan", np.nan)):
        of = Accumulation(format="fp8_e5m2", overflow=overflow)
        np.testing.assert_equal(
            add_rounded(np.array([57344.0]), np.array([57344.0]), of).item(), expected
        )


@pytest.mark.small
def test_binary64_sums_are_the_machines_own():
    of = Accumulation(format="fp64", product="fp64", lanes=2)
    rows, columns = np.array([[0.1, 0.2, 0.3]]), np.array([[[0.7], [0.8], [0.9]]])
    assert accumulate(rows, columns, of).total.item() == (0.1 * 0.7 + 0.2 * 0.8) + 0.3 * 0.9


@pytest.mark.small
def test_an_fp64_accumulator_keeps_the_last_bit_of_a_subnormal_sum():
    of = Accumulation(format="fp64", product="fp64", bias="first")
    columns = np.array([[[3 * 2.0**-1074]]])
    assert accumulate(np.ones((1, 1)), columns, of).total.item() == 3 * 2.0**-1074


def test_aligned_terms_are_cut_toward_zero_whatever_their_sign():
    """Units of 2 beside 8: a −1, or an accumulator of −1, is nothing, and not a whole −2."""
    of = Accumulation(lanes=2, lane_order="aligned", aligned_bits=3, product="fused")
    rows = np.array([[8.0, -1.0]])
    assert accumulate(rows, np.ones((1, 2, 1)), of).total.item() == 8
    later = np.array([[-1.0, 0.0, 8.0, 0.0]])
    assert accumulate(later, np.ones((1, 4, 1)), of).total.item() == 8


def test_rounded_products_are_flushed_where_sums_are():
    """2^-126 + 2^-130: the second is no normal number, and lost before it is added."""
    ends = np.array([2.0**-63, 2.0**-65])
    rows, columns = ends[None], ends[None, :, None]
    kept = accumulate(rows, columns, Accumulation())
    assert kept.total.item() == 2.0**-126 + 2.0**-130
    flushed = accumulate(rows, columns, Accumulation(subnormals="flushed"))
    assert flushed.total.item() == 2.0**-126
