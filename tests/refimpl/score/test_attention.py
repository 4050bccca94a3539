"""Attention's rows are counted as loops count them, and its bugs show where they must."""

import numpy as np
import pytest

from refimpl.bitexact.operators import PIPELINES
from refimpl.score.catalogue import CATALOGUE
from refimpl.score.kill import Subject, score, shows
from refimpl.score.measure import hits_of
from refimpl.score.models import run
from refimpl.score.recipe import Recipe
from refimpl.score.stimuli import cook
from refimpl.vectors.case import Choices
from refimpl.vectors.stimuli import Sizes, random_cases

GLOBAL = "global_attention.int8"
CASES = random_cases(
    ["global_attention", "local_attention"],
    Sizes(batch=1, height=3, width=3),
    Choices(arithmetics=("int8", "fp32")),
)


def attention(operator=GLOBAL, **recipe):
    wanted = {"height": 2, "width": 3, "plain": True, "softmax": "table", **recipe}
    return cook(operator, Recipe(name="test", **wanted), Choices())


def bug(name, operator=GLOBAL):
    return next(each for each in CATALOGUE[operator].mutants if each.id == name)


def shown(case, name):
    return shows(case, bug(name, f"{case.operator}.{case.arithmetic}"), run(case), None)


def hits(case):
    return {each.id: many for each, many in hits_of(case)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_rows_are_counted_one_by_one(case):
    stages = PIPELINES[case.operator, case.arithmetic](case.tensors, case.attributes)
    counted = hits(case)
    width = stages["scores"].shape[-1]
    rows = stages["scores"].reshape(-1, width).tolist()
    shares = stages["probabilities"].reshape(len(rows), -1).tolist()
    assert counted["case.strided"] == 0
    if case.operator == "global_attention":
        assert counted["row.negative"] == sum(max(row) < 0 for row in rows)
        assert counted["row.maximum-first"] == sum(
            row.index(max(row)) == 0 and row.count(max(row)) == 1 for row in rows
        )
        assert counted["row.zero-probability"] == sum(0 in row for row in shares)
        assert counted["case.heads"] == (stages["scores"].shape[1] > 1)
    else:  # in a 3×3 image all pixels but the middle one have keys outside
        assert counted["row.masked"] == 8
        assert counted["row.three-sides"] == 0
    assert counted["row.all-equal"] == 0


@pytest.mark.parametrize("case", CASES[:2], ids=lambda case: case.id)
def test_equal_keys_make_equal_rows(case):
    alike = {**case.tensors, "w_k": np.zeros_like(case.tensors["w_k"])}
    flat = type(case)(
        id=case.id, operator=case.operator, arithmetic=case.arithmetic, stimulus={},
        attributes=case.attributes, tensors=alike,
    )  # fmt: skip
    counted = hits(flat)
    assert counted["row.all-equal"] == run(flat)["scores"][..., 0].size
    assert counted["row.maximum-first"] == 0


def test_plain_projections_make_queries_keys_and_values_the_images_own_channels():
    case = attention(outputs=2, x_zero=0, t_zero=0)
    stages = run(case)
    x = case.tensors["x"].astype(int)
    assert (stages["q"] == x[:, :2]).all()
    assert (stages["k"] == x[:, 2:4]).all()
    assert (stages["v"] == np.clip(x[:, 4:] - 9, -128, 127)).all()


def test_equal_scores_hide_the_maximum_and_the_table_but_not_its_first_entry_or_the_sum():
    case = attention(values="large", x_zero=0, t_zero=0)
    assert hits(case)["row.all-equal"] > 0
    assert not shown(case, "table-coarse")
    assert not shown(case, "max-skips-last")
    assert shown(case, "row-sum-skips-last")


def test_a_certain_row_shows_probabilities_over_256():
    certain = attention(values="impulse", outputs=6, scale="unit", x_zero=0, t_zero=0)
    assert hits(certain)["row.certain"] > 0
    assert shown(certain, "probability-256")
    assert shown(certain, "probability-signed")


def test_a_zero_point_of_all_keys_shows_only_where_scores_are_rounded():
    exact = attention(t_zero=90, x_zero=-120)
    coarse = attention(t_zero=90, x_zero=-120, softmax="bf16", outputs=6, height=3)
    assert not shown(exact, "k-zero-ignored")
    assert shown(coarse, "k-zero-ignored")


def test_a_mask_that_is_ignored_shows_in_a_window_at_the_border():
    assert shown(attention("local_attention.int8"), "mask-ignored")


def test_bugs_of_a_table_do_not_count_where_the_softmax_is_declared_in_floats():
    fates = {
        each.mutant.id: each.outcome for each in score([Subject(attention(softmax="float"))]).fates
    }
    assert fates["table-late"] == fates["difference-wraps"] == "declared"
    assert fates["exp-whole-powers"] == "killed"
    assert fates["max-skips-last"] in {"killed", "survived"}
    assert fates["row-max-shifted"] == "equivalent"
