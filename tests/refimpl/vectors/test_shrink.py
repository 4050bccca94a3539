"""The smallest sub-case shows the same mismatch: by a known deviation, or by its own values."""

import numpy as np
import pytest

from refimpl.bitexact.operators import ALL_OPERATORS, OPERATORS, PIPELINES
from refimpl.vectors.case import Choices
from refimpl.vectors.shrink import ratio, shrink, size
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import Sizes, random_cases
from refimpl.vectors.variants import VARIANTS, applicable, run

SIZES = Sizes(batch=2, channels=3, outputs=4, height=6, width=5)
CASES = random_cases(OPERATORS, SIZES, Choices())
CONVOLVING = [case for case in CASES if case.operator != "shift_product"]


def first_bad(golden, device):
    for stage, array in golden.items():
        if stage in device and not np.array_equal(array, device[stage]):
            differs = np.argwhere(array != device[stage])
            return stage, tuple(int(step) for step in differs[0])
    raise AssertionError("nothing is wrong")


def still_wrong(small):
    golden = stages(small.case)
    return [name for name in small.device if not np.array_equal(golden[name], small.device[name])]


@pytest.mark.parametrize(
    ("operator", "arithmetic", "name"),
    [
        ("conv2d", "int8", "rounding-floor"),
        ("conv2d", "int8", "padding-raw-zero"),
        ("conv2d", "fp32", "products-fp16"),
        ("pssa", "int8", "shift-direction"),
        ("pssa", "fp32", "other-loop-order"),
        ("shift_product", "int8", "rounding-tflite-double"),
        ("xvolution", "int8", "no-saturation"),
        ("xvolution_fused", "int8", "no-t-zero"),
        ("xvolution_fused", "fp32", "order-reversed"),
    ],
)
def test_a_known_deviation_is_shown_by_a_case_a_fraction_of_the_size(operator, arithmetic, name):
    case = next(c for c in CASES if (c.operator, c.arithmetic) == (operator, arithmetic))
    golden, device = stages(case), run(VARIANTS[name], case)
    output = list(golden)[-1]
    left = {output: device[output]}
    small = shrink(case, golden, left, *first_bad(golden, left))
    assert still_wrong(small) == [output]
    assert size(small.case) * 4 < size(case)
    assert len(small.case.tensors["x"]) == 1
    reproduced = run(VARIANTS[small.how.rpartition("(")[2].rstrip(")")], small.case)
    np.testing.assert_array_equal(reproduced[output], small.device[output])
    assert "numbers to" in ratio(case, small.case)


def test_padding_that_is_wrong_keeps_only_a_pixel_at_the_border():
    case = next(c for c in CASES if (c.operator, c.arithmetic) == ("conv2d", "int8"))
    golden, device = stages(case), run(VARIANTS["padding-raw-zero"], case)
    left = {"output": device["output"]}
    small = shrink(case, golden, left, *first_bad(golden, left))
    assert small.case.tensors["x"].shape == (1, 1, 1, 1)
    assert small.case.tensors["w"].shape[:2] == (1, 1)


@pytest.mark.parametrize("case", CONVOLVING, ids=lambda case: case.id)
def test_an_unknown_fault_keeps_the_taps_of_its_element_and_both_values(case):
    golden = stages(case)
    rng = np.random.default_rng(5)
    wrong = golden["output"].copy()
    at = tuple(int(rng.integers(side)) for side in wrong.shape)
    bits = wrong.view(f"u{wrong.itemsize}")
    bits[at] ^= 1 << 3
    left = {"output": wrong}
    small = shrink(case, golden, left, "output", at)
    assert "no known variant" in small.how
    assert still_wrong(small) == ["output"]
    assert size(small.case) < size(case)
    if case.operator in {"conv2d", "pssa"}:
        assert small.device["output"].shape == (1, 1, 1, 1)
        assert small.case.operator == "conv2d"


def test_channels_that_add_nothing_are_left_out_of_an_integer_case():
    case = next(c for c in CASES if (c.operator, c.arithmetic) == ("conv2d", "int8"))
    w = case.tensors["w"].copy()
    w[1, 0], w[1, 2] = 0, 0
    case.tensors["w"][...] = w
    golden = stages(case)
    wrong = golden["output"] ^ 2
    only = golden["output"].copy()
    only[0, 1, 2, 2] = wrong[0, 1, 2, 2]
    small = shrink(case, golden, {"output": only}, "output", (0, 1, 2, 2))
    assert small.case.tensors["x"].shape == (1, 1, 3, 3)


def test_what_is_right_cannot_be_shrunk():
    case = CASES[0]
    golden = stages(case)
    with pytest.raises(ValueError, match=r"stage output of .* must be wrong to be shrunk"):
        shrink(case, golden, {"output": golden["output"]}, "output", (0, 0, 0, 0))


OTHERS = [
    case
    for operator in ALL_OPERATORS
    if operator not in OPERATORS
    for arithmetic in ("int8", "fp32")
    if (operator, arithmetic) in PIPELINES
    for case in random_cases([operator], SIZES, Choices(arithmetics=(arithmetic,)))
]


@pytest.mark.parametrize("case", OTHERS, ids=lambda case: case.id)
def test_a_wrong_stage_of_any_operator_is_shrunk_to_a_case_that_is_wrong_alike(case):
    golden = stages(case)
    names = list(golden)
    for stage in (names[-1], names[len(names) // 2], names[0]):
        wrong = golden[stage].copy()
        bits = wrong.view(f"u{wrong.itemsize}")
        last = tuple(side - 1 for side in wrong.shape)
        bits[last] ^= np.array(4, bits.dtype)
        small = shrink(case, golden, {stage: wrong}, stage, last)
        assert still_wrong(small) == [stage]
        assert small.device[stage].shape == stages(small.case)[stage].shape
        assert small.device[stage].reshape(-1)[-1].tobytes() == wrong[last].tobytes()
        alone = len(small.case.tensors["x"]) == 1
        assert alone != ("every image, which it is summed over" in small.how)


@pytest.mark.parametrize("case", OTHERS, ids=lambda case: case.id)
def test_a_known_deviation_of_any_operator_keeps_one_image(case):
    golden = stages(case)
    for variant in applicable(case):
        device = run(variant, case)
        output = list(golden)[-1]
        left = {output: device[output]}
        if np.array_equal(
            golden[output], device[output], equal_nan=golden[output].dtype.kind == "f"
        ):
            continue
        small = shrink(case, golden, left, *first_bad(golden, left))
        assert still_wrong(small) == [output]
        assert len(small.case.tensors["x"]) == 1
