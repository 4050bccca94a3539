"""Solved ties: against brute force, and against exact fractions."""

from fractions import Fraction
from itertools import islice, takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.bitexact.operators import PIPELINES
from refimpl.score.biases import reaching, rounding_edges
from refimpl.score.recipe import Recipe
from refimpl.score.stimuli import cook
from refimpl.score.ties import differing, first_in_range, in_range
from refimpl.vectors.case import Choices

LARGE = 2**31 - 1


@given(st.integers(1, 80), st.integers(0, 200), st.data())
def test_the_first_residue_in_a_window_is_that_of_trying_all(modulus, m, data):
    low = data.draw(st.integers(0, modulus - 1))
    high = data.draw(st.integers(low, modulus - 1))
    tried = [a for a in range(3 * modulus) if low <= a * m % modulus <= high]
    assert first_in_range(m, modulus, low, high) == (tried[0] if tried else None)
    found = takewhile(lambda a: a < 3 * modulus, in_range(m, modulus, low, high))
    assert list(found) == tried


@pytest.mark.small
def test_a_window_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"0 <= low <= high < 8, not 5 to 3"):
        first_in_range(3, 8, 5, 3)


def rounded(rule, value):
    """The rules on an exact fraction: a judge without shifts."""
    floor = value.numerator // value.denominator
    if rule == "tflite_double":
        raise NotImplementedError
    rest = value - floor
    up = rest > Fraction(1, 2) or (
        rest == Fraction(1, 2) and (rule == "half_up" or (rule == "half_even" and floor % 2))
    )
    return floor + bool(up)


@pytest.mark.parametrize("shift", [31, 33, 37, 40])
@pytest.mark.parametrize("multiplier", [2**30, 3 * 2**29, 5 * 2**28])
def test_ties_are_ties_of_both_signs_and_the_rules_differ_there(multiplier, shift):
    found = differing("half_up", "half_even", multiplier, shift, limit=LARGE)
    assert {a > 0 for a in found} == {True, False}
    for a in found:
        value = Fraction(a * multiplier, 1 << shift)
        assert value.denominator == 2
        assert rounded("half_up", value) != rounded("half_even", value)


@pytest.mark.parametrize(("multiplier", "shift"), [(1518500250, 37), (2**31 - 1, 33)])
def test_where_two_roundings_differ_from_one_is_found_at_its_smallest(multiplier, shift):
    found = differing("half_up", "tflite_double", multiplier, shift, limit=100)
    half = 1 << (shift - 1)

    def twice(a):
        once = a * multiplier + 2**30 >> 31 if a >= 0 else -(-a * multiplier + 2**30 >> 31)
        rest = shift - 31
        return (abs(once) + (1 << rest >> 1) >> rest) * (1 if once >= 0 else -1)

    brute = [a for a in range(-100, 101) if (a * multiplier + half >> shift) != twice(a) and a != 0]
    assert min(brute, key=abs) in found or -min(brute, key=abs) in found
    assert set(found) <= set(brute)


@pytest.mark.small
def test_equal_rules_differ_nowhere():
    assert differing("half_up", "half_up", 2**30, 40, limit=LARGE) == []


@pytest.mark.parametrize("rounding", ["half_up", "half_even", "floor", "tflite_double"])
def test_just_above_a_step_one_less_multiplier_rounds_down(rounding):
    """So close to a step that the multiplier's 17th bit decides."""
    import numpy as np  # noqa: PLC0415

    from refimpl.score.rules import OTHER_RULES  # noqa: PLC0415

    multiplier, shift = 1518500250, 40
    first = rounding_edges(multiplier, shift, rounding)[0]
    rule = OTHER_RULES[rounding]
    words = np.array([first * multiplier, first * (multiplier - 2**16)], np.int64)
    above, below = rule(words, np.array([shift, shift], np.int64))
    assert above == below + 1


def test_a_value_is_reached_by_every_rounding_to_nearest():
    for value in (127, 128, -128, -129):
        for multiplier, shift in ((2**30, 33), (1518500250, 38), (2**31 - 1, 35)):
            a = reaching(value, multiplier, shift)
            assert abs(Fraction(a * multiplier, 1 << shift) - value) < Fraction(1, 2)


@pytest.mark.parametrize("values", ["uniform", "small", "rails"])
def test_a_case_whose_biases_are_ties_has_an_output_of_each_channel_on_a_tie(values):
    recipe = Recipe(name="ties", values=values, scale="exact", bias="ties", outputs=8)
    case = cook("conv2d.int8", recipe, Choices())
    biased = PIPELINES["conv2d", "int8"](case.tensors, case.attributes)["biased"]
    factors = zip(case.tensors["multiplier"].tolist(), case.tensors["shift"].tolist(), strict=True)
    for channel, (m, s) in enumerate(factors):
        flat = biased[0, channel].reshape(-1).tolist()
        assert any(Fraction(a * m, 1 << s).denominator == 2 for a in flat), channel


def test_windows_are_endless_where_they_are_not_empty():
    assert len(list(islice(in_range(7, 2**20, 5, 9), 1000))) == 1000
