"""Polynomials: they evaluate, differentiate and live in NumPy's arrays."""

from fractions import Fraction

import numpy as np
import pytest

from proofs.polynomials import Polynomial, variables
from proofs.rings import rationals, same


def test_every_entry_is_a_variable_of_its_own_numbered_in_reading_order():
    x, y = variables((2, 3), (2,))
    assert (x.shape, y.shape) == ((2, 3), (2,))
    every = [*x.flat, *y.flat]
    assert len(set(every)) == len(every) == 8
    for number, variable in enumerate(every):
        assert [other.derivative(number) == 1 for other in every] == [
            other is variable for other in every
        ]


def test_arithmetic_is_that_of_polynomials():
    ((x, y),) = variables((2,))
    assert (x + y) * (x - y) == x * x - y * y
    assert (x + 1) * (x - Fraction(1, 2)) == x * x + x / 2 - Fraction(1, 2)
    assert 1 - x == -(x - 1)
    assert x - x == 0
    assert x != y


def test_the_derivative_of_a_product_follows_the_product_rule():
    ((x, y),) = variables((2,))
    f, g = x * x * y + 3, x / 2 - y * y
    for each in (0, 1):
        assert (f * g).derivative(each) == f.derivative(each) * g + f * g.derivative(each)
    assert (x * x * y).derivative(0) == 2 * x * y


def test_integers_of_numpy_are_numbers_too():
    ((x,),) = variables((1,))
    assert x * np.int64(3) + np.int64(1) == 3 * x + 1
    assert {type(each) for each in (np.pad(np.array([x]), 1) * x).flat} == {Polynomial}


def test_only_numbers_divide_a_polynomial():
    ((x,),) = variables((1,))
    with pytest.raises(TypeError):
        x / x
    with pytest.raises(ZeroDivisionError):
        x / 0


def test_matrices_of_polynomials_multiply_like_matrices():
    x, w = variables((2, 3), (3, 2))
    product = np.matmul(x, w)
    assert {type(each) for each in product.flat} == {Polynomial}
    for (row, col), entry in np.ndenumerate(product):
        assert entry == sum(x[row, k] * w[k, col] for k in range(3))


def test_equal_polynomials_have_equal_hashes():
    ((x, y),) = variables((2,))
    assert hash((x + y) * (x + y)) == hash(x * x + 2 * x * y + y * y)


def test_rationals_mix_with_variables_in_arrays():
    (x,) = variables((2, 2))
    a = rationals(2, 2, seed=1)
    assert same(x * a + a, a * (x + 1))
