"""The page of claims is what the code says, and says what a reader needs."""

import re
from pathlib import Path

import pytest

from proofs.answers import ANSWERS
from proofs.article import UNDECIDED, ours
from proofs.catalogue import CLAIMS
from proofs.claim import Claim, Hypothesis, claim
from proofs.domain import grid
from proofs.machines import tables
from proofs.render import claims_page
from proofs.verdict import check

PAGE = Path(__file__).parents[2] / "docs" / "claims.md"


def test_the_page_in_the_documentation_is_what_the_code_generates(verdict_of):
    page = claims_page([verdict_of(id_) for id_ in CLAIMS], tables())
    assert PAGE.read_text(encoding="utf-8") == page, "run: proofs render docs/claims.md"


@pytest.mark.parametrize(
    "each", CLAIMS.values(), ids=lambda each: f"{each.holds.__module__}:{each.id}"
)
def test_a_claim_is_on_the_page_as_it_comes_out(each: Claim, verdict_of):
    """Statement, cases tried, counterexamples in numbers and words: all as it is decided now."""
    section = claims_page([verdict_of(each.id)]).partition("\n## Every claim\n")[2]
    assert section.strip() in PAGE.read_text(encoding="utf-8")


def test_the_page_links_every_claim_to_its_section(verdict_of):
    page = claims_page(
        [verdict_of("parallel-branches-merge"), verdict_of("opposite-directions-are-redundant")]
    )
    for id_ in ("parallel-branches-merge", "opposite-directions-are-redundant"):
        assert f"](#{id_}) |" in page
        assert f"\n### {id_}\n" in page
        assert f"`proofs check {id_}`" in page


def test_every_topic_quotes_the_article_with_its_translation_and_its_own_claims(verdict_of):
    page = claims_page([verdict_of("parallel-branches-merge")])
    source = CLAIMS["parallel-branches-merge"].source
    topic = page.partition("\n## A4\n")[2].partition("\n## A5\n")[0]
    assert f"> {source.text}\n>\n> *{source.translation}* (A4.1)" in topic
    assert "](#parallel-branches-merge) |" in topic
    assert "(A12.1; the paper's, second-hand)" in page


def test_every_link_of_the_page_leads_somewhere(verdict_of):
    page = claims_page([verdict_of(id_) for id_ in CLAIMS])
    headings = {line.lstrip("# ").lower() for line in page.splitlines() if line.startswith("#")}
    targets = set(re.findall(r"\]\(#([^)]+)\)", page))
    assert targets == set(CLAIMS) | {about.lower() for about in ANSWERS}
    assert targets <= headings


def test_the_first_table_has_one_row_for_each_claim_of_the_article(verdict_of):
    page = claims_page([verdict_of("parallel-branches-merge")])
    table = page.partition("## How to read")[0]
    assert [line.split("]")[0][3:] for line in table.splitlines() if line.startswith("| [")] == [
        *ANSWERS
    ]
    assert "NO EVIDENCE" in table


def test_a_section_says_what_fails_without_each_hypothesis(verdict_of):
    verdict = verdict_of("parallel-branches-merge")
    page = claims_page([verdict])
    for hypothesis in verdict.claim.hypotheses:
        assert f"* Given that {hypothesis.text}.\n  Without that it fails at `" in page


def test_a_section_of_a_false_claim_shows_its_counterexample(verdict_of):
    page = claims_page([verdict_of("x-volution-is-a-convolution-of-its-input")])
    assert "Verdict: **refuted**" in page
    assert "First counterexample: `sides=(1, 1), w_c=0, w_a=1, pixels=(1,)`." in page
    assert "x = [1] gives [1], and 2·x gives [4]" in page


def test_the_page_says_what_no_claim_decides():
    page = claims_page([])
    for sentence, reason in UNDECIDED:
        assert f"> {sentence.text}" in page
        assert f"({sentence.id})\n\n{reason}" in page


def test_a_surprise_is_on_the_page():
    def every_number_is_odd(x):
        """Every number is odd | not even."""
        return x % 2 == 1

    needless = Hypothesis(text="x is small", without=grid(x=(1,)))
    made = claim(
        source=ours(),
        status="conditional",
        evidence="exhaustive search",
        why="Because.",
        over=grid(x=(1,)),
        hypotheses=(needless,),
    )(every_number_is_odd)
    page = claims_page([check(made)])
    assert "* Surprise: without “x is small” all 1 cases still hold." in page
    assert "Without that it fails" not in page
    assert "[Every number is odd \\| not even.](#every-number-is-odd) | conditional |" in page


@pytest.mark.parametrize("id_", ["x-volution-is-a-convolution-of-its-input"])
def test_the_page_does_not_depend_on_how_long_it_took(id_):
    first, second = check(CLAIMS[id_]), check(CLAIMS[id_])
    assert first.seconds != second.seconds
    assert claims_page([first]) == claims_page([second])
