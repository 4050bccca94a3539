"""The rule that decides about accuracies, and the run that it was applied to."""

import re
from pathlib import Path

import pytest

from proofs.accuracy.study import (
    COMPARED,
    FEWEST_SEEDS,
    MARGIN,
    SEEDS,
    Row,
    decide,
    difference,
    final,
    planned,
)
from proofs.claims.accuracy import is_reproduced, measured
from proofs.io import append_accuracies, read_accuracies
from refimpl.train.fit import Recipe
from refimpl.train.study import Interval

PAGE = Path(__file__).parents[2] / "docs" / "training.md"


@pytest.mark.parametrize(
    ("mean", "half", "said"),
    [
        (0.0, 0.029, "alike"),
        (-0.01, 0.015, "alike"),
        (0.05, 0.01, "apart"),
        (-0.05, 0.01, "apart"),
        (0.04, 0.02, "undecided"),
        (0.0, 0.04, "undecided"),
        (-0.02, 0.02, "undecided"),
    ],
)
def test_the_rule_reads_the_whole_interval(mean, half, said):
    assert MARGIN == 0.03
    assert decide(Interval(mean, half, half, 5)) == said


def test_the_articles_question_is_run_first_and_no_seed_had_been_seen():
    first = planned()[: 2 * FEWEST_SEEDS]
    assert {operator for operator, _ in first} == set(COMPARED[0])
    assert not set(SEEDS) & {0, 1, 2}
    assert len(set(planned())) == len(planned()) == 5 * len(SEEDS)


def test_accuracies_are_paired_by_seed_and_taken_after_the_last_epoch():
    last = Recipe().epochs
    rows = [
        Row(operator, seed, epoch, 1.0, 0.1 * seed + 0.2 * (operator == "pssa") + epoch / 1000)
        for operator in ("pssa", "conv2d")
        for seed in range(FEWEST_SEEDS + (operator == "pssa"))
        for epoch in (1, last)
    ]
    assert difference(rows, "pssa", "conv2d").mean == pytest.approx(0.2)
    assert difference(rows, "pssa", "conv2d").seeds == FEWEST_SEEDS
    assert final(rows, "conv2d")[0] == pytest.approx(last / 1000)


def test_too_few_seeds_decide_nothing():
    with pytest.raises(ValueError, match="must rest on at least 5 seeds, not 0"):
        difference([], "pssa", "conv2d")


def test_the_committed_run_has_every_epoch_of_five_seeds_of_every_operator():
    rows = read_accuracies()
    for operator in {each for pair in COMPARED for each in pair}:
        assert len(final(rows, operator)) >= FEWEST_SEEDS
    done = {(row.operator, row.seed) for row in rows}
    assert [each for each in planned() if each in done] == list(planned()[: len(done)])
    assert len(rows) == Recipe().epochs * len(done)


def test_a_recorded_epoch_that_was_changed_is_not_reproduced(monkeypatch):
    changed = tuple(row._replace(loss=row.loss + 0.01) for row in read_accuracies())
    monkeypatch.setattr("proofs.claims.accuracy.results", lambda: changed)
    assert not is_reproduced("conv2d", 100)


def test_the_page_on_training_states_what_was_measured():
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    for pair in COMPARED[:2]:
        mean, half = re.search(r"= \+(\S+) ± (\S+) points", measured(*pair)).groups()
        assert f"{mean} ± {half}" in page


def test_a_file_of_epochs_is_added_to_and_read_back(tmp_path):
    file = tmp_path / "epochs.jsonl"
    assert read_accuracies(file) == ()
    row = Row("pssa", 100, 1, 0.5, 0.25)
    append_accuracies(file, [row])
    append_accuracies(file, [row._replace(epoch=2)])
    assert read_accuracies(file) == (row, row._replace(epoch=2))
