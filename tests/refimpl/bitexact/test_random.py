"""The generator against plain Python integers modulo 2⁶⁴."""

import math
from fractions import Fraction
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.bitexact.random import GENERATOR, IRWIN_HALL_SD, bell, integers, words

MODULUS = 2**64
names = st.text(st.characters(codec="utf-8"), max_size=12)


def splitmix(key, index):
    z = (key + (index + 1) * 0x9E3779B97F4A7C15) % MODULUS
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % MODULUS
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % MODULUS
    return z ^ (z >> 31)


def key_of(case, tensor):
    digest = sha256((case + "/" + tensor + "/" + GENERATOR).encode()).digest()
    return sum(byte << 8 * at for at, byte in enumerate(digest[:8]))


@given(names, names, st.integers(0, 20))
@settings(deadline=None)
def test_words_are_the_published_generator_in_python_integers(case, tensor, count):
    key = key_of(case, tensor)
    assert words(case, tensor, (count,)).tolist() == [splitmix(key, i) for i in range(count)]


@pytest.mark.small
def test_the_mixing_function_is_splitmix64s_known_answer():
    """From seed 0, SplitMix64's first outputs, as published with many implementations."""
    known = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert [splitmix(0, i) for i in range(3)] == known


@pytest.mark.small
def test_the_first_words_of_a_tensor_never_change():
    """If they do, every released set does: raise GENERATOR's version with them."""
    assert GENERATOR == "splitmix64-1"
    pinned = [0x87E122EAE142B082, 0x7EC1EC162B6F68AA]
    assert words("case", "x", (2,)).tolist() == pinned


@pytest.mark.small
def test_a_shape_only_folds_the_stream_and_a_name_selects_another():
    flat = words("case", "x", (24,))
    np.testing.assert_array_equal(words("case", "x", (2, 3, 4)).reshape(-1), flat)
    assert not set(flat.tolist()) & set(words("case", "w", (24,)).tolist())
    assert not set(flat.tolist()) & set(words("another", "x", (24,)).tolist())


@given(st.integers(-(2**31), 2**31 - 1), st.integers(1, 2**32 - 1), names)
@settings(deadline=None)
def test_integers_scale_the_top_half_of_a_word(low, span, case):
    high = low + span - 1
    key = key_of(case, "x")
    expected = [low + ((splitmix(key, i) >> 32) * span >> 32) for i in range(8)]
    drawn = integers(case, "x", (8,), low, high)
    assert drawn.tolist() == expected
    assert drawn.min() >= low
    assert drawn.max() <= high


@pytest.mark.small
def test_small_ranges_are_exhausted_to_both_ends():
    assert set(integers("case", "x", (200,), -2, 2).tolist()) == {-2, -1, 0, 1, 2}
    assert set(integers("case", "x", (9,), 5, 5).tolist()) == {5}


@given(names)
@settings(deadline=None)
def test_bell_is_the_centred_sum_of_the_quarters_of_a_word(case):
    key = key_of(case, "x")
    for i, value in enumerate(bell(case, "x", (8,)).tolist()):
        word = splitmix(key, i)
        total = sum(word >> 16 * quarter & 0xFFFF for quarter in range(4))
        assert value == (total - 131070) / IRWIN_HALL_SD


def test_bell_has_exactly_mean_0_and_variance_1_when_words_are_uniform():
    """Moments of one quarter by summing over all 65,536 of its values, four of them independent."""
    values = range(2**16)
    mean = Fraction(sum(values), 2**16)
    variance = Fraction(sum(value * value for value in values), 2**16) - mean**2
    assert 4 * mean == 2 * (2**16 - 1)
    assert Fraction(IRWIN_HALL_SD) ** 2 == pytest.approx(4 * variance, rel=2.0**-52)
    assert math.sqrt(4 * variance) == IRWIN_HALL_SD


def test_ten_thousand_drawn_numbers_look_like_it():
    drawn = bell("case", "x", (100, 100))
    assert abs(drawn.mean()) < 5 / 100  # five standard errors
    assert abs(drawn.var() - 1) < 5 * (2 / 10_000) ** 0.5
    assert np.abs(drawn).max() <= 12**0.5 + 1e-3
