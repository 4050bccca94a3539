"""Opposite directions share a product: shifted copies always, longer kernels where it is exact."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import refimpl as ref
from proofs.rings import rationals, same
from refimpl.forms import fold_shift, folded_maps, product_maps
from refimpl.forms.shared import SharedMap
from refimpl.fuse import MergeError
from tests.refimpl.forms.layers import image, kernels, shifts, sides, steps

exactly = settings(deadline=None, derandomize=True, max_examples=60)
ROW, ALL = ((0, -1), (0, 1)), ref.FOUR_DIRECTIONS


class Counted:
    """A number that counts the products of two of its kind."""

    products = 0

    def __mul__(self, other):
        type(self).products += 1
        return self


@given(size=sides, moved=shifts)
@exactly
def test_product_maps_are_the_shift_product(size, moved):
    assert same(product_maps(image(size), **moved), ref.shift_product(image(size), **moved))


@pytest.mark.parametrize(("directions", "maps"), [(ALL, 2), (ref.EIGHT_DIRECTIONS, 4), (ROW, 1)])
def test_opposite_directions_take_one_product_a_pixel(directions, maps):
    Counted.products = 0
    x = np.array([Counted() for _ in range(12)], object).reshape(1, 1, 3, 4)
    made = product_maps(x, directions=directions)
    assert made.shape == (1, len(directions), 3, 4)
    assert Counted.products == 12 * maps


def test_projected_alike_they_share_and_projected_apart_they_are_refused():
    x, w_q, w_k = image((3, 3)), rationals(2, 2, seed=1), rationals(2, 2, seed=2)
    q = ref.ops.pssa.project(x, w_q)
    assert same(product_maps(x, w_q=w_q, w_k=w_q), ref.shift_product(q))
    for projections in ({"w_q": w_q, "w_k": w_k}, {"w_q": w_q}, {"w_k": w_k}):
        with pytest.raises(MergeError, match=r"one projection: .* alike"):
            product_maps(x, **projections)


def test_projected_apart_the_map_of_the_other_direction_is_another_one():
    x = image((3, 3))
    q, k = (ref.ops.pssa.project(x, rationals(2, 2, seed=seed)) for seed in (1, 2))
    left, right = np.split(ref.shift_product(q, k, directions=ROW), 2, axis=1)
    assert not same(ref.shift(left, offset=(0, 1), boundary="circular"), right)


def convolved(x, w_a, moved, mode, grid):
    """The PSSA convolution itself, padded by zeros or around."""
    products = ref.shift_product(x, **moved)
    reach = ref.ops.conv2d.same_padding(w_a.shape[2:], grid["dilation"])
    if mode == "circular":
        products = np.pad(products, ((0, 0), (0, 0), *((r, r) for r in reach)), mode="wrap")
        reach = 0
    return ref.conv2d(products, w_a, padding=reach, **grid)


@given(
    size=sides,
    side=kernels,
    moved=shifts,
    stride=st.integers(1, 2),
    both=st.sampled_from([("zero", "zero"), ("zero", "circular"), ("circular", "circular")]),
)
@exactly
def test_the_second_shift_folds_into_the_kernel_for_three_of_four_boundaries(
    size, side, moved, stride, both
):
    moved = moved | {"boundary": both[0]}
    w_a = rationals(3, 2 * len(moved["directions"]), side, side, seed=2)
    maps = fold_shift(w_a, padding_mode=both[1], **moved)
    y = folded_maps(image(size), maps, boundary=both[0], padding_mode=both[1], stride=stride)
    expected = convolved(image(size), w_a, moved, both[1], {"stride": stride, "dilation": 1})
    assert same(y, expected)


def test_two_kernels_become_one_of_k_by_k_plus_l():
    w_a = rationals(3, 4, 3, 3, seed=2)
    for length in (1, 2):
        (only,) = fold_shift(w_a, directions=ROW, length=length, boundary="zero")
        assert only.w.shape == (3, 2, 3, 3 + length)


def test_four_directions_need_two_maps():
    assert len(fold_shift(rationals(3, 8, 3, 3, seed=2), boundary="zero")) == 2


def test_a_circular_shift_before_zero_padding_is_refused_by_default():
    with pytest.raises(MergeError, match=r"equal boundaries: .*form 'shared'") as error:
        fold_shift(rationals(3, 8, 3, 3, seed=2))
    assert error.value.condition == "equal boundaries"


def test_folding_it_anyway_is_wrong_at_the_border_and_nowhere_else():
    """T_right[p] is read as T_left[p + 1], with zeros outside.

    At p = 5 that is 0 for x[5]·x[0]: outputs 4 and 5, whose taps reach p. At p = −1 it is
    x[0]·x[5] for a 0 of the convolution's padding: output 0.
    """
    x, w_a = image((4, 6)), np.abs(rationals(3, 4, 3, 3, seed=2)) + 1
    moved = {"directions": ROW, "length": 1, "boundary": "circular"}
    maps = fold_shift(w_a, padding_mode="circular", **moved)
    wrong = folded_maps(x, maps, boundary="circular", padding_mode="zero")
    right = convolved(x, w_a, moved, "zero", {"stride": 1, "dilation": 1})
    columns = np.flatnonzero((wrong != right).any(axis=(0, 1, 2)))
    assert list(columns) == [0, 4, 5]


@given(grid=steps, moved=shifts, side=kernels)
@exactly
def test_a_dilation_that_does_not_divide_the_shift_is_refused_and_every_other_is_exact(
    grid, moved, side
):
    moved, x = moved | {"boundary": "zero"}, image((4, 3))
    w_a = rationals(2, 2 * len(moved["directions"]), side, side, seed=2)
    offsets = {
        (moved["length"] * down, moved["length"] * right) for down, right in moved["directions"]
    }
    both = [each for each in offsets if (-each[0], -each[1]) in offsets]
    if any(step % grid["dilation"] for each in both for step in each):
        with pytest.raises(MergeError, match=r"^shift on the taps' grid: the dilation"):
            fold_shift(w_a, dilation=grid["dilation"], **moved)
        return
    maps = fold_shift(w_a, dilation=grid["dilation"], **moved)
    expected = convolved(x, w_a, moved, "zero", grid)
    assert same(folded_maps(x, maps, boundary="zero", **grid), expected)


def test_an_odd_shift_is_off_the_grid_of_a_dilated_kernel():
    with pytest.raises(MergeError, match=r"the dilation \(2, 2\) must divide the shift"):
        fold_shift(rationals(3, 4, 3, 3, seed=2), directions=ROW, boundary="zero", dilation=2)


def test_a_map_on_its_own_keeps_its_kernel():
    w_a = rationals(3, 2, 3, 3, seed=2)
    (only,) = fold_shift(w_a, directions=((1, 1),), boundary="zero")
    assert isinstance(only, SharedMap)
    assert same(only.w, w_a)
    assert (only.offset, only.origin) == ((1, 1), (-1, -1))
