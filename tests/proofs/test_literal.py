"""The literal judges of ``proofs.claims``, on cases small enough to do by hand."""

from fractions import Fraction

import numpy as np
import pytest

from proofs.claims.literal import literal_dynamic_convolution, literal_pssa, output_sides, read
from proofs.claims.sharing import displaced
from proofs.rings import Array


def row(*numbers: int) -> Array:
    return np.array([Fraction(each) for each in numbers], object).reshape(1, 1, 1, -1)


STEPS = {"length": 1, "stride": 1, "dilation": 1}


def test_each_pixel_times_its_right_neighbour_wraps_around_or_stops():
    right = {"directions": [(0, 1)], **STEPS}
    wrapped = literal_pssa(row(1, 2, 3), row(1), boundary="circular", **right)
    stopped = literal_pssa(row(1, 2, 3), row(1), boundary="zero", **right)
    assert wrapped.tolist() == row(2, 6, 3).tolist()
    assert stopped.tolist() == row(2, 6, 0).tolist()


def test_the_window_sums_products_and_reads_zeros_outside():
    y = literal_pssa(
        row(1, 2, 3), row(1, 10, 100), directions=[(0, 1)], boundary="circular", **STEPS
    )
    assert y.tolist() == row(10 * 2 + 100 * 6, 2 + 10 * 6 + 100 * 3, 6 + 10 * 3).tolist()


def test_length_stride_and_dilation_reach_further():
    y = literal_pssa(
        row(1, 2, 3, 4),
        row(1, 0, 1),
        directions=[(0, 1)],
        boundary="circular",
        length=2,
        stride=3,
        dilation=2,
    )
    products = [1 * 3, 2 * 4, 3 * 1, 4 * 2]
    assert y.tolist() == row(products[2], products[1]).tolist()


def test_a_pixel_outside_is_wrapped_or_zero():
    image = row(1, 2, 3)
    assert read(image, 0, 0, 0, -1, boundary="circular") == 3
    assert read(image, 0, 0, 5, 4, boundary="circular") == 2
    assert read(image, 0, 0, 0, -1, boundary="zero") == 0
    assert read(image, 0, 0, 1, 1, boundary="zero") == 0


@pytest.mark.parametrize(("side", "stride", "wanted"), [(1, 3, 1), (6, 2, 3), (7, 2, 4)])
def test_an_output_has_one_pixel_for_every_stride_begun(side, stride, wanted):
    assert output_sides((1, 1, side, side), stride) == (wanted, wanted)


def test_a_dynamic_kernel_is_static_plus_weighted_neighbours():
    x = row(1, 2, 3)
    w = np.concatenate([row(weight) for weight in (5, 0, 2, 0, 0)], axis=1)
    y = literal_dynamic_convolution(x, x, w, "circular")  # right is the second direction
    assert y.tolist() == row((5 + 2 * 2) * 1, (5 + 2 * 3) * 2, (5 + 2 * 1) * 3).tolist()


def test_a_kernel_is_displaced_within_its_margin():
    assert displaced(row(1, 2), (0, 0), (0, 1)).tolist() == row(0, 1, 2, 0).tolist()
    assert displaced(row(1, 2), (0, -1), (0, 1)).tolist() == row(1, 2, 0, 0).tolist()
    assert displaced(row(1), (1, 0), (1, 0))[0, 0, :, 0].tolist() == [0, 0, 1]
