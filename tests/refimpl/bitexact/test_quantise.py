"""The stated quantisation rule, against exact fractions."""

from fractions import Fraction
from math import log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from refimpl.bitexact.quantise import (
    Affine,
    affine,
    lost_bits,
    quantise,
    quantise_bias,
    quantise_weights,
)

numbers = st.floats(-(2.0**40), 2.0**40, width=32)
images = arrays(np.float32, st.tuples(st.integers(1, 3), st.integers(1, 5)), elements=numbers)
kernels = arrays(
    np.float32, st.tuples(*[st.integers(1, 3)] * 4), elements=st.floats(-8, 8, width=32)
)


@given(images)
@settings(deadline=None)
def test_every_value_and_zero_are_within_one_step_of_their_quantised_selves(x):
    to = affine(x)
    assert to.scale > 0
    assert -128 <= to.zero_point <= 127
    back = (quantise(x, to).astype(float) - to.zero_point) * to.scale
    assert np.all(np.abs(back - x) <= to.scale * (1 + 1e-9))
    assert quantise(np.zeros(1, np.float32), to).item() == to.zero_point  # real 0 is exact


@given(images)
@settings(deadline=None)
def test_scale_and_zero_point_are_the_stated_formula(x):
    low, high = min(0.0, float(x.min())), max(0.0, float(x.max()))
    scale, zero = affine(x)
    if high == low:
        assert (scale, zero) == (1.0, -128)
        return
    assert scale == (high - low) / 255
    exact = round(-128 - Fraction(low / scale))
    assert zero == max(-128, min(127, exact))


@given(images, st.integers(-128, 127), st.integers(-20, 20))
@settings(deadline=None)
def test_quantising_rounds_to_the_nearest_ties_to_even_and_saturates(x, zero, power):
    """With a power of two as scale the quotient is exact, and so is the judge."""
    got = quantise(x, Affine(2.0**power, zero))
    for q, value in zip(got.reshape(-1).tolist(), x.reshape(-1).tolist(), strict=True):
        assert q == max(-128, min(127, round(Fraction(value) / Fraction(2) ** power) + zero))


@given(kernels)
@settings(deadline=None)
def test_weights_are_symmetric_with_the_largest_of_each_output_at_127(w):
    q, scale = quantise_weights(w)
    assert q.dtype == np.int8
    for o in range(len(w)):
        largest = float(np.abs(w[o]).max())
        if largest == 0:
            assert scale[o] == 1
            assert not q[o].any()
            continue
        assert scale[o] == largest / 127
        assert np.abs(q[o].astype(int)).max() == 127
        assert np.all(np.abs(q[o] * scale[o] - w[o]) <= scale[o] * (0.5 + 1e-9))
    np.testing.assert_array_equal(quantise_weights(-w).w, -q)


@pytest.mark.small
def test_a_bias_is_rounded_in_the_scale_of_the_accumulator_ties_to_even():
    got = quantise_bias(np.array([1.25, -1.75, 0.0]), np.array([0.5, 0.5, 1.0]))
    assert got.tolist() == [2, -4, 0]
    assert got.dtype == np.int32


@pytest.mark.small
@pytest.mark.parametrize("b", [2.0**31, -(2.0**31) - 1])
def test_a_bias_that_does_not_fit_in_int32_is_refused(b):
    with pytest.raises(ValueError, match="a quantised bias must fit in int32"):
        quantise_bias(np.array([b]), np.array([1.0]))


@given(st.floats(2.0**-20, 2.0**20), st.floats(2.0**-20, 2.0**20))
@settings(deadline=None)
def test_lost_bits_are_the_whole_bits_of_the_ratio_of_the_groups(left, right):
    w = np.array([left, right / 2, right]).reshape(1, 3, 1, 1)
    ratio = max(left, right) / min(left, right)
    lost = lost_bits(w, 1)
    assert 2.0**lost <= ratio < 2.0 ** (lost + 1)


@pytest.mark.small
def test_lost_bits_ignore_outputs_that_use_one_group_only_and_take_the_worst_of_the_rest():
    w = np.array([[1.0, 0.0], [1.0, 0.25], [0.001, 0.0005]]).reshape(3, 2, 1, 1)
    assert lost_bits(w, 1) == log2(4)
    assert lost_bits(w[:1], 1) == 0
