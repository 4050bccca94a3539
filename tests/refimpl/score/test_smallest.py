"""Suggestions: they do what they promise, and are cut down."""

import pytest

from refimpl.score.catalogue import CATALOGUE
from refimpl.score.kill import shows
from refimpl.score.measure import hits_of
from refimpl.score.models import run
from refimpl.score.mutant import Mutant
from refimpl.score.sequence import Before
from refimpl.score.smallest import smallest_hit, smallest_kill

BY_NAME = {each.name: each for entry in CATALOGUE.values() for each in entry.mutants}
DESIGN = [each for each in BY_NAME.values() if each.half == "design" and not each.equivalent]
CONV = [each for each in DESIGN if each.operator == "conv2d.int8"]


def outputs(case):
    return list(run(case).values())[-1].size


@pytest.mark.parametrize("mutant", CONV[::4], ids=lambda each: each.id)
def test_a_suggested_case_kills(mutant):
    found = smallest_kill(mutant)
    before = None
    for case in found.cases[:-1]:
        before = Before(case, run(case))
    last = found.cases[-1]
    assert shows(last, mutant, run(last), before)
    assert found.outputs == sum(map(outputs, found.cases))
    assert str(last.stimulus["recipe"]) in found.sentence


def test_a_suggestion_is_no_larger_than_any_recipe_that_kills():
    mutant = BY_NAME["conv2d.int8/last-tap-dropped"]
    assert smallest_kill(mutant).outputs <= 2


def test_what_nothing_shows_has_no_suggestion():
    harmless = Mutant(
        id="none", operator="shift_product.fp32", family="sign", what="", site="x",
        change="scale", arguments={"by": 1},
    )  # fmt: skip
    assert smallest_kill(harmless) is None


@pytest.mark.parametrize("name", ["operand.minus-128-squared", "accumulator.bits-24", "pad.left"])
def test_a_suggested_case_hits_its_point(name):
    point = next(each for each in CATALOGUE["conv2d.int8"].points if each.id == name)
    (case,) = smallest_hit("conv2d.int8", point).cases
    assert {each.id: hits for each, hits in hits_of(case)}[name] > 0
