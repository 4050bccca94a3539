"""Every claim comes out as its status says, and every claim can be seen to fail."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from proofs import catalogue, pool
from proofs.catalogue import CLAIMS, collect, find, select
from proofs.claim import Claim
from proofs.claims import folding
from proofs.hypotheses import HYPOTHESES
from proofs.pool import check_all
from proofs.verdict import check
from tests.proofs.breaks import BREAKS


def named(each: Claim) -> str:
    """The claim under the name of its module, by which a run can select all of one module."""
    return f"{each.holds.__module__}:{each.id}"


each_claim = pytest.mark.parametrize("each", CLAIMS.values(), ids=named)


@each_claim
def test_a_claim_comes_out_as_its_status_says(each: Claim, verdict_of):
    verdict = verdict_of(each.id)
    assert verdict.surprise is None
    for_all = {
        "SMT solver",
        "symbolic polynomial identity",
        "exact expectation of polynomials",
        "measurement with intervals",
    }
    if each.status != "false" and not for_all & {kind for kind, _ in verdict.evidence}:
        assert sum(cases for _, cases in verdict.evidence) >= 4


def test_every_claim_has_a_break():
    assert set(BREAKS) == set(CLAIMS)
    assert all(BREAKS.values())


@pytest.mark.parametrize(
    ("id_", "broken"),
    [
        pytest.param(id_, broken, id=f"{named(CLAIMS[id_])}: {broken.what}")
        for id_, breaks in BREAKS.items()
        for broken in breaks
    ],
)
def test_a_broken_model_is_seen_to_fail(id_, broken, monkeypatch):
    monkeypatch.setattr(
        broken.module, broken.name, broken.wrong(getattr(broken.module, broken.name))
    )
    verdict = check(CLAIMS[id_])
    assert verdict.surprise is not None
    errors = [verdict.error, *(search.error for search in verdict.dropped)]
    assert not any(errors), "a break must be refuted, not merely crash"


@each_claim
def test_a_hypothesis_is_missed_because_of_numbers_not_of_shapes(each: Claim, monkeypatch):
    """Dropping it leaves two arrays of one shape; what differs is what is in them."""

    def compare(left, right):
        assert left.shape == right.shape
        return bool((left == right).all())

    for module in catalogue.MODULES:
        if hasattr(module, "same"):
            monkeypatch.setattr(module, "same", compare)
    for hypothesis in each.hypotheses:
        assert not all(each.holds(**case) for case in hypothesis.without)


@pytest.mark.parametrize("flow", ["output", "weight", "input"])
def test_cycle_counts_are_held_against_five_hundred_simulations_and_sides_that_do_not_divide(flow):
    cases = list(CLAIMS[f"{flow}-stationary-cycles-are-what-the-array-takes"].over)
    assert len(cases) >= 500
    assert any(case["m"] % case["rows"] and case["n"] % case["cols"] for case in cases)


def test_a_claim_is_found_by_its_id():
    assert find("parallel-branches-merge") is folding.parallel_branches_merge


def test_an_unknown_id_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="not 'paralel-branch-merge'; the nearest is parallel-br"):
        find("paralel-branch-merge")


def test_patterns_select_by_id_and_by_article_in_the_order_of_the_catalogue():
    assert select(()) == tuple(CLAIMS.values())
    assert [each.id for each in select(["parallel-branches-merge"])] == ["parallel-branches-merge"]
    assert {each.source.id.partition(".")[0] for each in select(["A4"])} == {"A4"}
    assert {each.source.id for each in select(["A4.2"])} == {"A4.2"}
    both = select(["*cycles*", "A8"])
    assert [each for each in CLAIMS.values() if each in both] == list(both)
    about_a8 = {each.id for each in select(["A8"])}
    assert {each.id for each in both} == {id_ for id_ in CLAIMS if "cycles" in id_} | about_a8


def test_a_pattern_that_matches_nothing_is_an_error_even_beside_one_that_does():
    with pytest.raises(ValueError, match=r"not 'A44\.1'; the nearest is A4\.1"):
        select(["A4", "A44.1"])


def test_checking_all_checks_each_and_says_which_is_next(monkeypatch):
    few = {each.id: each for each in select(["A7"])}
    monkeypatch.setattr(pool, "CLAIMS", few)
    announced: list[Claim] = []
    verdicts = check_all(announced.append)
    assert [verdict.claim for verdict in verdicts] == announced == list(few.values())
    assert all(verdict.as_expected for verdict in verdicts)


def test_every_claim_of_a_module_is_in_the_catalogue_under_an_id_of_its_own():
    claims = [
        value
        for module in catalogue.MODULES
        for value in vars(module).values()
        if isinstance(value, Claim)
    ]
    assert list(CLAIMS.values()) == claims


def module_with(**claims):
    return SimpleNamespace(**claims)


def test_an_unknown_hypothesis_does_not_load():
    known = folding.parallel_branches_merge
    strange = replace(known.hypotheses[0], text="the moon is full")
    with pytest.raises(
        ValueError, match=r"must be one of proofs\.hypotheses, not 'the moon is full'"
    ):
        collect([module_with(one=replace(known, hypotheses=(strange,)))])


def test_two_claims_of_one_id_do_not_load():
    known = folding.parallel_branches_merge
    with pytest.raises(ValueError, match="must have an id of its own"):
        collect([module_with(one=known), module_with(other=known)])


def test_every_known_hypothesis_is_one_of_a_claim():
    used = {hypothesis.text for each in CLAIMS.values() for hypothesis in each.hypotheses}
    assert used == set(HYPOTHESES)
