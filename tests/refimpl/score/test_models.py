"""The opened-up models without a bug are the bit-exact model, stage by stage."""

import pytest

from refimpl.bitexact.operators import PIPELINES
from refimpl.bitexact.requantise import ALL_RULES
from refimpl.score.catalogue import CATALOGUE
from refimpl.score.models import operator_of, run
from refimpl.score.stimuli import cook
from refimpl.vectors.case import Choices
from refimpl.vectors.stimuli import GROUPED, Sizes, random_cases

SIZES = Sizes(stride=2, height=5, channels=2, batch=1)
RANDOM = [
    case
    for name, arithmetic in (each.split(".") for each in CATALOGUE)
    for case in random_cases([name], SIZES, Choices(arithmetics=(arithmetic,)))
]
IN_GROUPS = [
    case
    for name, arithmetic in (each.split(".") for each in CATALOGUE)
    if name in GROUPED
    for case in random_cases(
        [name],
        Sizes(height=5, channels=4, outputs=4, batch=1, groups=2),
        Choices(arithmetics=(arithmetic,)),
    )
]


def same_stages(case):
    golden = PIPELINES[case.operator, case.arithmetic](case.tensors, case.attributes)
    opened = run(case)
    assert list(opened) == list(golden)
    for name, array in golden.items():
        assert (opened[name].dtype, opened[name].shape) == (array.dtype, array.shape), name
        assert opened[name].tobytes() == array.tobytes(), name


def test_every_operator_of_the_catalogue_is_one_of_the_bit_exact_model():
    assert set(CATALOGUE) <= {f"{operator}.{arithmetic}" for operator, arithmetic in PIPELINES}


@pytest.mark.parametrize("operator", CATALOGUE)
def test_every_designed_case_has_the_bits_of_the_bit_exact_model(operator):
    for recipe in CATALOGUE[operator].recipes:
        same_stages(cook(operator, recipe, Choices()))


@pytest.mark.parametrize("case", RANDOM + IN_GROUPS, ids=lambda case: case.id)
def test_a_random_case_has_the_bits_of_the_bit_exact_model(case):
    assert operator_of(case) in CATALOGUE
    same_stages(case)


@pytest.mark.parametrize("rounding", [each for each in ALL_RULES if each != "half_up"])
@pytest.mark.parametrize("operator", [each for each in CATALOGUE if each.endswith("int8")])
def test_so_it_does_under_every_rounding_rule(operator, rounding):
    for recipe in CATALOGUE[operator].recipes[:4]:
        same_stages(cook(operator, recipe, Choices(rounding=rounding)))
