"""Vectors of convolutions in groups: stages, im2col, verdicts, cones, smallest cases, coverage."""

import numpy as np
import pytest

from refimpl import io
from refimpl.score.measure import covered
from refimpl.vectors.case import KNOWN, Choices
from refimpl.vectors.cone import cone
from refimpl.vectors.convolutions import convolutions_of, geometry
from refimpl.vectors.diagnose import diagnose
from refimpl.vectors.im2col import from_columns, to_columns
from refimpl.vectors.local import recompute, steps_of
from refimpl.vectors.shrink import shrink
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import GROUPED, Sizes, random_cases
from refimpl.vectors.variants import VARIANTS, run

SIZES = Sizes(batch=1, channels=4, outputs=4, height=5, width=4, groups=2)
CASES = random_cases(GROUPED, SIZES, Choices(arithmetics=KNOWN))
CASES += random_cases(
    ["conv2d", "pssa", "xvolution"],
    Sizes(batch=2, channels=4, outputs=8, height=5, width=4, stride=2, groups=4),
    Choices(im2col="uvc", k_tile=5, order="uvc", bias_at="first"),
)
CONV = {case.arithmetic: case for case in CASES if case.operator == "conv2d"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_steps_in_turn_are_the_pipeline(case):
    computed, steps = stages(case), steps_of(case)
    assert list(steps) == list(computed)
    for stage in steps:
        again = recompute(stage, computed, case).array
        assert again.dtype == computed[stage].dtype
        assert again.tobytes() == computed[stage].tobytes(), stage


@pytest.mark.parametrize("order", ["cuv", "uvc"])
def test_columns_hold_group_after_group_and_give_the_image_back(order):
    padded = np.arange(2 * 6 * 5 * 4).reshape(2, 6, 5, 4)
    (case,) = random_cases(
        ["conv2d"],
        Sizes(batch=2, channels=6, outputs=3, height=3, width=2, groups=3),
        Choices(arithmetics=("int8",)),
    )
    (each,) = convolutions_of(case)
    where = geometry(each, case.tensors, case.attributes)
    columns = to_columns(padded, where, order, 3)
    assert columns.shape == (2, 6 * 9, 6)
    for g, c, u, v, i, j in np.ndindex(3, 2, 3, 3, 3, 2):
        k = (c * 3 + u) * 3 + v if order == "cuv" else (u * 3 + v) * 2 + c
        assert columns[1, g * 18 + k, i * 2 + j] == padded[1, g * 2 + c, i + u, j + v]
    np.testing.assert_array_equal(from_columns(columns, padded.shape, where, order, 3), padded)


@pytest.mark.parametrize("arithmetic", ["int8", "fp32"])
def test_the_cone_of_an_output_names_the_channels_of_its_group(arithmetic):
    case = CONV[arithmetic]
    found = cone(case, stages(case), "accumulator", (0, 3, 2, 1))
    read = {tap.at[1] for tap in found.taps if tap.at is not None}
    assert read == {2, 3} if case.attributes["groups"] == 2 else {1}
    total = stages(case)["accumulator"][0, 3, 2, 1]
    assert found.taps[-1].partial == total
    if arithmetic == "int8":
        assert sum(tap.product for tap in found.taps) == total


@pytest.mark.parametrize(
    ("arithmetic", "name"),
    [("int8", "rounding-floor"), ("int8", "padding-raw-zero"), ("fp32", "order-reversed")],
)
def test_a_known_deviation_is_named_and_shrunk(arithmetic, name):
    (case,) = random_cases(["conv2d"], SIZES, Choices(arithmetics=(arithmetic,)))
    golden, device = stages(case), run(VARIANTS[name], case)
    left = {"output": device["output"]}
    assert diagnose(case, golden, left)[0].name == name
    differs = np.argwhere(golden["output"] != left["output"])
    small = shrink(case, golden, left, "output", tuple(int(step) for step in differs[0]))
    assert small.case.tensors["x"].size < case.tensors["x"].size
    assert not np.array_equal(stages(small.case)["output"], small.device["output"])


def test_without_a_known_deviation_the_window_of_the_group_is_kept():
    (case,) = random_cases(["conv2d"], SIZES, Choices(arithmetics=("int8",)))
    golden = stages(case)
    wrong = golden["output"].copy()
    wrong[0, 2, 3, 1] ^= 9
    small = shrink(case, golden, {"output": wrong}, "output", (0, 2, 3, 1))
    assert small.case.tensors["x"].shape[1] <= 2
    assert "groups" not in small.case.attributes
    assert stages(small.case)["output"].item() == golden["output"][0, 2, 3, 1]


@pytest.mark.parametrize("arithmetic", ["int8", "fp32"])
def test_coverage_is_taken_of_cases_in_groups(arithmetic):
    (case,) = random_cases(["conv2d"], SIZES, Choices(arithmetics=(arithmetic,)))
    found = covered(case, stages(case))
    assert {"pad.above", "pad.corner-below-right"} <= set(found)


def test_tosa_is_told_that_it_has_no_groups():
    (case,) = random_cases(["conv2d"], SIZES, Choices(arithmetics=("int8",)))
    with pytest.raises(io.UnusableError, match="must have 1 group, as CONV2D of TOSA has, not 2"):
        list(io.tosa_files(case))
