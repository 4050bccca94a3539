"""The part of a case that an element reads has the very same golden and device value of it."""

from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refimpl.bitexact.formats import words_of
from refimpl.bitexact.operators import OPERATORS, PIPELINES
from refimpl.vectors.case import KNOWN, Choices
from refimpl.vectors.element import part_of
from refimpl.vectors.shrink import shrink, size
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import Sizes, random_cases

PAIRS = [(o, a) for o in OPERATORS for a in KNOWN if (o, a) in PIPELINES]
IN_ONE_IMAGE = ("padded", "columns")  # buffers of a whole image: it is kept


def one_case(operator, arithmetic, **choices):
    sizes = {"batch": 2, "channels": 3, "outputs": 4, "height": 6, "width": 7} | choices
    chosen = {key: sizes.pop(key) for key in ("k_tile", "bias_at", "rounding") if key in sizes}
    (case,) = random_cases([operator], Sizes(**sizes), Choices(arithmetics=(arithmetic,), **chosen))
    return case


def shrunk(case, golden, stage, index):
    """The sub-case for one flipped bit, after a look at both values of the element."""
    wrong = golden[stage].copy()
    wrong.view(f"u{wrong.itemsize}")[index] ^= np.array(2, f"u{wrong.itemsize}")
    with mock.patch("refimpl.vectors.shrink.diagnose", return_value=[]):  # no variant stands for it
        small = shrink(case, golden, {stage: wrong}, stage, index)
    again = stages(small.case)
    own = next(
        name
        for name, left in small.device.items()
        if left.dtype == wrong.dtype and (words_of(left) != words_of(again[name])).any()
    )
    differs = np.argwhere(words_of(small.device[own]) != words_of(again[own]))
    assert len(differs) == 1
    at = tuple(differs[0])
    assert words_of(again[own][at]) == words_of(golden[stage][index])
    assert words_of(small.device[own][at]) == words_of(wrong[index])
    assert stage.endswith(own)
    return small


@pytest.mark.parametrize(("operator", "arithmetic"), PAIRS)
def test_the_small_case_shows_both_values_of_any_element_of_any_stage(operator, arithmetic):
    rng = np.random.default_rng(11)
    for choices in ({}, {"stride": 2, "height": 7, "width": 5}, {"k_tile": 4}):
        if operator == "shift_product" and choices:
            continue
        case = one_case(operator, arithmetic, **choices)
        golden = stages(case)
        for stage, array in golden.items():
            index = tuple(int(rng.integers(side)) for side in array.shape)
            small = shrunk(case, golden, stage, index)
            whole = stage.endswith(IN_ONE_IMAGE)
            assert ("its image is kept" in small.how) == whole, (stage, small.how)
            assert whole or size(small.case) * 2 < size(case), stage


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    pair=st.sampled_from(PAIRS),
    boundary=st.sampled_from(["circular", "zero"]),
    length=st.integers(1, 2),
    stride=st.integers(1, 2),
    dilation=st.integers(1, 2),
    wide=st.booleans(),
    diagonal=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_so_it_does_however_the_case_convolves_and_shifts(
    pair, boundary, length, stride, dilation, wide, diagonal, seed
):
    operator, arithmetic = pair
    case = one_case(operator, arithmetic)
    more = {"stride": [stride, 1], "dilation": [1, dilation]} if operator != "shift_product" else {}
    if operator != "conv2d":
        more |= {"boundary": boundary, "length": length}
        more |= {"directions": [[0, -1], [1, 1], [-1, 0], [1, -1]]} if diagonal else {}
    if wide and arithmetic.startswith("int") and operator not in ("conv2d", "shift_product"):
        more |= {"product": "wide"}
    attributes = {**case.attributes, **more, "padding": [1, dilation]}
    if operator == "shift_product":
        del attributes["padding"]
    case = replace(case, attributes=attributes)
    golden = stages(case)
    rng = np.random.default_rng(seed)
    stage = rng.choice([name for name in golden if not name.endswith(IN_ONE_IMAGE)][-4:])
    index = tuple(int(rng.integers(side)) for side in golden[stage].shape)
    small = shrunk(case, golden, stage, index)
    assert "its image is kept" not in small.how


@pytest.mark.parametrize("arithmetic", ["int4", "int8", "int16"])
def test_two_zero_points_that_no_image_has_room_for_keep_the_operator(arithmetic):
    case = one_case("xvolution_fused", arithmetic)
    low, high = {"int4": (-8, 7), "int8": (-128, 127), "int16": (-(2**15), 2**15 - 1)}[arithmetic]
    case = replace(case, attributes={**case.attributes, "x_zero": high, "t_zero": low})
    golden = stages(case)
    index = tuple(side // 2 for side in golden["output"].shape)
    small = shrunk(case, golden, "output", index)
    assert small.case.operator == "xvolution_fused"
    assert "rows and columns" in small.how
    assert small.case.tensors["x"].dtype == case.tensors["x"].dtype


def test_a_product_keeps_its_two_pixels_in_one_direction():
    case = one_case("shift_product", "int8")
    small = shrunk(case, stages(case), "product", (1, 7, 0, 3))  # up from the top row: it wraps
    assert small.case.tensors["x"].shape == (1, 1, 2, 1)
    assert small.case.attributes["directions"] == [[-1, 0]]
    top, bottom = case.tensors["x"][1, 1, [0, 5], 3]
    assert small.case.tensors["x"].reshape(-1).tolist() == [top, bottom]


def test_no_part_is_taken_of_what_other_tensors_would_have_to_follow():
    (case,) = random_cases(["global_attention"], Sizes(), Choices(arithmetics=("int8",)))
    assert part_of(case, stages(case), "output", (0, 0, 0, 0)) is None
