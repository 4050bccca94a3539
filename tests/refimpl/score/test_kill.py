"""Kills: what differs kills, what is declared or equal does not."""

import numpy as np
import pytest

from refimpl.score.catalogue import CATALOGUE
from refimpl.score.kill import Subject, score, shows
from refimpl.score.models import run
from refimpl.score.mutant import Mutant
from refimpl.score.recipe import Recipe
from refimpl.score.stimuli import cook
from refimpl.vectors.case import Choices

BY_NAME = {each.name: each for entry in CATALOGUE.values() for each in entry.mutants}


def conv(**recipe):
    return cook("conv2d.int8", Recipe(name="test", **recipe), Choices())


def shown(case, name):
    return shows(case, BY_NAME[f"conv2d.int8/{name}"], run(case), None)


def test_a_bug_that_changes_nothing_is_killed_by_nothing():
    harmless = Mutant(
        id="none", operator="conv2d.int8", family="sign", what="", site="x", change="scale",
        arguments={"by": 1},
    )  # fmt: skip
    case = conv()
    assert not shows(case, harmless, run(case), None)


@pytest.mark.parametrize(
    ("name", "blind", "sees"),
    [
        ("pad-top", {"padding": (0, 0)}, {}),
        ("pad-raw-zero", {"x_zero": 0}, {}),
        ("stride-swapped", {"stride": (2, 2)}, {"stride": (1, 2)}),
        ("dilation-one", {}, {"dilation": (2, 2), "padding": (2, 2)}),
        ("tile-cin-skipped", {"channels": 4}, {"channels": 5}),
        ("tile-restarts", {"channels": 4}, {"channels": 8}),
        ("tile-cout-zero", {"outputs": 4}, {"outputs": 5}),
        ("x-zero-ignored", {"x_zero": 0}, {}),
        ("bias-dropped", {"bias": "zero"}, {}),
        ("y-zero-dropped", {"y_zero": 0}, {}),
        ("bank-stuck", {}, {"batch": 2}),
    ],
)
def test_a_bug_shows_only_where_what_it_breaks_is_used(name, blind, sees):
    assert not shown(conv(**blind), name)
    assert shown(conv(**sees), name)


def test_a_rule_that_the_case_declares_is_no_bug_and_not_counted():
    case = cook("conv2d.int8", Recipe(name="floors"), Choices(rounding="floor"))
    fates = {fate.mutant.id: fate.outcome for fate in score([Subject(case)]).fates}
    assert fates["round-floor"] == "declared"
    assert fates["round-half-up"] == "killed"
    assert fates["product-16"] == "equivalent"


def test_what_is_not_observed_does_not_kill():
    case = conv()
    summed = score([Subject(case, "biased")])
    assert "y-zero-dropped" in {each.id for each in summed.survivors}
    assert "y-zero-dropped" not in {each.id for each in score([Subject(case)]).survivors}


def test_the_first_case_that_differs_is_named_and_outputs_are_counted():
    blind, sees = conv(padding=(0, 0)), conv()
    result = score([Subject(blind), Subject(sees)])
    fate = next(each for each in result.fates if each.mutant.id == "pad-top")
    assert (fate.outcome, fate.by) == ("killed", sees.id)
    sizes = [list(run(case).values())[-1].size for case in (blind, sees)]
    assert (result.cases, result.outputs) == (2, sum(sizes))
    counted = len(result.counted("design")) + len(result.counted("held-out"))
    assert counted == len(result.counted())


def test_a_wider_accumulator_than_the_sums_need_survives_and_a_narrower_dies():
    case = conv(channels=1, values="small", bias="zero", scale="exact")
    assert np.abs(run(case)["accumulator"]).max() < 2**15
    assert not shown(case, "accumulator-16")
    assert shown(conv(channels=9, values="large", bias="zero", scale="fine"), "accumulator-16")
