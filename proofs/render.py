"""The claims and their verdicts as one page of Markdown; the same bytes for the same verdicts."""

from collections.abc import Iterator, Sequence

from proofs.article import UNDECIDED
from proofs.claim import Claim
from proofs.domain import written
from proofs.verdict import Verdict

HEADER = """\
# Claims

What the article says of X-volution, and what we say of it here, each with a verdict. This page is
written by `proofs render`; a test compares it with what the code says now. `proofs check` decides
every claim again, and exits 1 if one does not come out as its status says.

* **identity**: holds on every case of a finite domain, compared with ==, never up to a tolerance;
* **conditional**: the same under hypotheses; dropping any one of them alone leads to a failure that
  the check finds;
* **bounded**: a difference stays within a bound, compared exactly;
* **false**: a search in the stated order finds a counterexample, the first in that order.

Each claim is checked on the cases it counts and promises no more. Ids like A4.1 number sentences of
the article (the report by 机器之心 on Chen, Wang and Ni, arXiv:2106.02253), quoted below in the
original with our translation; “ours” marks what the article does not say.
"""


def claims_page(verdicts: Sequence[Verdict]) -> str:
    """Return the page: a table of all claims, a section for each, and what has no claim."""
    sections = ("\n".join(_section(verdict)) for verdict in verdicts)
    return "\n".join([HEADER, *_table(verdicts), "", *sections, *_undecided()])


def origin(claim: Claim) -> str:
    """Where a claim comes from: ``A4.1``, ``ours, on A4`` or ``ours``."""
    source = claim.source
    if source.in_article:
        return source.id
    return "ours" if source.id == "ours" else f"ours, on {source.id}"


def _table(verdicts: Sequence[Verdict]) -> Iterator[str]:
    yield "| claim | article | status | verdict | why |"
    yield "|---|---|---|---|---|"
    for verdict in verdicts:
        claim = verdict.claim
        cells = (
            f"[{claim.statement}](#{claim.id})",
            origin(claim),
            claim.status,
            verdict.outcome,
            claim.why,
        )
        escaped = (cell.replace("|", r"\|") for cell in cells)
        yield f"| {' | '.join(escaped)} |"


def _section(verdict: Verdict) -> Iterator[str]:
    claim = verdict.claim
    yield f"## {claim.id}\n"
    yield f"{f'{claim.statement} {claim.detail}'.strip()}\n"
    if claim.source.in_article:
        yield f"> {claim.source.text}\n>\n> *{claim.source.translation}* ({claim.source.id})\n"
    else:
        yield f"Not in the article: {origin(claim)}.\n"
    yield f"* Status: {claim.status}. Verdict: **{verdict.outcome}**. {claim.why}"
    if claim.proof:
        yield f"* Proof idea: {claim.proof}"
    if claim.rule:
        yield f"* Decided by: {claim.rule}"
    yield from _evidence(verdict)
    if verdict.surprise is not None:
        yield f"* Surprise: {verdict.surprise}."
    yield from _hypotheses(verdict)
    if claim.order:
        yield f"* Searched: {claim.order}."
    if verdict.counterexample is not None:
        yield f"* First counterexample: `{written(verdict.counterexample)}`."
    if verdict.explanation is not None:
        yield f"  In words: {verdict.explanation}."
    yield f"* Again: `proofs check {claim.id}`\n"


def _evidence(verdict: Verdict) -> Iterator[str]:
    notes = ("", *(rung.note for rung in verdict.claim.rungs))
    for (kind, cases), note in zip(verdict.evidence, notes, strict=True):
        yield f"* Evidence: {kind}, {_count(cases)}.{f' {note}' if note else ''}"


def _hypotheses(verdict: Verdict) -> Iterator[str]:
    for hypothesis, search in zip(verdict.claim.hypotheses, verdict.dropped, strict=True):
        yield f"* Given that {hypothesis.text}."
        if search.counterexample is not None:
            yield f"  Without that it fails at `{written(search.counterexample)}`."


def _undecided() -> Iterator[str]:
    yield "## Not decided here\n"
    for sentence, reason in UNDECIDED:
        yield f"> {sentence.text}\n>\n> *{sentence.translation}* ({sentence.id})\n"
        yield f"{reason}\n"


def _count(cases: int) -> str:
    return "1 case" if cases == 1 else f"{cases} cases"
