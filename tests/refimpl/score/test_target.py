"""A declared device: its tiles, what it shows, and what it has no place for."""

from dataclasses import replace

import pytest

from refimpl.score.array import ArrayShape
from refimpl.score.catalogue import CATALOGUE
from refimpl.score.kill import Subject, score, shows
from refimpl.score.measure import coverage
from refimpl.score.models import run
from refimpl.score.recipe import Recipe
from refimpl.score.select import default_cases
from refimpl.score.smallest import smallest_kill
from refimpl.score.stimuli import cook
from refimpl.score.target import (
    OURS,
    case_excluded,
    fitted,
    mutant_excluded,
    point_excluded,
    target_of,
)
from refimpl.vectors.case import Choices
from refimpl.vectors.dut import Dut

CONV = "conv2d.int8"


def target(**declared):
    tile = declared.pop("tile", {})
    return target_of(Dut.model_validate({"name": "npu", "tile": tile, **declared}, strict=False))


def mutant(name, operator=CONV):
    return next(each for each in CATALOGUE[operator].mutants if each.id == name)


def point(name, operator=CONV):
    return next(each for each in CATALOGUE[operator].points if each.id == name)


def case(**recipe):
    return cook(CONV, Recipe(name="test", **recipe), Choices())


@pytest.mark.parametrize(
    ("bug", "axis", "size"),
    [
        ("tile-cout-zero", "outputs", 6),
        ("tile-cin-skipped", "channels", 6),
        ("write-full-tile", "width", 4),
    ],
)
def test_a_tile_bug_shows_where_the_declared_tile_is_ragged(bug, axis, size):
    whole = target(tile={"channels": 3, "outputs": 3, "pixels": 5}, observe={"stages": []})
    one = {"channels": 3, "outputs": 3, "height": 5, "width": 4, axis: size}
    for chosen, ragged in ((OURS, size % 4 != 0), (whole, size % 3 != 0 and axis != "width")):
        found = shows(case(**one), mutant(bug), run(case(**one)), None, target=chosen)
        assert found == ragged, chosen.array


def test_a_device_that_shows_its_stages_kills_what_saturation_hides():
    hidden = case(values="large", channels=8, bias="zero", scale="unit")
    golden, late = run(hidden), mutant("shift-one-more")
    assert not shows(hidden, late, golden, None)
    for stages, found in (([], False), (["accumulator"], False), (["before_clip"], True)):
        chosen = target(observe={"stages": stages})
        assert shows(hidden, late, golden, None, target=chosen) == found


@pytest.mark.parametrize(
    ("declared", "bug", "reason"),
    [
        ({"features": {"strides": [1]}}, "stride-one", "features.strides of npu has 1 only"),
        ({"features": {"dilations": [1]}}, "dilation-one", "features.dilations of npu has 1 only"),
        ({}, "groups-first", "features.groups of npu has 1 only"),
        ({"features": {"kernels": [1]}}, "pad-top", "features.kernels of npu has 1 only"),
        ({"features": {"kernels": [1]}}, "kernel-flipped", "features.kernels of npu has 1 only"),
        (
            {"tile": {"outputs": 1}},
            "tile-cout-zero",
            "tile.outputs of npu is 1: no tile is ragged",
        ),
        (
            {"features": {"operators": ["pssa"]}},
            "bias-dropped",
            "features.operators of npu has pssa only",
        ),
    ],
)
def test_a_bug_that_a_device_has_no_place_for_is_excluded_with_the_reason(declared, bug, reason):
    assert mutant_excluded(mutant(bug), target(**declared)) == reason
    assert mutant_excluded(mutant(bug), OURS) == ""


def test_an_excluded_mutant_does_not_count():
    result = score([Subject(case())], target=target(features={"strides": [1]}))
    fates = {each.mutant.id: each for each in result.fates}
    assert fates["stride-one"].outcome == "excluded"
    assert fates["stride-one"].because == "features.strides of npu has 1 only"
    assert "stride-one" not in {each.mutant.id for each in result.counted()}


@pytest.mark.parametrize(
    ("declared", "recipe", "reason"),
    [
        ({"strides": [1]}, {"stride": (1, 2)}, "features.strides of npu has 1 only"),
        ({"kernels": [3]}, {"kernel": (1, 1)}, "features.kernels of npu has 3 only"),
        ({"roundings": ["floor"]}, {}, "features.roundings of npu has floor only"),
        ({}, {"groups": 2, "channels": 4, "outputs": 4}, "features.groups of npu has 1 only"),
        ({"arithmetics": ["fp32"]}, {}, "features.arithmetics of npu has fp32 only"),
        ({}, {}, ""),
    ],
)
def test_a_case_that_a_device_cannot_run_is_excluded_with_the_reason(declared, recipe, reason):
    assert case_excluded(case(**recipe), target(features=declared)) == reason


@pytest.mark.parametrize(
    ("declared", "name", "reachable"),
    [
        ({"features": {"strides": [1]}}, "steps.stride-padding-no-dilation", False),
        ({"features": {"strides": [1, 2]}}, "steps.stride-padding-no-dilation", True),
        ({"features": {"strides": [2]}}, "geometry.oblong-stride", False),
        ({}, "geometry.groups", False),
        ({"features": {"groups": [1, 2]}}, "geometry.groups", True),
        ({"features": {"kernels": [3]}}, "geometry.pointwise", False),
        ({"tile": {"outputs": 1}}, "tile.c_out-ragged", False),
        ({"tile": {"outputs": 2}}, "tile.c_out-ragged", True),
    ],
)
def test_a_point_that_nothing_a_device_runs_can_reach_does_not_apply(declared, name, reachable):
    chosen = target(**declared)
    assert (point_excluded(point(name), chosen) == "") == reachable
    (row,) = [each for each in coverage([case()], chosen) if each.point.id == name]
    assert row.applies == reachable


def test_tile_points_are_held_against_the_declared_tile():
    ragged = {each.point.id: each.hits for each in coverage([case(outputs=6)], OURS)}
    whole = target(tile={"outputs": 3})
    full = {each.point.id: each.hits for each in coverage([case(outputs=6)], whole)}
    assert (ragged["tile.c_out-ragged"], ragged["tile.c_out-full"]) == (1, 0)
    assert (full["tile.c_out-ragged"], full["tile.c_out-full"]) == (0, 1)


def test_the_default_set_fitted_to_a_device_kills_the_design_half_on_its_tiles():
    chosen = target(
        tile={"channels": 16, "outputs": 16, "pixels": 8},
        features={"operators": ["conv2d"], "kernels": [1, 3]},
        observe={"stages": []},
    )
    cases = [
        each for each in default_cases([CONV], target=chosen) if not case_excluded(each, chosen)
    ]
    result = score((Subject(each) for each in cases), target=chosen)
    assert [each.id for each in result.survivors if each.half == "design"] == []


def test_on_our_array_recipes_stay_as_they_are():
    recipe = Recipe(name="test", channels=9, outputs=6)
    assert fitted(recipe, OURS) == recipe
    wide = fitted(recipe, target(tile={"channels": 16, "outputs": 8}))
    assert (wide.channels, wide.outputs) == (33, 10)
    grouped = replace(recipe, groups=3)
    assert fitted(grouped, target(tile={"channels": 16})) == grouped
    headed = replace(recipe, heads=2)
    assert fitted(headed, target(tile={"outputs": 3})) == headed


def test_a_suggestion_is_one_that_the_device_can_run():
    chosen = target(features={"strides": [1]}, tile={"outputs": 3})
    found = smallest_kill(mutant("tile-cout-zero"), target=chosen)
    assert found is not None
    assert not case_excluded(found.cases[-1], chosen)
    assert found.cases[-1].tensors["w"].shape[0] % 3


def test_the_array_is_what_arguments_of_bugs_name():
    assert ArrayShape(2, 3, 5).resolved({"tile": "c_out", "axis": 1, "name": "floor"}) == {
        "tile": 3, "axis": 1, "name": "floor",
    }  # fmt: skip
