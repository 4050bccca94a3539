"""A stack is its levels, one after another."""

from fractions import Fraction

import numpy as np
import pytest

from proofs.cases import square_bn
from proofs.rings import duals, rationals, same
from refimpl import Level, pssa, pssa_stack

QUARTER = Fraction(1, 4)
boundaries = pytest.mark.parametrize("boundary", ["circular", "zero"])


def unweighted_level(x, length, boundary):
    """Σ_d x ⊙ shift(x, L·d) over the four neighbours at distance L, pixel by pixel."""
    height, width = x.shape[2:]
    y = np.zeros_like(x)
    for n, c, i, j in np.ndindex(x.shape):
        for row, col in ((i, j - length), (i, j + length), (i - length, j), (i + length, j)):
            if boundary == "circular":
                y[n, c, i, j] += x[n, c, i, j] * x[n, c, row % height, col % width]
            elif 0 <= row < height and 0 <= col < width:
                y[n, c, i, j] += x[n, c, i, j] * x[n, c, row, col]
    return y


@boundaries
@pytest.mark.parametrize("lengths", [(1,), (1, 2), (2, 1, 3)], ids=str)
def test_unweighted_levels_sum_their_products_and_the_last_has_the_weights(lengths, boundary):
    x, w, b = rationals(1, 2, 3, 4, seed=1), rationals(2, 8, 3, 3, seed=2), rationals(2, seed=3)
    expected = x
    for length in lengths[:-1]:
        expected = unweighted_level(expected, length, boundary)
    expected = pssa(expected, w, b, length=lengths[-1], boundary=boundary, stride=2)
    assert same(pssa_stack(x, w, b, lengths=lengths, boundary=boundary, stride=2), expected)


@boundaries
def test_weighted_levels_normalise_and_only_the_last_strides(boundary):
    x, w = rationals(1, 2, 3, 4, seed=1), rationals(2, 8, 3, 3, seed=2)
    bn, inner = square_bn(2, 1), rationals(2, 8, 1, 3, seed=4)
    roots = np.array([r.value for r in np.sqrt(duals(bn.var + QUARTER))], object)
    before = pssa(x, inner, length=2, boundary=boundary)
    scale = (bn.gamma / roots)[:, None, None]
    between = (before - bn.mean[:, None, None]) * scale + bn.beta[:, None, None]
    expected = pssa(between, w, boundary=boundary, stride=2)
    level = Level(inner, bn._replace(var=duals(bn.var)))
    options = {"lengths": (2, 1), "boundary": boundary, "stride": 2, "eps": QUARTER}
    assert same(pssa_stack(x, w, None, (level,), **options), expected)


@boundaries
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_a_stack_of_s_unweighted_levels_is_even_and_of_degree_two_to_the_s(levels, boundary):
    x, w = rationals(1, 1, 3, 3, seed=1), rationals(1, 4, 3, 3, seed=2)
    options = {"lengths": (1,) * levels, "boundary": boundary}
    y = pssa_stack(x, w, **options)
    assert same(pssa_stack(-x, w, **options), y)
    assert same(pssa_stack(3 * x, w, **options), 3**2**levels * y)


@pytest.mark.parametrize("bad", [(), [], 2, None], ids=repr)
def test_there_must_be_at_least_one_length(bad):
    sentence = f"lengths must give the shift of at least one level, not {bad!r}"
    with pytest.raises(ValueError, match="lengths") as error:
        pssa_stack(np.ones((1, 1, 2, 2)), np.ones((1, 4, 1, 1)), lengths=bad)
    assert str(error.value) == sentence


def test_weighted_levels_must_be_one_for_each_length_before_the_last():
    level = Level(rationals(1, 4, 1, 1, seed=1), square_bn(1, 1))
    with pytest.raises(ValueError, match="levels") as error:
        pssa_stack(np.ones((1, 1, 2, 2)), np.ones((1, 4, 1, 1)), None, (level,), lengths=(1, 1, 1))
    sentence = "levels must be one for each of the 2 lengths before the last, not 1"
    assert str(error.value) == sentence
