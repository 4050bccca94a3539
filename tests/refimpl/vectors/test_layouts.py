"""Layouts against the formula that the manifest prints, evaluated as written."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.vectors.layouts import BY_NAME, layout_for, to_logical, to_physical, word_of

four_axes = pytest.mark.parametrize("name", ["NCHW", "NHWC", "OIHW", "OHWI"])
shapes = st.tuples(*[st.integers(0, 4)] * 4)


def by_formula(layout, shape, index):
    """The manifest's own text, with the letters of the logical axes."""
    letters = "nchw" if layout.name in {"NCHW", "NHWC"} else "oihw"
    names = dict(zip(letters, index, strict=True)) | dict(zip(letters.upper(), shape, strict=True))
    return eval(layout.formula, {}, names)  # noqa: S307 - a constant of ours


@four_axes
@given(shape=shapes)
@settings(deadline=None)
def test_the_printed_formula_is_where_every_element_lies(name, shape):
    layout = BY_NAME[name]
    array = np.arange(np.prod(shape)).reshape(shape)
    words = to_physical(array, layout)
    for index in np.ndindex(shape):
        word = by_formula(layout, shape, index)
        assert words[word] == array[index]
        assert word_of(index, shape, layout) == word


@four_axes
@given(shape=shapes)
@settings(deadline=None)
def test_reading_undoes_writing(name, shape):
    array = np.arange(np.prod(shape)).reshape(shape)
    words = to_physical(array, BY_NAME[name])
    assert words.shape == (array.size,)
    np.testing.assert_array_equal(to_logical(words, shape, BY_NAME[name]), array)


@pytest.mark.small
def test_channels_last_of_a_two_by_two_image_by_hand():
    array = np.array([[[[0, 1], [2, 3]], [[10, 11], [12, 13]]]])
    assert to_physical(array, BY_NAME["NHWC"]).tolist() == [0, 10, 1, 11, 2, 12, 3, 13]
    assert to_physical(array, BY_NAME["NCHW"]).tolist() == [0, 1, 2, 3, 10, 11, 12, 13]


@pytest.mark.small
@pytest.mark.parametrize(
    ("tensor", "dimensions", "family", "name"),
    [
        ("x", 4, "nchw", "NCHW"),
        ("x", 4, "nhwc", "NHWC"),
        ("w", 4, "nchw", "OIHW"),
        ("w_a", 4, "nhwc", "OHWI"),
        ("w_c", 4, "nhwc", "OHWI"),
        ("wide_product", 4, "nhwc", "NHWC"),
        ("b", 1, "nhwc", "C"),
    ],
)
def test_kernels_images_and_vectors_have_their_own_layouts(tensor, dimensions, family, name):
    assert layout_for(tensor, dimensions, family).name == name


@pytest.mark.small
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("x", 4, "chwn"), "layout must be one of nchw, nhwc, not 'chwn'"),
        (("x", 3, "nchw"), "tensor x must have 1 or 4 axes, not 3"),
    ],
)
def test_an_unknown_layout_is_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        layout_for(*arguments)
