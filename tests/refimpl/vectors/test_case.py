"""Cases: what random ones hold, that they can fail, and that they are what their names say."""

import json

import numpy as np
import pytest

from refimpl.bitexact.operators import OPERATORS
from refimpl.bitexact.requantise import RULES
from refimpl.vectors.case import Choices
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import Sizes, random_cases

SMALL = Sizes(batch=1, channels=2, outputs=3, height=4, width=5)


def one(operator, arithmetic, sizes=SMALL, **choices):
    (case,) = random_cases([operator], sizes, Choices(arithmetics=(arithmetic,), **choices))
    return case


def same(left, right):
    return list(left) == list(right) and all(
        np.array_equal(left[name], right[name]) for name in left
    )


def test_every_operator_gets_a_case_in_every_arithmetic_with_a_name_of_its_own():
    cases = random_cases(OPERATORS, SMALL, Choices())
    assert [(case.operator, case.arithmetic) for case in cases] == [
        (operator, arithmetic) for operator in OPERATORS for arithmetic in ("int8", "fp32")
    ]
    assert len({case.id for case in cases}) == len(cases)
    for case in cases:
        assert json.loads(json.dumps(case.attributes)) == case.attributes
        assert json.loads(json.dumps(case.stimulus)) == case.stimulus


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("arithmetic", ["int8", "fp32"])
def test_a_case_has_the_shapes_that_were_asked_for(operator, arithmetic):
    sizes = Sizes(batch=2, channels=3, outputs=5, height=6, width=7, kernel=5, stride=2)
    case = one(operator, arithmetic, sizes)
    channels = {"conv2d": 3, "pssa": 12, "xvolution_fused": 15}
    assert case.tensors["x"].shape == (2, 3, 6, 7)
    if operator in channels:
        assert case.tensors["w"].shape == (5, channels[operator], 5, 5)
    *_, output = stages(case).values()
    assert output.shape == ((2, 12, 6, 7) if operator == "shift_product" else (2, 5, 3, 4))


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("arithmetic", ["int8", "fp32"])
def test_a_seed_decides_every_tensor_and_another_seed_changes_them(operator, arithmetic):
    first, again, other = (
        random_cases([operator], SMALL, Choices(arithmetics=(arithmetic,)), seed=seed)[0]
        for seed in ("0", "0", "1")
    )
    assert first.id == again.id != other.id
    assert same(first.tensors, again.tensors)
    assert not np.array_equal(first.tensors["x"], other.tensors["x"])


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_random_int8_output_spreads_over_both_signs(operator):
    case = one(operator, "int8", Sizes(height=12, width=12))
    *_, output = stages(case).values()
    assert len(np.unique(output)) > 50
    assert output.min() < -20
    assert output.max() > 20


@pytest.mark.parametrize("operator", [name for name in OPERATORS if name != "shift_product"])
def test_rounding_rules_and_orders_can_be_told_apart_by_a_random_case(operator):
    sizes = Sizes(height=40, width=40)
    floors = stages(one(operator, "int8", sizes, rounding="floor"))["output"]
    halves = stages(one(operator, "int8", sizes, rounding="half_up"))["output"]
    assert not np.array_equal(floors, halves)
    outputs = [
        stages(one(operator, "fp32", SMALL, order=order, bias_at=bias))["output"].tobytes()
        for order in ("cuv", "uvc")
        for bias in ("first", "last")
    ]
    assert len(set(outputs)) == 4


def test_single_and_double_rounding_differ_somewhere_in_a_shift_product():
    products = [
        stages(one("shift_product", "int8", Sizes(height=200, width=200), rounding=rule))["product"]
        for rule in ("half_up", "tflite_double")
    ]
    assert not np.array_equal(*products)


@pytest.mark.parametrize("rule", RULES)
def test_the_rounding_rule_is_declared_in_the_case(rule):
    assert one("conv2d", "int8", rounding=rule).attributes["rounding"] == rule


@pytest.mark.small
@pytest.mark.parametrize("name", ["batch", "channels", "outputs", "height", "width", "stride"])
def test_a_size_below_one_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
        Sizes(**{name: 0})


@pytest.mark.small
@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Sizes(kernel=4), "kernel must be odd, not 4"),
        (lambda: Choices(arithmetics=("fp12",)), "arithmetic must be one of int8, int4, "),
        (lambda: Choices(rounding="away"), "rounding must be one of half_up, half_even, floor"),
        (lambda: random_cases(["softmax"], SMALL, Choices()), "operator must be one of conv2d, "),
    ],
)
def test_what_there_is_not_is_refused_in_one_sentence(make, sentence):
    with pytest.raises(ValueError, match=sentence) as refusal:
        make()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("operator", OPERATORS)
def test_random_int8_outputs_reach_both_rails_and_mostly_lie_between(operator):
    sizes = Sizes(batch=1, height=12, width=12)
    (case,) = random_cases([operator], sizes, Choices(arithmetics=("int8",)))
    *_, output = stages(case).values()
    assert (output.min(), output.max()) == (-128, 127)
    assert np.mean((output > -128) & (output < 127)) > 0.3


def test_the_two_branches_of_a_random_x_volution_have_their_own_biases():
    (case,) = random_cases(["xvolution"], Sizes(), Choices(arithmetics=("fp32",)))
    assert not np.array_equal(case.tensors["b_c"], case.tensors["b_a"])


def test_an_operator_named_twice_is_one_case():
    choices = Choices(arithmetics=("int8", "int8"))
    assert len(random_cases(["conv2d", "conv2d"], Sizes(), choices)) == 1
