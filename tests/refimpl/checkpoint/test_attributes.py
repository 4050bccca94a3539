"""Attributes as files and command lines give them."""

import pytest

from refimpl.checkpoint import parse_attributes
from refimpl.ops.shift_product import EIGHT_DIRECTIONS, FOUR_DIRECTIONS


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("four", FOUR_DIRECTIONS),
        ("eight", EIGHT_DIRECTIONS),
        ("left,right,up,down", FOUR_DIRECTIONS),
        ("up-left, down-right", ((-1, -1), (1, 1))),
        (["right", [2, -3]], ((0, 1), (2, -3))),
    ],
)
def test_directions_are_words_or_pairs(given, meant):
    assert tuple(parse_attributes({"directions": given})["directions"]) == tuple(meant)


def test_numbers_and_pairs_are_pairs():
    parsed = parse_attributes({"stride": 2, "dilation": [1, 2], "groups": [1, 4], "window": 5})
    assert parsed == {"stride": (2, 2), "dilation": (1, 2), "groups": (1, 4), "window": (5, 5)}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"strid": 1}, "an attribute must be one of operator, directions, .*, not 'strid'"),
        ({"operator": "pssa"}, "operator must be one of xvolution, xvolution_local, .* not 'pssa'"),
        ({"boundary": "mirror"}, "boundary must be one of circular, zero, not 'mirror'"),
        ({"normalise": "max"}, "normalise must be one of none, softmax, not 'max'"),
        ({"directions": "north"}, "a direction must be one of four, eight, left, .* not 'north'"),
        ({"directions": 4}, "directions must be words or pairs, such as 'left,right', not 4"),
        ({"directions": [[0, 1.5]]}, r"a direction must be a word or \[down, right\], not \[0, 1"),
        ({"directions": [[0, 0]]}, r"\(0, 0\)"),
        ({"stride": 0}, "stride must be an integer or a pair of integers of at least 1, not 0"),
        ({"stride": [1, 2, 3]}, "stride must be an integer or a pair"),
        ({"length": 0}, "length must be a positive integer, not 0"),
        ({"heads": 1.5}, "heads must be a positive integer, not 1.5"),
        ({"eps": 0}, "eps must be a positive number, not 0"),
        ({"scale": True}, "scale must be a positive number, not True"),
        ({"eps": float("inf")}, "eps must be a positive number, not inf"),
    ],
)
def test_what_is_no_attribute_is_one_sentence(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        parse_attributes(given)
