"""shift_product, product by product."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs.rings import rationals, same
from refimpl import (
    EIGHT_DIRECTIONS,
    FOUR_DIRECTIONS,
    shift_product,
    shift_product_backward,
)
from refimpl.arrays import ShapeError

exactly = settings(deadline=None, derandomize=True, max_examples=60)
sides = st.integers(1, 4)
shapes = st.tuples(st.integers(1, 2), st.integers(1, 3), sides, sides)
steps = st.integers(-3, 3)
directions = st.lists(st.tuples(steps, steps).filter(any), min_size=1, max_size=4)
lengths = st.integers(1, 3)
boundaries = st.sampled_from(["circular", "zero"])


def read(x, n, c, row, col, boundary):
    """The pixel, with the boundary's rule outside the image: (value, place)."""
    height, width = x.shape[2:]
    if boundary == "circular":
        row, col = row % height, col % width
    return (n, c, row, col) if 0 <= row < height and 0 <= col < width else None


def products(q, k, offsets, length, boundary):
    """Yield output place, place in q, and place in k or None."""
    for d, (down, right) in enumerate(offsets):
        for n, c, i, j in np.ndindex(q.shape):
            there = read(k, n, c, i + length * down, j + length * right, boundary)
            yield (n, d * q.shape[1] + c, i, j), (n, c, i, j), there


@exactly
@given(shapes, directions, lengths, boundaries, st.booleans())
def test_each_map_is_the_pixel_times_the_pixel_a_fixed_offset_away(
    shape, offsets, length, boundary, alone
):
    q, k = rationals(*shape, seed=1), rationals(*shape, seed=2)
    key = q if alone else k
    options = {"directions": offsets, "length": length, "boundary": boundary}
    y = shift_product(q, None if alone else k, **options)
    assert y.shape == (shape[0], len(offsets) * shape[1], *shape[2:])
    for at, here, there in products(q, key, offsets, length, boundary):
        assert y[at] == (q[here] * key[there] if there else 0)


@exactly
@given(shapes, directions, lengths, boundaries)
def test_the_gradients_are_those_of_each_product(shape, offsets, length, boundary):
    q, k = rationals(*shape, seed=1), rationals(*shape, seed=2)
    dy = rationals(shape[0], len(offsets) * shape[1], *shape[2:], seed=3)
    dq, dk = np.zeros_like(q), np.zeros_like(k)
    for at, here, there in products(q, k, offsets, length, boundary):
        if there:
            dq[here] += dy[at] * k[there]
            dk[there] += dy[at] * q[here]
    options = {"directions": offsets, "length": length, "boundary": boundary}
    grads = shift_product_backward(dy, q, k, **options)
    assert same(grads.q, dq)
    assert same(grads.k, dk)


@exactly
@given(shapes, directions, boundaries)
def test_with_itself_the_gradient_is_the_sum_of_both(shape, offsets, boundary):
    x = rationals(*shape, seed=1)
    dy = rationals(shape[0], len(offsets) * shape[1], *shape[2:], seed=3)
    options = {"directions": offsets, "boundary": boundary}
    twice = shift_product_backward(dy, x, x, **options)
    once = shift_product_backward(dy, x, **options)
    assert same(once.q, twice.q + twice.k)
    assert once.k is None


def test_directions_say_where_one_reads_left_right_up_down():
    x = np.array([[[[2, 3, 5], [7, 11, 13], [17, 19, 23]]]])
    middle = shift_product(x)[0, :, 1, 1]
    np.testing.assert_array_equal(middle, [11 * 7, 11 * 13, 11 * 3, 11 * 19])


def test_the_eight_directions_are_the_eight_neighbours_four_first():
    assert EIGHT_DIRECTIONS[:4] == FOUR_DIRECTIONS
    neighbours = {(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)} - {(0, 0)}
    assert len(EIGHT_DIRECTIONS) == 8
    assert set(EIGHT_DIRECTIONS) == neighbours


@exactly
@given(shapes, st.permutations(FOUR_DIRECTIONS))
def test_maps_come_in_the_order_of_the_directions_given(shape, order):
    x = rationals(*shape, seed=1)
    maps = np.split(shift_product(x), 4, axis=1)
    wanted = [maps[FOUR_DIRECTIONS.index(each)] for each in order]
    assert same(shift_product(x, directions=order), np.concatenate(wanted, axis=1))


@exactly
@given(shapes, directions, boundaries)
def test_it_is_even_and_of_degree_two(shape, offsets, boundary):
    x = rationals(*shape, seed=1)
    options = {"directions": offsets, "boundary": boundary}
    y = shift_product(x, **options)
    assert same(shift_product(-x, **options), y)
    assert same(shift_product(3 * x, **options), 9 * y)


def test_a_length_scales_every_direction():
    x = rationals(1, 2, 5, 4, seed=1)
    doubled = [(2 * down, 2 * right) for down, right in EIGHT_DIRECTIONS]
    long = shift_product(x, directions=EIGHT_DIRECTIONS, length=2)
    assert same(long, shift_product(x, directions=doubled))


def test_a_list_is_as_good_a_pair_as_a_tuple():
    x = rationals(1, 1, 2, 3, seed=1)
    assert same(shift_product(x, directions=[[0, 1]]), shift_product(x, directions=((0, 1),)))


@pytest.mark.parametrize(
    "bad", [(0, 0), (1,), (0, 1, 2), (0, 1.0), (0.5, 0), 1, "up", None, {0, 1}], ids=repr
)
def test_what_is_not_an_offset_is_refused_in_one_sentence(bad):
    sentence = (
        f"a direction must be a pair of integers (down, right) other than (0, 0), not {bad!r}"
    )
    with pytest.raises(ValueError, match="direction") as error:
        shift_product(np.ones((1, 1, 2, 2)), directions=[(0, 1), bad])
    assert str(error.value) == sentence


@pytest.mark.parametrize("bad", [[], (), "left", 3, None], ids=repr)
def test_directions_must_be_a_sequence_of_at_least_one(bad):
    sentence = f"directions must be a sequence of offsets, such as [(0, 1)] for right, not {bad!r}"
    with pytest.raises(ValueError, match="directions") as error:
        shift_product(np.ones((1, 1, 2, 2)), directions=bad)
    assert str(error.value) == sentence


@pytest.mark.parametrize("bad", [0, -1, 1.0, None], ids=repr)
def test_a_length_must_be_a_positive_integer(bad):
    with pytest.raises(ValueError, match="length") as error:
        shift_product(np.ones((1, 1, 2, 2)), length=bad)
    assert str(error.value) == f"length must be a positive integer, not {bad!r}"


def test_queries_and_keys_of_different_shapes_are_refused():
    with pytest.raises(ShapeError, match="shift_product must be given q"):
        shift_product(np.ones((1, 2, 3, 3)), np.ones((1, 1, 3, 3)))
