"""What differs is shrunk by whole rows, channels and directions, to what a person can read."""

import numpy as np
import pytest

from proofs.conformance import DisagreementError, hold
from proofs.conformance.pixel_shift import reference
from proofs.conformance.smaller import shrunk, smaller
from refimpl import FOUR_DIRECTIONS

CASE = {
    "x": np.arange(1.0, 25).reshape(1, 2, 3, 4),
    "w": np.arange(1.0, 73).reshape(1, 8, 3, 3),
    "directions": FOUR_DIRECTIONS,
    "length": 1,
    "boundary": "circular",
    "stride": 1,
    "dilation": 1,
}


def test_every_smaller_case_is_one_that_the_reference_takes():
    cases = list(smaller(CASE, {}))
    assert len(cases) > 4 + 2 + 1 + 3 + 4
    for case in cases:
        assert reference(case)["y"].size


def test_the_kernels_of_a_channel_go_with_it():
    without = next(case for case in smaller(CASE, {}) if case["x"].shape[1] == 1)
    np.testing.assert_array_equal(without["x"], CASE["x"][:, 1:])
    np.testing.assert_array_equal(without["w"], CASE["w"][:, 1::2])


def test_the_kernels_of_a_direction_go_with_it():
    without = next(case for case in smaller(CASE, {}) if len(case["directions"]) == 3)
    assert without["directions"] == FOUR_DIRECTIONS[1:]
    np.testing.assert_array_equal(without["w"], CASE["w"][:, 2:])


def test_what_is_held_fixed_stays():
    fixed = {"directions": FOUR_DIRECTIONS, "side": 3}
    for case in smaller(CASE, fixed):
        assert case["directions"] == FOUR_DIRECTIONS
        assert case["w"].shape[2:] == (3, 3)


def test_shrinking_ends_where_nothing_smaller_differs():
    smallest = shrunk(CASE, lambda case: case["x"].max() >= 20, lambda case: smaller(case, {}))
    assert smallest["x"].shape == (1, 1, 1, 1)
    assert smallest["w"].shape == (1, 1, 1, 1)


def test_a_shift_the_wrong_way_needs_three_pixels_and_one_weight():
    only = {key: CASE[key] for key in CASE if key not in {"x", "w"}}

    def opposite(x, w):
        back = tuple((-down, -right) for down, right in FOUR_DIRECTIONS)
        return reference({**only, "x": x, "w": w, "directions": back})["y"]

    with pytest.raises(DisagreementError) as raised:
        hold(opposite, "pssa", **only)
    case = raised.value.case
    assert case["x"].size == 3
    assert np.count_nonzero(case["w"]) == 1
