"""linear, entry by entry."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs.rings import rationals, same
from refimpl import conv2d, linear, linear_backward
from refimpl.arrays import ShapeError

exactly = settings(deadline=None, derandomize=True, max_examples=50)
sizes = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))


@exactly
@given(sizes, st.booleans())
def test_each_output_is_the_weighted_sum_of_a_row_plus_its_bias(size, biased):
    n, c, o = size
    x, w, b = rationals(n, c, seed=1), rationals(o, c, seed=2), rationals(o, seed=3)
    y = linear(x, w, b if biased else None)
    assert y.shape == (n, o)
    for (row, out), value in np.ndenumerate(y):
        start = b[out] if biased else 0
        assert value == start + sum(w[out, k] * x[row, k] for k in range(c))


@exactly
@given(sizes)
def test_the_gradients_are_the_sums_written_out(size):
    n, c, o = size
    x, w, dy = rationals(n, c, seed=1), rationals(o, c, seed=2), rationals(n, o, seed=3)
    grads = linear_backward(dy, x, w)
    for (row, k), value in np.ndenumerate(grads.x):
        assert value == sum(dy[row, out] * w[out, k] for out in range(o))
    for (out, k), value in np.ndenumerate(grads.w):
        assert value == sum(dy[row, out] * x[row, k] for row in range(n))
    assert list(grads.b) == [sum(dy[:, out]) for out in range(o)]


def test_it_is_the_1x1_convolution_of_an_image_of_one_pixel():
    x, w, b = rationals(2, 3, seed=1), rationals(4, 3, seed=2), rationals(4, seed=3)
    convolved = conv2d(x[:, :, None, None], w[:, :, None, None], b)
    assert same(linear(x, w, b), convolved[:, :, 0, 0])


@pytest.mark.parametrize(
    ("shapes", "given_shapes"),
    [
        (((2, 3), (4, 2)), r"x \(2, 3\), w \(4, 2\)"),
        (((2, 3, 1), (4, 3)), r"x \(2, 3, 1\), w \(4, 3\)"),
        (((2, 3), (4, 3), (3,)), r"x \(2, 3\), w \(4, 3\), b \(3,\)"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_by_shape(shapes, given_shapes):
    with pytest.raises(ShapeError, match=rf"^linear must be given .*, not {given_shapes}$"):
        linear(*(np.ones(shape) for shape in shapes))
