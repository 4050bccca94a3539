"""A study: which runs it has, and what it says of their spread."""

import numpy as np
import pytest
from scipy import stats

from refimpl.nets.sites import OPERATORS
from refimpl.train.crops import Crops, Split
from refimpl.train.evaluate import Score
from refimpl.train.fit import Recipe
from refimpl.train.study import (
    MOST_SEEDS,
    SIDES,
    T_975,
    Curve,
    Run,
    build,
    by_member,
    difference,
    interval,
    linear_baseline,
    plan,
    train_all,
)  # fmt: skip
from refimpl.train.summary import differences, member_rows


def curve(operator, seed, accuracy, **sides):
    score = (Score(1.0, accuracy),)
    return Curve(Run(operator=operator, seed=seed, **sides), score, score)


def test_every_operator_has_every_seed_and_sides_have_theirs():
    runs = plan(3, 2)
    assert len(set(runs)) == len(runs) == 3 * 7 + 2 * 12
    assert {run.operator for run in runs if run.seed == "2"} == set(OPERATORS)
    for seed in "01":
        mine = [run for run in runs if run.seed == seed]
        for operator in ("conv2d", "xvolution"):
            assert {r.kernel for r in mine if r.operator == operator and r.window == 3} == set(
                SIDES
            )
        for operator in ("pssa", "local_attention"):
            assert {r.window for r in mine if r.operator == operator} == set(SIDES)


def test_every_planned_network_can_be_built():
    assert all(build(run, 4).nodes for run in plan(1, 1))


@pytest.mark.parametrize("seeds", [0, MOST_SEEDS + 1])
def test_too_few_or_many_seeds_are_refused(seeds):
    with pytest.raises(ValueError, match="seeds must be from 1 to 10, not"):
        plan(seeds, 0)


def test_sides_cannot_have_more_seeds_than_there_are():
    with pytest.raises(ValueError, match="side seeds must be from 0 to the 2 seeds, not 3"):
        plan(2, 3)


def test_the_quantiles_are_those_of_students_distribution():
    expected = stats.t.ppf(0.975, np.arange(1, MOST_SEEDS))
    np.testing.assert_allclose(T_975, expected, atol=5e-4)


def test_an_interval_is_that_of_a_paired_t_test():
    one, other = np.array([0.5, 0.6, 0.8, 0.55]), np.array([0.4, 0.65, 0.7, 0.5])
    curves = [curve("pssa", str(i), a) for i, a in enumerate(one)]
    curves += [curve("conv2d", str(i), a) for i, a in enumerate(other)]
    found = by_member(curves)
    got = difference(found[Run(operator="pssa", seed="")], found[Run(operator="conv2d", seed="")])
    expected = stats.ttest_rel(one, other).confidence_interval()
    np.testing.assert_allclose((got.mean - got.half, got.mean + got.half), expected, rtol=1e-3)
    assert got.seeds == 4


def test_a_single_seed_has_no_spread():
    alone = interval([0.5])
    assert alone.mean == 0.5
    assert np.isnan(alone.half)
    (row,) = member_rows([curve("conv2d", "0", 0.5)], 4)
    assert row[-1] == "50.0"


def test_rows_and_sentences_say_what_was_measured():
    curves = [curve("pssa", s, a) for s, a in (("0", 0.5), ("1", 0.7))]
    curves += [curve("global_attention", s, 0.5) for s in "01"]
    rows = list(member_rows(curves, 4))
    assert rows[0] == ("pssa", "–", "3", f"{17344 + 16 * 64 * 8 * 2 - 33 * 12:,}", "60.0 ± 14.1")
    assert rows[1][2] == "all"
    (sentence,) = differences(curves)
    assert (
        sentence
        == "accuracy(pssa) − accuracy(global_attention) = +10.0 ± 127.1 points (2 seeds, 95 %)"
    )


def separable(count):
    """Images of two classes that a line tells apart."""
    labels = np.arange(count) % 2
    noise = np.random.default_rng(count).standard_normal((count, 1, 32, 32))
    images = noise + 0.5 * (2 * labels - 1)[:, None, None, None]
    return Crops(images=images.astype(np.float32), labels=labels)


SEPARABLE = Split(classes=("dark", "light"), train=separable(64), test=separable(20))


def test_the_linear_baseline_finds_a_line_where_there_is_one():
    assert linear_baseline(SEPARABLE).accuracy == 1


def test_every_run_is_trained_on_the_data_of_its_seed():
    asked = []

    def data(seed):
        asked.append(seed)
        return Split(classes=("dark", "light"), train=separable(8), test=separable(4))

    runs = [Run(operator="conv2d", seed="7"), Run(operator="conv2d", kernel=1, seed="8")]
    curves = list(train_all(runs, data, Recipe(epochs=2, batch=8)))
    assert asked == ["7", "8"]
    assert [each.run for each in curves] == runs
    assert [len(each.test) for each in curves] == [2, 2]
    assert curves[0].accuracy == curves[0].test[1].accuracy
