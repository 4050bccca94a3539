"""Integer attention: held against the same in Python integers, one element after another."""

from itertools import product

import mpmath
import numpy as np
import pytest

from refimpl.score.attention import TABLE
from refimpl.score.catalogue import CATALOGUE
from refimpl.score.kill import shows
from refimpl.score.measure import hits_of
from refimpl.score.models import run
from refimpl.score.recipe import Recipe
from refimpl.score.stimuli import cook
from refimpl.vectors.case import Choices

ENTRY = CATALOGUE["attention.int8"]
BY_NAME = {each.id: each for each in ENTRY.mutants}


@pytest.mark.small
def test_every_entry_of_the_table_is_the_nearest_integer():
    with mpmath.workdps(60):
        exact = [65535 * mpmath.exp(mpmath.mpf(-i) / 16) for i in range(256)]
        assert [int(mpmath.nint(each)) for each in exact] == TABLE.tolist()
    assert (TABLE[0], TABLE[255]) == (65535, 0)


def rounded(value, multiplier, shift):
    return (value * multiplier + (1 << (shift - 1))) >> shift


def literal(case):
    """Outputs of a case in half_up, by loops over Python integers."""
    t, a = {name: array.tolist() for name, array in case.tensors.items()}, case.attributes
    (ms,), (ss,), (mo,), (so,) = (
        t[name] for name in ("score_multiplier", "score_shift", "multiplier", "shift")
    )
    batch, queries, _ = case.tensors["q"].shape
    _, keys, outputs = case.tensors["v"].shape
    result = np.zeros((batch, queries, outputs), int)
    for n, i in product(range(batch), range(queries)):
        logits = []
        for j in range(keys):
            terms = zip(t["q"][n][i], t["k"][n][j], strict=True)
            score = sum((x - a["q_zero"]) * (y - a["k_zero"]) for x, y in terms)
            logits.append(rounded(score, ms, ss))
        top = max(logits)
        weights = [int(TABLE[min(top - each, 255)]) for each in logits]
        total = sum(weights)
        shares = [(255 * each + total // 2) // total for each in weights]
        for e in range(outputs):
            value = sum(p * (t["v"][n][j][e] - a["v_zero"]) for j, p in enumerate(shares))
            result[n, i, e] = min(max(rounded(value, mo, so) + a["y_zero"], -128), 127)
    return result


@pytest.mark.parametrize("recipe", ENTRY.recipes, ids=lambda each: each.name)
def test_the_model_gives_what_python_integers_give(recipe):
    case = cook("attention.int8", recipe, Choices())
    assert (run(case)["output"] == literal(case)).all()


def attention(**recipe):
    return cook("attention.int8", Recipe(name="test", height=3, width=5, **recipe), Choices())


def shown(case, bug):
    return shows(case, BY_NAME[bug], run(case), None)


def test_equal_scores_hide_the_maximum_and_the_table_but_not_its_first_entry_or_the_sum():
    case = attention(values="large")
    assert {each.id: hits for each, hits in hits_of(case)}["row.all-equal"] == 3
    assert not shown(case, "table-coarse")
    assert not shown(case, "max-skips-last")
    assert shown(case, "row-sum-skips-last")


def test_a_certain_row_shows_probabilities_over_256_and_a_soft_row_need_not():
    certain = attention(values="impulse", scale="unit", x_zero=0)
    assert {each.id: hits for each, hits in hits_of(certain)}["row.one-hot"] > 0
    assert shown(certain, "probability-256")
    assert shown(certain, "probability-signed")


def test_rows_are_counted_one_by_one():
    case = attention(values="small", scale="exact")
    stages = run(case)
    hits = {each.id: many for each, many in hits_of(case)}
    totals = [sum(row) for row in stages["probabilities"][0].tolist()]
    assert hits["row.loses"] == sum(each < 255 for each in totals)
    assert hits["row.gains"] == sum(each > 255 for each in totals)
    rows = stages["scaled"][0].tolist()
    assert hits["row.maximum-last"] == sum(row.index(max(row)) == 4 for row in rows)
    assert hits["row.tie-at-maximum"] == sum(1 < row.count(max(row)) < len(row) for row in rows)
