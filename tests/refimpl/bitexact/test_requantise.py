"""Rounding rules against their formulas in exact fractions (``literal.RULES``)."""

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from refimpl.bitexact.requantise import (
    ALL_RULES,
    FORMULAS,
    Factor,
    fixed_point,
    requantise,
    rounding_rule,
    saturate,
)
from tests.refimpl.bitexact import literal

rules = pytest.mark.parametrize("rule", ALL_RULES)
shifts = st.one_of(st.integers(31, 61), st.integers(1, 33))
multipliers = st.one_of(
    st.integers(2**30, 2**31 - 1), st.sampled_from([2**30, 2**31 - 1, 3 * 2**29])
)
EXTREMES = [-(2**31), 2**31 - 1, 0, 1, -1]


@st.composite
def accumulators(draw):
    """Any int32, an extreme, or a multiple of a large power of two, which makes ties."""
    anything = st.one_of(st.integers(-(2**31), 2**31 - 1), st.sampled_from(EXTREMES))
    if draw(st.booleans()):
        return draw(anything)
    power = draw(st.integers(0, 30))
    return draw(st.integers(-(2 ** (31 - power)), 2 ** (31 - power) - 1)) * 2**power


def requantised(accumulator, multiplier, shift, rule):
    factor = Factor(np.array([multiplier], np.int32), np.array([shift], np.int8))
    return requantise(np.array([[accumulator]], np.int32), factor, rounding=rule).item()


@rules
@given(accumulator=accumulators(), multiplier=multipliers, shift=shifts)
@settings(deadline=None, max_examples=400)
@example(accumulator=-(2**31), multiplier=2**31 - 1, shift=31)
@example(accumulator=2**31 - 1, multiplier=2**31 - 1, shift=61)
@example(accumulator=-(2**31), multiplier=2**31 - 1, shift=61)
@example(accumulator=1, multiplier=2**30, shift=31)
@example(accumulator=-1, multiplier=2**30, shift=31)
@example(accumulator=3, multiplier=2**30, shift=31)
def test_a_rule_is_its_formula_over_all_accumulators_and_shifts(
    rule, accumulator, multiplier, shift
):
    expected = literal.RULES[rule](accumulator, multiplier, shift)
    assert requantised(accumulator, multiplier, shift, rule) == expected


@rules
@pytest.mark.small
def test_a_rule_is_its_formula_at_every_corner(rule):
    for accumulator in (*EXTREMES, 3, -3, 2**30, -(2**30)):
        for multiplier in (2**30, 2**31 - 1):
            for shift in (1, 2, 15, 29, 30, 31, 32, 33, 46, 60, 61):
                expected = literal.RULES[rule](accumulator, multiplier, shift)
                assert requantised(accumulator, multiplier, shift, rule) == expected


@rules
@pytest.mark.small
def test_the_double_rounding_formula_of_the_documentation_is_the_c_code(rule):
    """``FORMULAS`` is what a hardware engineer reads; here it is evaluated as written."""
    for a in (-7, -6, -5, 5, 6, 7, 2**31 - 1, -(2**31)):
        for m, s in (
            *((2**30, 31), (2**30, 33), (2**31 - 1, 32), (3 * 2**29, 34)),
            *((2**30, 1), (3, 2), (5 * 2**13 + 1, 15), (2**30 + 2**29, 30), (2**31 - 1, 29)),
        ):
            exact = Fraction(a * m, 2**s)
            left, right = max(31 - s, 0), max(s - 31, 0)
            h = int(Fraction(2**left * a * m + (2**30 if a * m >= 0 else 1 - 2**30), 2**31))
            halves = Fraction(abs(h), 2**right) + Fraction(1, 2)
            said = {
                "half_up": (2 * a * m + 2**s) // 2 ** (s + 1),
                "half_even": round(exact),
                "floor": a * m // 2**s,
                "tflite_double": (halves.numerator // halves.denominator) * (-1 if h < 0 else 1),
                "half_away": ((2 * abs(a) * m + 2**s) // 2 ** (s + 1)) * (-1 if a < 0 else 1),
                "toward_zero": (abs(a) * m // 2**s) * (-1 if a < 0 else 1),
                "tosa_double": (
                    a * m + 2 ** (s - 1) + (0 if s <= 31 else 2**30 if a >= 0 else -(2**30))
                )
                // 2**s,
            }[rule]
            assert requantised(a, m, s, rule) == said, (a, m, s)
    assert set(FORMULAS) == {*ALL_RULES, "float_even"}
    assert "l = max(31-s, 0)" in FORMULAS["tflite_double"]
    assert "h/2^r, r = max(s-31, 0)" in FORMULAS["tflite_double"]


TIE, MINUS_TIE, QUARTER = (1, 2**30, 31), (-1, 2**30, 31), (1, 2**30, 32)
WITNESSES = {
    ("half_up", "half_even"): TIE,  # ½: 1 and 0
    ("half_up", "floor"): TIE,
    ("half_up", "tflite_double"): QUARTER,  # ¼ → ½ → 1, and 0
    ("half_up", "half_away"): MINUS_TIE,  # −½: 0 and −1
    ("half_up", "toward_zero"): TIE,
    ("half_up", "tosa_double"): QUARTER,
    ("half_even", "floor"): (3, 2**30, 31),
    ("half_even", "tflite_double"): TIE,
    ("half_even", "half_away"): TIE,
    ("half_even", "toward_zero"): (3, 2**30, 31),
    ("half_even", "tosa_double"): TIE,
    ("floor", "tflite_double"): TIE,
    ("floor", "half_away"): TIE,
    ("floor", "toward_zero"): MINUS_TIE,
    ("floor", "tosa_double"): TIE,
    ("tflite_double", "half_away"): QUARTER,
    ("tflite_double", "toward_zero"): TIE,
    ("half_away", "toward_zero"): TIE,
    ("half_away", "tosa_double"): QUARTER,
    ("toward_zero", "tosa_double"): TIE,
}


def test_every_pair_of_rules_has_a_witness():
    assert set(WITNESSES) == set(combinations(ALL_RULES, 2)) - {("tflite_double", "tosa_double")}


@given(accumulator=accumulators(), multiplier=multipliers, shift=shifts)
@settings(deadline=None, max_examples=400)
def test_tosas_double_rounding_is_tflites_and_up_to_a_shift_of_31_both_round_once(
    accumulator, multiplier, shift
):
    twice = literal.tosa_double(accumulator, multiplier, shift)
    assert twice == literal.tflite_double(accumulator, multiplier, shift)
    assert twice == literal.RULES["half_up"](accumulator, multiplier, shift) or shift > 31


@pytest.mark.parametrize("pair", list(WITNESSES), ids="-".join)
@pytest.mark.small
def test_two_rules_differ_at_their_witness(pair):
    left, right = (requantised(*WITNESSES[pair], rule) for rule in pair)
    assert left != right


@pytest.mark.small
def test_double_rounding_is_not_single_rounding_even_far_from_a_tie():
    """1 · 2³⁰/2³² = ¼ → doubled high multiplication gives ½ → 1; single rounding gives 0."""
    assert requantised(1, 2**30, 32, "tflite_double") == 1
    assert requantised(1, 2**30, 32, "half_up") == 0


@given(
    st.floats(2.0**-31, 1, exclude_max=True, allow_subnormal=False).filter(
        lambda factor: factor < 1 - 2.0**-33
    )
)
@settings(deadline=None, max_examples=300)
def test_a_fixed_point_factor_is_the_nearest_there_is(factor):
    multiplier, shift = (each.item() for each in fixed_point(np.array(factor)))
    assert 2**30 <= multiplier < 2**31
    assert 31 <= shift <= 61
    off = abs(Fraction(multiplier, 2**shift) - Fraction(factor))
    assert off <= Fraction(1, 2 ** (shift + 1))  # half a step of the multiplier


@pytest.mark.parametrize("factor", [2.0**-31, 2.0**-16, 0.5])
@pytest.mark.small
def test_a_power_of_two_is_represented_exactly(factor):
    multiplier, shift = (each.item() for each in fixed_point(np.array([factor])))
    assert multiplier == 2**30
    assert Fraction(multiplier, 2**shift) == Fraction(factor)


@pytest.mark.small
def test_a_factor_that_rounds_up_to_a_power_of_two_moves_its_shift():
    multiplier, shift = (each.item() for each in fixed_point(np.array([0.5 - 2.0**-54])))
    assert (multiplier, shift) == (2**30, 31)


@pytest.mark.small
@pytest.mark.parametrize("factor", [2.0**30, 0.0, -0.5, 2.0**-32, float("nan"), float("inf")])
def test_a_factor_out_of_range_is_refused(factor):
    with pytest.raises(ValueError, match=r"factor must lie in \[2\^-31, 2\^30\), not be"):
        fixed_point(np.array([factor]))


@given(
    st.floats(2.0**-31, 2.0**30, exclude_max=True, allow_subnormal=False),
    st.sampled_from([15, 23, 31]),
)
@settings(deadline=None, max_examples=300)
def test_a_multiplier_of_any_width_is_the_nearest_whose_shift_the_factor_allows(factor, bits):
    if factor >= 2.0 ** (bits - 1):
        with pytest.raises(ValueError, match=rf"2\^{bits - 1}\), not be"):
            fixed_point(np.array(factor), bits)
        return
    multiplier, shift = (each.item() for each in fixed_point(np.array(factor), bits))
    least = bits if factor < 1 else 1
    assert 2 ** (bits - 1) <= multiplier < 2**bits
    assert shift >= least
    best = min(
        abs(Fraction(min(round(Fraction(factor) * 2**s), 2**bits - 1), 2**s) - Fraction(factor))
        for s in range(least, bits + 32)
    )
    assert abs(Fraction(multiplier, 2**shift) - Fraction(factor)) == best


@pytest.mark.small
def test_every_channel_has_its_own_factor_and_the_zero_point_is_added_after_rounding():
    accumulators = np.array([[[8], [9]], [[-8], [-9]]], np.int32)
    factor = Factor(np.array([2**30, 2**30]), np.array([31, 33]))
    got = requantise(accumulators, factor, rounding="floor", zero_point=5)
    assert got.tolist() == [[[4 + 5], [1 + 5]], [[-4 + 5], [-2 + 5]]]
    last = requantise(accumulators[:, :, 0], factor, rounding="floor", channel_axis=1)
    assert last.tolist() == [[4, 1], [-4, -2]]


@pytest.mark.small
def test_saturation_clips_to_int8_at_both_rails():
    values = np.array([-(2**40), -129, -128, 0, 127, 128, 2**40])
    assert saturate(values).tolist() == [-128, -128, -128, 0, 127, 127, 127]
    assert saturate(values).dtype == np.int8
    assert saturate(values, (-7, 7)).tolist() == [-7, -7, -7, 0, 7, 7, 7]


@pytest.mark.small
def test_an_unknown_rule_is_refused_by_naming_those_there_are():
    with pytest.raises(ValueError, match="must be one of half_up, half_even, floor, tflite_double"):
        rounding_rule("away")


@pytest.mark.small
def test_a_factor_just_below_one_keeps_a_shift_that_every_rule_can_use():
    factor = fixed_point(np.array([1 - 2.0**-53]))
    assert (factor.multiplier.item(), factor.shift.item()) == (2**31 - 1, 31)


def binary32(value):
    """The nearest binary32 of a fraction of at most 53 bits, ties to even: one rounding."""
    exact = float(value)
    assert Fraction(exact) == value
    return Fraction(float(np.float32(exact)))


def test_a_float_scale_rounds_accumulator_and_product_to_binary32_and_witnesses_tell():
    """Accumulators beyond 2^24, and products whose rounding makes or breaks a tie, decide."""
    rng = np.random.default_rng(5)
    accumulator = rng.integers(-(2**27), 2**27, (1, 1, 2**19)).astype(np.int32)
    scale = np.float32(0.00390173)
    got = requantise(
        accumulator, Factor(np.array([scale]), np.array([0], np.int8)), rounding="float_even"
    ).reshape(-1)
    wide, one = accumulator.reshape(-1).astype(np.float64), np.float64(scale)
    narrow = wide.astype(np.float32).astype(np.float64)
    unrounded_products = np.flatnonzero(np.rint(narrow * one) != got)
    unrounded_accumulators = np.flatnonzero(
        np.rint((wide * one).astype(np.float32).astype(np.float64)) != got
    )
    assert len(unrounded_products) > 5
    assert len(unrounded_accumulators) > 5
    for at in [*unrounded_products[:50], *unrounded_accumulators[:50], *range(50)]:
        product = binary32(Fraction(int(wide[at]))) * Fraction(float(scale))
        assert got[at] == round(binary32(product))  # Python rounds a fraction's ties to even
