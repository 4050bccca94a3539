"""Layouts as permutations with an inverse, and against the formula that the manifest prints."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.vectors.layouts import (
    digits_text,
    has_pads,
    indices_at,
    layout_for,
    parsed,
    place_of,
    real,
    to_logical,
    to_physical,
)

FAMILIES = ["nchw", "nhwc", "nchw4c", "nchw16c", "nc1hwc0", "skew3", "skew8"]


@st.composite
def placed(draw):
    """A layout, and a shape of its axes."""
    family = draw(st.sampled_from(FAMILIES))
    kernel, bits = draw(st.booleans()), draw(st.sampled_from([4, 8, 16, 32]))
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=4, max_size=4)))
    return layout_for(family, rank=4, kernel=kernel, element_bits=bits), shape


def numbers(shape):
    return np.arange(1, int(np.prod(shape)) + 1).reshape(shape)


def evaluated(layout, index, shape):
    names = dict(zip(layout.letters, index, strict=True))
    names |= dict(zip(layout.letters.upper(), shape, strict=True))
    return eval(layout.formula(), {}, names)  # noqa: S307 - the manifest's formula, written by us


@given(placed())
@settings(deadline=None, max_examples=150)
def test_every_layout_is_a_permutation_with_pads_and_has_an_inverse(of):
    layout, shape = of
    array = numbers(shape)
    elements = to_physical(array, layout)
    assert len(elements) == np.prod(layout.physical_shape(shape))
    assert sorted(elements[elements > 0].tolist()) == array.reshape(-1).tolist()
    np.testing.assert_array_equal(to_logical(elements, shape, layout), array)
    np.testing.assert_array_equal(real(shape, layout), elements > 0)
    assert has_pads(shape, layout) == (0 in elements)


@given(placed(), st.data())
@settings(deadline=None, max_examples=150)
def test_the_printed_formula_is_the_place_and_the_place_has_the_index(of, data):
    layout, shape = of
    array, elements = numbers(shape), to_physical(numbers(shape), layout)
    index = tuple(data.draw(st.integers(0, size - 1)) for size in shape)
    place = place_of(index, shape, layout)
    assert evaluated(layout, index, shape) == place
    assert elements[place] == array[index]
    indices, valid = indices_at(np.arange(len(elements)), shape, layout)
    np.testing.assert_array_equal(valid, elements > 0)
    assert tuple(indices[:, place].tolist()) == index


@given(placed())
@settings(deadline=None)
def test_pads_are_not_looked_at_when_a_file_is_read(of):
    layout, shape = of
    elements = to_physical(numbers(shape), layout)
    dirty = np.where(elements == 0, -7, elements)
    np.testing.assert_array_equal(to_logical(dirty, shape, layout), numbers(shape))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kernel", [False, True])
def test_the_text_of_a_layouts_digits_reads_back(family, kernel):
    layout = layout_for(family, rank=4, kernel=kernel, element_bits=8)
    again = parsed(layout.name, layout.letters, digits_text(layout), skewed=layout.skewed)
    assert again == layout


@pytest.mark.small
@pytest.mark.parametrize(
    ("family", "kernel", "bits", "name", "physical"),
    [
        ("nchw", False, 8, "NCHW", (2, 17, 3, 5)),
        ("nhwc", False, 8, "NHWC", (2, 3, 5, 17)),
        ("nhwc", True, 8, "OHWI", (2, 3, 5, 17)),
        ("nchw16c", False, 8, "NCHW16c", (2, 2, 3, 5, 16)),
        ("nchw16c", True, 8, "OIHW16i16o", (1, 2, 3, 5, 16, 16)),
        ("nc1hwc0", False, 8, "NC1HWC0(C0=32)", (2, 1, 3, 5, 32)),
        ("nc1hwc0", False, 16, "NC1HWC0(C0=16)", (2, 2, 3, 5, 16)),
        ("nc1hwc0", True, 8, "FRACTAL_Z(C0=32)", (1, 3, 5, 1, 16, 32)),
        ("nc1hwc0", True, 16, "FRACTAL_Z(C0=16)", (2, 3, 5, 1, 16, 16)),
        ("skew4", False, 8, "ROW_SKEW4", (5, 2 * 15 + 3, 4)),
        ("skew4", True, 8, "COLUMN_SKEW4", (1, 17 * 15 + 3, 4)),
    ],
)
def test_known_layouts_have_their_names_and_shapes(family, kernel, bits, name, physical):
    layout = layout_for(family, rank=4, kernel=kernel, element_bits=bits)
    assert layout.name == name
    assert layout.physical_shape((2, 17, 3, 5)) == physical


@pytest.mark.small
def test_a_cube_unit_reads_sixteen_by_c0_fractals_in_order():
    w = numbers((16, 32, 1, 1))
    layout = layout_for("nc1hwc0", rank=4, kernel=True, element_bits=8)
    np.testing.assert_array_equal(to_physical(w, layout).reshape(16, 32), w[:, :, 0, 0])


@pytest.mark.small
def test_a_blocked_kernel_has_its_output_lane_innermost():
    """Blocks of 4: place = ((((o/4*I/4 + i/4)*H + h)*W + w)*4 + i%4)*4 + o%4, by hand."""
    w = numbers((8, 8, 1, 2))
    layout = layout_for("nchw4c", rank=4, kernel=True, element_bits=8)
    expected = [
        w[4 * o + lane, 4 * i + row, 0, x]
        for o in range(2)
        for i in range(2)
        for x in range(2)
        for row in range(4)
        for lane in range(4)
    ]
    assert to_physical(w, layout).tolist() == expected


@pytest.mark.small
def test_a_blocked_image_has_its_blocks_inside_each_image():
    """Place = (((n*C/4 + c/4)*H + h)*W + w)*4 + c%4, by hand."""
    x = numbers((2, 8, 2, 3))
    layout = layout_for("nchw4c", rank=4, kernel=False, element_bits=8)
    expected = [
        x[n, 4 * block + lane, h, w]
        for n in range(2)
        for block in range(2)
        for h in range(2)
        for w in range(3)
        for lane in range(4)
    ]
    assert to_physical(x, layout).tolist() == expected


@pytest.mark.small
@pytest.mark.parametrize("kernel", [False, True])
def test_a_skewed_stream_runs_through_all_but_its_lanes_in_order(kernel):
    """Blocks of 2 lanes, then images (or input channels), rows, columns; lane r is r steps late."""
    array = numbers((3, 4, 2, 3)) if kernel is False else numbers((4, 3, 2, 3))
    layout = layout_for("skew2", rank=4, kernel=kernel, element_bits=8)
    stream = to_physical(array, layout).reshape(2, 3 * 2 * 3 + 1, 2)
    expected = np.zeros_like(stream)
    for block in range(2):
        for lane in range(2):
            for other in range(3):
                for h in range(2):
                    for w in range(3):
                        own = 2 * block + lane
                        at = (own, other) if kernel else (other, own)
                        step = (other * 2 + h) * 3 + w + lane
                        expected[block, step, lane] = array[(*at, h, w)]
    np.testing.assert_array_equal(stream, expected)


@pytest.mark.small
def test_lane_r_of_a_skewed_stream_starts_r_steps_late():
    x = numbers((1, 3, 1, 4))
    layout = layout_for("skew3", rank=4, kernel=False, element_bits=8)
    stream = to_physical(x, layout).reshape(6, 3)
    for lane in range(3):
        expected = [0] * lane + x[0, lane, 0].tolist() + [0] * (2 - lane)
        assert stream[:, lane].tolist() == expected


@pytest.mark.small
def test_tensors_of_other_ranks_stay_in_order():
    for rank, name in enumerate(["SCALAR", "C", "RC", "NCP", None, "TNCHW", "ABCDEF"]):
        if name is not None:
            layout = layout_for("nc1hwc0", rank=rank, kernel=False, element_bits=8)
            assert layout.name == name
            array = numbers((2,) * rank)
            np.testing.assert_array_equal(to_physical(array, layout), array.reshape(-1))


@pytest.mark.small
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("chwn", 4), "layout must be one of nchw, nhwc, nchw<B>c, nc1hwc0, skew<R>, not 'chwn'"),
        (("nchw0c", 4), "layout must be one of"),
        (("skew", 4), "layout must be one of"),
        (("nchw", 7), "a tensor must have at most 6 axes, not 7"),
    ],
)
def test_an_unknown_layout_is_refused(arguments, sentence):
    family, rank = arguments
    with pytest.raises(ValueError, match=sentence):
        layout_for(family, rank=rank, kernel=False, element_bits=8)


@pytest.mark.small
@pytest.mark.parametrize(
    ("digits", "sentence"),
    [
        ("n c h", "must cover axis w once"),
        ("n c h w w", "must cover axis w once"),
        ("n c/4 h w", "must cover axis c once"),
        ("n c/4 h w c%8", "must cover axis c once"),
        ("n c h w z", "must be of the axes nchw"),
        ("n c h w+1", "a digit of a layout must be as c, c/16 or c%16"),
    ],
)
def test_digits_that_are_no_permutation_are_refused(digits, sentence):
    with pytest.raises(ValueError, match=sentence):
        parsed("L", "nchw", digits)


@pytest.mark.small
def test_a_skew_without_lanes_is_refused():
    with pytest.raises(ValueError, match="the last digit of the skewed layout L must be a lane"):
        parsed("L", "nchw", "n c h w", skewed=True)
