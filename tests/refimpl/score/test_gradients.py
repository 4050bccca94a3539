"""Backward passes and normalisation: events counted by loops, words solved for, bugs that show."""

from dataclasses import replace

import numpy as np
import pytest

from refimpl.score.catalogue import CATALOGUE
from refimpl.score.kill import observed, shows
from refimpl.score.measure import hits_of
from refimpl.score.models import run
from refimpl.score.recipe import Recipe
from refimpl.score.stimuli import cook
from refimpl.vectors.case import Choices

CONV = "conv2d_backward.int8"
RECIPE = Recipe(
    name="test", channels=1, outputs=2, height=5, width=6, stride=(2, 3), padding=(1, 0),
    dilation=(1, 2), batch=2,
)  # fmt: skip


def backward(operator=CONV, **changed):
    return cook(operator, replace(RECIPE, **changed), Choices())


def shown(case, name):
    entry = CATALOGUE[f"{case.operator}.{case.arithmetic}"]
    bug = next(each for each in entry.mutants if each.id == name)
    return shows(case, bug, run(case), None)


def hits(case):
    return {each.id: many for each, many in hits_of(case)}


def taps(case):
    """For every pixel of x and every tap: the row and column of the upstream gradient, by loops."""
    at = case.attributes
    for y, x in np.ndindex(*case.tensors["x"].shape[2:]):
        for u, v in np.ndindex(*case.tensors["w"].shape[2:]):
            yield tuple(
                (place + pad - tap * apart, step)
                for place, pad, tap, apart, step in zip(
                    (y, x), at["padding"], (u, v), at["dilation"], at["stride"], strict=True
                )
            )


def test_taps_on_the_way_back_are_counted_one_by_one():
    case = backward()
    counted, found = hits(case), list(taps(case))
    rows, cols = case.tensors["dy"].shape[2:]
    assert counted["tap.row-hole"] == sum(row >= 0 and row % step != 0 for (row, step), _ in found)
    columns = [each for _, each in found]
    assert counted["tap.column-hole"] == sum(col >= 0 and col % step != 0 for col, step in columns)
    assert counted["tap.beyond-above"] == sum(row < 0 for (row, _), _ in found)
    assert counted["tap.beyond-below"] == sum(row // step >= rows for (row, step), _ in found)
    assert counted["tap.beyond-right"] == sum(col // step >= cols for _, (col, step) in found)
    assert counted["tap.row-hole"] > 0


def test_holes_between_strides_show_only_where_there_are_strides():
    assert shown(backward(), "back-holes-filled")
    assert not shown(backward(stride=(1, 1)), "back-holes-filled")


def test_images_of_a_batch_add_up_in_the_gradients_of_parameters():
    assert shown(backward(), "dw-last-image")
    assert not shown(backward(batch=1), "dw-last-image")


def test_the_outputs_of_a_backward_pass_are_all_its_gradients():
    case = backward()
    stages = run(case)
    seen = observed(case, stages)
    assert [each is stages[name] for each, name in zip(seen, ("dw", "db", "dx"), strict=True)] == [
        True
    ] * 3
    assert shown(case, "db-dropped")


@pytest.mark.parametrize("operator", ["pssa_backward.fp32", "xvolution_backward.fp32"])
def test_the_order_of_shares_shows_in_floats_only(operator):
    case = backward(operator, values="spread", stride=(1, 1))
    assert shown(case, "shares-exchanged")


@pytest.mark.parametrize("rounding", ["half_up", "floor", "toward_zero", "tosa_double"])
def test_solved_words_reach_both_rails_and_one_beyond_under_a_rule(rounding):
    recipe = next(each for each in CATALOGUE[CONV].recipes if each.name == "ties")
    counted = hits(cook(CONV, recipe, Choices(rounding=rounding)))
    for name in ("at-127", "at-128", "at-minus-128", "at-minus-129"):
        assert counted[f"dx.{name}"] > 0, name


def test_channels_of_a_normalisation_are_counted_one_by_one():
    recipes = {each.name: each for each in CATALOGUE["batch_norm.fp32"].recipes}
    case = cook("batch_norm.fp32", recipes["batch-alike"], Choices())
    x = case.tensors["x"]
    alike = sum(np.unique(x[:, c]).size == 1 for c in range(x.shape[1]))
    assert hits(case)["channel.constant"] == alike == x.shape[1]
    plain = cook("batch_norm.fp32", recipes["plain"], Choices())
    assert hits(plain)["channel.negative-gain"] == (plain.tensors["gamma"] < 0).sum()


def test_bugs_of_statistics_do_not_count_where_statistics_are_given():
    entry = CATALOGUE["batch_norm.fp32"]
    bug = next(each for each in entry.mutants if each.id == "statistics-tree")
    assert bug.is_declared({"statistics": "given"})
    assert not bug.is_declared({"statistics": "batch"})
