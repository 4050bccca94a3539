import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.checks import at_least, one_of


@pytest.mark.parametrize("value", [0, -1, 1.0, "1", True, None])
def test_a_count_must_be_an_integer_of_at_least_one(value):
    with pytest.raises(ValueError, match=r"^rows must be an integer of at least 1, not "):
        at_least("rows", value, 1)


@settings(deadline=None)
@given(st.integers(1))
def test_every_positive_integer_is_a_count(value):
    at_least("rows", value, 1)


def test_an_unknown_name_is_told_the_nearest_one():
    with pytest.raises(ValueError, match=r"^fruit must be one of apple, pear, not 'pare' \(did "):
        one_of("fruit", "pare", ("apple", "pear"))


def test_nothing_is_suggested_when_nothing_is_near():
    with pytest.raises(ValueError, match=r"^fruit must be one of apple, not 'xyz'$"):
        one_of("fruit", "xyz", ("apple",))
