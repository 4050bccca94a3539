"""The page says what the sets score: the headline and the rows of ours are computed again."""

from pathlib import Path

import pytest

from refimpl.score import ledger
from refimpl.score.catalogue import CATALOGUE, MUTANTS
from refimpl.score.kill import Subject, score
from refimpl.score.select import default_cases

PAGE = (Path(__file__).parents[3] / "docs" / "score.md").read_text("utf-8")


@pytest.fixture(scope="module")
def ours():
    designed = [each.operator for each in CATALOGUE.values() if each.mutants]
    return {name: score(Subject(case) for case in default_cases([name])) for name in designed}


def test_the_headline_is_the_held_out_score_of_the_default_sets(ours):
    killed = sum(result.killed("held-out") for result in ours.values())
    counted = sum(len(result.counted("held-out")) for result in ours.values())
    assert f"**Held-out score of the default sets: {killed} of {counted} mutants, " in PAGE
    assert f"{len({each.id for each in MUTANTS})} bugs, {len(MUTANTS)} mutants" in PAGE


def test_every_operator_has_its_row_with_both_halves(ours):
    for name, result in ours.items():
        shares = [
            f"{result.killed(half)}/{len(result.counted(half))}" for half in ("design", "held-out")
        ]
        assert f"| {name} | {result.outputs:,} | {' | '.join(shares)} | " in PAGE


def test_every_survivor_is_listed_and_no_other(ours):
    names = [each.name for result in ours.values() for each in result.survivors]
    listed = PAGE.partition("### Held-out mutants that survive")[2].partition("<!--")[0]
    assert [line.split("`")[1] for line in listed.splitlines() if line.startswith("- ")] == names


def test_the_ledger_holds_what_the_release_scored(ours):
    last = ledger.SCORED[-1]
    assert last.killed == sum(result.killed("held-out") for result in ours.values())
    assert last.counted == sum(len(result.counted("held-out")) for result in ours.values())
    survivors = {each.name for result in ours.values() for each in result.survivors}
    assert set(last.survivors) == survivors
