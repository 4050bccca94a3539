"""Cycles of adder trees in closed form are those of values that are added level by level."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.cycles import adder_tree as module
from hwsim.literal.adder_tree import simulate

shapes = st.tuples(st.integers(1, 7), st.integers(1, 6), st.integers(1, 9), st.integers(1, 4))
arrays = st.tuples(st.integers(1, 9), st.integers(1, 4))


def agrees(shape, array, load):
    (pixels, outs, channels, taps), rng = shape, np.random.default_rng(1)
    image = rng.integers(-9, 9, (taps, pixels, channels))
    weights = rng.integers(-9, 9, (taps, channels, outs))
    ran = simulate(image, weights, *array, load=load)
    assert np.array_equal(ran.product, np.einsum("tpc,tco->po", image, weights))
    return module.adder_tree_cycles(*shape, *array, load=load).total == ran.cycles


@settings(max_examples=300, deadline=None)
@given(shapes, arrays, st.integers(0, 9))
def test_the_closed_form_counts_what_the_literal_trees_take(shape, array, load):
    assert agrees(shape, array, load)


EXACT = module.adder_tree_cycles


def without_levels(*sizes, load):
    exact = EXACT(*sizes, load=load)
    return exact._replace(total=exact.total - 1)


def with_channels_rounded_down(pixels, outs, channels, taps, inputs, trees, *, load):
    whole = max(1, channels // inputs) * inputs
    return EXACT(pixels, outs, whole, taps, inputs, trees, load=load)


def that_hides_all_loads(*sizes, load):
    exact = EXACT(*sizes, load=0)
    return exact._replace(total=exact.total + load)


@pytest.mark.parametrize(
    "broken", [without_levels, with_channels_rounded_down, that_hides_all_loads]
)
def test_a_broken_formula_is_seen_to_fail(monkeypatch, broken):
    cases = [((2, 3, 5, 2), (inputs, 2), 4) for inputs in (2, 3, 4)]
    assert all(agrees(*case) for case in cases)
    monkeypatch.setattr(module, "adder_tree_cycles", broken)
    assert not all(agrees(*case) for case in cases)


def test_a_layer_by_hand():
    """100 pixels, 3 x 3, 128 to 32 channels on 16 trees of 64: 2 · 2 · 9 operations of 100."""
    cycles = module.adder_tree_cycles(100, 32, 128, 9, 64, 16, load=16)
    assert cycles.streamed == 3600
    assert cycles.total == 16 + 3600 + 6 + 1
