"""What every operator trusts: checked shapes, pairs, and zeros of the array's own type."""

import inspect
import re
from fractions import Fraction

import numpy as np
import pytest

import refimpl as ref
from refimpl.arrays import Array, Shaped, ShapeError, alike, pair, shaped, zero_pad


@shaped
def outer(
    x: Shaped[Array, "n c"],
    y: Shaped[Array, "m c"] | None = None,
    *,
    power: int = 1,
    wrong: bool = False,
) -> Shaped[Array, "n m"]:
    """Multiply rows with rows."""
    product = (x @ (x if y is None else y).T) ** power
    return product[0] if wrong else product


def test_a_call_with_the_right_shapes_goes_through():
    x, y = np.array([[1, 2], [3, 4]]), np.array([[1, 0], [0, 1], [1, 1]])
    np.testing.assert_array_equal(outer(x, y, power=2), [[1, 4, 9], [9, 16, 49]])


def test_one_letter_is_one_size_within_a_call():
    with pytest.raises(ShapeError) as error:
        outer(np.ones((2, 3)), np.ones((2, 4)))
    assert str(error.value) == "outer must be given x (n c), y (m c), not x (2, 3), y (2, 4)"


def test_a_letter_may_have_another_size_in_the_next_call():
    assert outer(np.ones((2, 3))).shape == (2, 2)
    assert outer(np.ones((3, 2))).shape == (3, 3)


def test_a_letter_of_a_caller_does_not_bind_the_function_it_calls():
    @shaped
    def doubled(x: Shaped[Array, "c n"]) -> Shaped[Array, "c n"]:
        return outer(x, x)[:, : x.shape[1]] if x.shape[0] >= x.shape[1] else x

    assert doubled(np.ones((3, 2))).shape == (3, 2)


def test_a_shape_error_can_be_caught_as_a_value_error():
    assert issubclass(ShapeError, ValueError)


def test_the_sentence_speaks_only_of_arrays_that_were_given():
    with pytest.raises(ShapeError) as error:
        outer(np.ones(3), power=2)
    assert str(error.value) == "outer must be given x (n c), not x (3,)"


@pytest.mark.parametrize(
    ("wrong", "said"), [([[1.0]], "a list"), (2.0, "a float"), ("x", "a str")], ids=str
)
def test_what_is_not_an_array_is_named_by_its_type(wrong, said):
    with pytest.raises(ShapeError, match=re.escape(f"not x {said}")):
        outer(wrong)


def test_a_result_of_another_shape_than_promised_is_refused():
    with pytest.raises(ShapeError):
        outer(np.ones((2, 3)), wrong=True)


def test_arrays_are_checked_whether_passed_by_place_or_by_name():
    with pytest.raises(ShapeError):
        outer(y=np.ones((2, 4)), x=np.ones((2, 3)))


@pytest.mark.parametrize("dtype", [np.int8, np.float32, np.complex64, object])
def test_any_number_type_may_stand_in_an_array(dtype):
    assert outer(np.ones((2, 3), dtype)).dtype == dtype


def test_options_are_not_the_decorators_to_check():
    np.testing.assert_array_equal(outer(np.full((1, 1), 4.0), power=0.5), [[4.0]])


@pytest.mark.parametrize("bad", [{"z": 1}, {}], ids=["an unknown argument", "a missing one"])
def test_a_call_that_no_signature_allows_is_a_type_error(bad):
    with pytest.raises(TypeError, match="argument"):
        outer(**bad)


def test_a_checked_function_keeps_its_name_docstring_and_signature():
    assert (outer.__name__, outer.__doc__) == ("outer", "Multiply rows with rows.")
    assert list(inspect.signature(outer).parameters) == ["x", "y", "power", "wrong"]


ARRAY_ARGUMENTS = {
    name: [
        argument
        for argument, parameter in inspect.signature(getattr(ref, name)).parameters.items()
        if "Shaped" in str(parameter.annotation)
    ]
    for name in ref.__all__
    if name.islower()
}


@pytest.mark.parametrize("name", ARRAY_ARGUMENTS)
def test_every_operator_says_in_one_sentence_which_arrays_it_takes(name):
    required = [
        argument
        for argument, parameter in inspect.signature(getattr(ref, name)).parameters.items()
        if parameter.default is inspect.Parameter.empty
    ]
    with pytest.raises(ShapeError) as error:
        getattr(ref, name)(**{argument: [] for argument in required})
    sentence = str(error.value)
    assert sentence.startswith(f"{name} must be given ")
    assert "\n" not in sentence
    for argument in ARRAY_ARGUMENTS[name]:
        if argument in required:
            assert f"{argument} a list" in sentence


@pytest.mark.parametrize(
    ("value", "expected"),
    [(2, (2, 2)), ((1, 3), (1, 3)), (np.int64(2), (2, 2)), ((np.int8(1), 3), (1, 3))],
    ids=str,
)
def test_an_integer_stands_for_both_directions(value, expected):
    both = pair("stride", value, least=1)
    assert both == expected
    assert [type(each) for each in both] == [int, int]


@pytest.mark.parametrize(
    "bad", [0, (1, 0), -1, 1.0, (1, 2.5), True, (1,), (1, 2, 3), (), [1, 2], "12", None], ids=repr
)
def test_what_is_not_one_or_two_integers_is_refused_by_name(bad):
    with pytest.raises(ValueError, match="stride") as error:
        pair("stride", bad, least=1)
    assert str(error.value) == (
        f"stride must be an integer or a pair of integers of at least 1, not {bad!r}"
    )


def test_the_least_value_itself_is_allowed():
    assert pair("padding", 0, least=0) == (0, 0)


@pytest.mark.parametrize("dtype", [np.float32, np.int8, bool, object])
def test_padding_surrounds_the_last_two_axes_with_zeros_of_the_same_type(dtype):
    x = np.arange(1, 7).reshape(1, 1, 2, 3).astype(dtype)
    padded = zero_pad(x, 1, 2)
    assert padded.dtype == x.dtype
    for (*_, i, j), value in np.ndenumerate(padded):
        inside = 1 <= i < 3 and 2 <= j < 5
        assert value == (x[0, 0, i - 1, j - 2] if inside else 0)


def test_the_zeros_around_exact_numbers_are_exact():
    padded = zero_pad(np.array([[Fraction(1, 3)]], object), 1, 1)
    assert {type(each) for each in padded.flat} == {int, Fraction}


def test_padding_by_nothing_is_a_copy():
    x = np.ones((1, 1, 2, 2))
    padded = zero_pad(x, 0, 0)
    padded[:] = 5
    assert x.sum() == 4


def test_arrays_made_alike_are_contiguous_writable_and_leave_what_they_are_made_of():
    row, column = np.arange(2.0), np.arange(2.0)[:, None]
    for pair_of in ((row, row[None]), (row, column), (np.float64(1)[None], row), (row, row)):
        made = alike(np.float64, *pair_of)
        for one, other in zip(made, np.broadcast_arrays(*pair_of), strict=True):
            np.testing.assert_array_equal(one, other)
            assert one.flags.c_contiguous
            assert one.flags.writeable
    with pytest.raises(ValueError, match="shape mismatch"):
        alike(np.float64, np.zeros(2), np.zeros(3))
