"""The machinery that says a claim holds can also say otherwise."""

import json
from dataclasses import FrozenInstanceError
from fractions import Fraction

import pytest

from proofs.article import ours
from proofs.claim import Hypothesis, Rung, claim
from proofs.domain import Cases, grid, plain, written
from proofs.verdict import check, search


def made(predicate, *, over, status="identity", **rest):
    decorate = claim(
        source=ours(),
        status=status,
        evidence="exhaustive search",
        why="Because.",
        over=over,
        **rest,
    )
    return decorate(predicate)


def small(x):
    """Every number is less than three."""
    return x < 3


def test_a_claim_takes_its_id_and_its_statement_from_the_predicate():
    made_claim = made(small, over=grid(x=(1,)))
    assert (made_claim.id, made_claim.statement) == ("small", "Every number is less than three.")


def test_the_first_paragraph_is_the_statement_and_the_rest_the_detail():
    def long(x):
        """Every number is
        small.

        That is, less
        than three.
        """
        return x < 3

    made_claim = made(long, over=grid(x=(1,)))
    assert made_claim.statement == "Every number is small."
    assert made_claim.detail == "That is, less than three."


def test_a_claim_that_holds_on_every_case_holds():
    verdict = check(made(small, over=grid(x=range(3))))
    assert (verdict.outcome, verdict.cases, verdict.counterexample) == ("holds", 3, None)


def test_a_claim_that_fails_is_a_surprise_at_its_first_counterexample():
    verdict = check(made(small, over=grid(x=range(100))))
    assert (verdict.outcome, verdict.cases) == ("SURPRISE", 4)
    assert verdict.counterexample == {"x": 3}
    assert verdict.surprise == "it fails at x=3"


def test_a_false_claim_is_refuted_by_the_first_counterexample_in_its_order():
    verdict = check(made(small, over=grid(x=range(100)), status="false", order="upwards"))
    assert (verdict.outcome, verdict.counterexample) == ("refuted", {"x": 3})


def test_a_false_claim_without_a_counterexample_is_a_surprise():
    verdict = check(made(small, over=grid(x=range(3)), status="false", order="upwards"))
    assert not verdict.as_expected
    assert verdict.surprise == "it is called false, but all 3 cases searched satisfy it"


@pytest.mark.parametrize("rest", [{}, {"status": "false", "order": "upwards"}])
def test_a_claim_about_nothing_is_neither_proved_nor_refuted(rest):
    assert "no case was tried" in check(made(small, over=grid(x=()), **rest)).surprise


def test_a_hypothesis_that_can_be_dropped_without_failure_is_a_surprise():
    needless = Hypothesis(text="x is even", without=grid(x=(1,)))
    verdict = check(made(small, over=grid(x=(0, 2)), status="conditional", hypotheses=(needless,)))
    assert verdict.counterexample is None
    assert verdict.surprise == "without “x is even” all 1 cases still hold"


def test_a_hypothesis_that_is_needed_is_shown_to_be():
    needed = Hypothesis(text="x is small", without=grid(x=(1, 5)))
    verdict = check(made(small, over=grid(x=(0,)), status="conditional", hypotheses=(needed,)))
    assert verdict.outcome == "holds"
    assert (verdict.dropped[0].cases, verdict.dropped[0].counterexample) == (2, {"x": 5})


def test_dropping_every_hypothesis_must_fail_not_just_the_first():
    needed = Hypothesis(text="x is small", without=grid(x=(5,)))
    empty = Hypothesis(text="x is a number", without=grid(x=()))
    over = grid(x=(0,))
    verdict = check(made(small, over=over, status="conditional", hypotheses=(needed, empty)))
    assert verdict.surprise == "without “x is a number” all 0 cases still hold"


@pytest.mark.parametrize("rest", [{}, {"status": "false", "order": "upwards"}])
def test_an_error_decides_nothing(rest):
    def fragile(x):
        """One over anything is finite."""
        return 1 / x < 2

    verdict = check(made(fragile, over=grid(x=(0,)), **rest))
    assert verdict.counterexample is None
    assert verdict.surprise == (
        "it could not be decided: ZeroDivisionError at x=0: division by zero"
    )


def test_an_error_does_not_show_that_a_hypothesis_is_needed():
    def fragile(x):
        """One over anything is finite."""
        return 1 / x < 2

    nonzero = Hypothesis(text="x is not 0", without=grid(x=(0,)))
    verdict = check(made(fragile, over=grid(x=(1,)), status="conditional", hypotheses=(nonzero,)))
    assert "could not be decided" in verdict.surprise


def test_a_claim_must_state_itself():
    def wordless(x):
        return x == 1

    with pytest.raises(ValueError, match="wordless must state itself"):
        made(wordless, over=grid(x=(1,)))


@pytest.mark.parametrize("status", ["identity", "false"])
def test_an_identity_or_a_false_claim_has_no_hypotheses(status):
    extra = (Hypothesis(text="", without=grid(x=())),)
    with pytest.raises(ValueError, match="must be conditional, bounded or measured"):
        made(small, over=grid(x=(1,)), status=status, hypotheses=extra)


def test_a_conditional_claim_must_have_hypotheses():
    with pytest.raises(ValueError, match="must have hypotheses, being conditional"):
        made(small, over=grid(x=(1,)), status="conditional")


@pytest.mark.parametrize(("status", "rule"), [("measured", ""), ("identity", "at least half")])
def test_a_decision_rule_belongs_to_measured_claims(status, rule):
    with pytest.raises(ValueError, match="if and only if it is measured"):
        made(small, over=grid(x=(1,)), status=status, rule=rule)


def by_other_means(**rest):
    return Rung(evidence="SMT solver", **rest)


def test_every_rung_must_hold_on_a_domain_of_its_own():
    good, bad = by_other_means(over=grid(x=(2,))), by_other_means(over=grid(x=(2, 7)))
    assert check(made(small, over=grid(x=(1,)), rungs=(good,))).outcome == "holds"
    verdict = check(made(small, over=grid(x=(1,)), rungs=(good, bad)))
    assert verdict.surprise == "by SMT solver it fails at x=7"
    assert verdict.evidence == (("exhaustive search", 1), ("SMT solver", 1), ("SMT solver", 2))


def test_a_rung_without_a_case_or_with_an_error_is_a_surprise():
    empty, broken = (
        by_other_means(over=grid(x=())),
        by_other_means(over=grid(x=(1,)), holds=lambda x: 1 / (x - 1) < 2),
    )
    over = grid(x=(1,))
    assert (
        check(made(small, over=over, rungs=(empty,))).surprise == "by SMT solver no case was tried"
    )
    assert "ZeroDivisionError" in check(made(small, over=over, rungs=(broken,))).surprise


@pytest.mark.parametrize(("status", "order"), [("false", ""), ("identity", "upwards")])
def test_a_search_order_belongs_to_false_claims(status, order):
    with pytest.raises(ValueError, match="if and only if it is false"):
        made(small, over=grid(x=(1,)), status=status, order=order)


def test_claims_and_verdicts_are_values():
    made_claim = made(small, over=grid(x=(1,)))
    with pytest.raises(FrozenInstanceError):
        made_claim.status = "bounded"
    with pytest.raises(FrozenInstanceError):
        check(made_claim).cases = 1000


def test_a_grid_varies_its_last_axis_fastest_and_can_be_walked_twice():
    domain = grid(a=(1, 2), b=(3, 4))
    once = [tuple(case.values()) for case in domain]
    assert once == [(1, 3), (1, 4), (2, 3), (2, 4)]
    assert [tuple(case.values()) for case in domain] == once


def test_generated_cases_can_be_walked_twice():
    domain = Cases(lambda: ({"x": x} for x in range(3)))
    assert list(domain) == list(domain) == [{"x": 0}, {"x": 1}, {"x": 2}]


def test_a_search_stops_at_the_first_failure():
    tried = []

    def fails_at_two(x):
        tried.append(x)
        return x != 2

    assert search(fails_at_two, grid(x=range(10))).cases == 3
    assert tried == [0, 1, 2]


def test_a_row_is_json_and_says_why():
    def explained(x):
        return f"{x} is not small"

    over = grid(x=(Fraction(1, 2), Fraction(7, 2)))
    verdict = check(made(small, over=over, status="false", order="upwards", explain=explained))
    row = verdict.row()
    assert json.loads(json.dumps(row)) == row
    assert (row["counterexample"], row["explanation"]) == ({"x": "7/2"}, "7/2 is not small")
    assert (row["verdict"], row["as_expected"], row["surprise"]) == ("refuted", True, None)


def test_a_row_has_the_failure_without_each_hypothesis():
    needed = Hypothesis(text="x is small", without=grid(x=(5,)))
    verdict = check(made(small, over=grid(x=(0,)), status="conditional", hypotheses=(needed,)))
    assert verdict.row()["hypotheses"] == [
        {"text": "x is small", "cases_without": 1, "fails_without_at": {"x": 5}}
    ]


def test_values_become_json_and_cases_one_line():
    case = {"image": (1, 2), "factor": Fraction(1, 2), "lacks": None}
    assert plain(case) == {"image": [1, 2], "factor": "1/2", "lacks": None}
    assert written(case) == "image=(1, 2), factor=1/2, lacks=None"
    assert written({}) == "the only case"
