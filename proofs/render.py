"""The claims and their verdicts as one page of Markdown; the same bytes for the same verdicts."""

from collections.abc import Iterator, Sequence

from proofs.answers import ANSWERS, resting_on, standing, topic
from proofs.article import UNDECIDED, Sentence
from proofs.claim import Claim
from proofs.domain import written
from proofs.hypotheses import HYPOTHESES
from proofs.verdict import Verdict

HEADER = """\
# Claims

What the article says of X-volution, and what is true of it. The first table is the answer in two
minutes; each row leads to the claims it rests on, and each claim to its statement, proof idea,
evidence and counterexample. *PSSA* is the article's pixel-shift self-attention: shift the image in
four directions, multiply each shifted copy with the image, convolve the products T(x). *Eq. 9* is
the paper's local attention by scores. Letters: C channels, n pixels, kernels of K×K, D = 4
directions, shifts of length L, S levels on top of each other; a MAC is one multiply-accumulate.
"""
LEGEND = """\
## How to read a claim

This page is written by `proofs render docs/claims.md`; a test compares it with what the code says
now. `proofs check` decides every claim again, and exits 1 if one does not come out as its status
says; `proofs show ID` says everything about one.

* **identity**: holds on every case of a finite domain, compared with ==, never up to a tolerance;
* **conditional**: the same under hypotheses; dropping any one of them alone leads to a failure that
  the check finds;
* **bounded**: a difference stays within a bound, compared exactly;
* **measured**: a statistic of a stated population, by a rule fixed in code before the run;
* **false**: a search in the stated order finds a counterexample, the first in that order.

Evidence, from strong to weak. A *symbolic polynomial identity* is the shipped code run on
polynomials: it holds for all numbers at those shapes. *Schwartz–Zippel* is the shipped code on
random residues modulo 2⁶¹ − 1, at any shape. *Exact rationals* and *dual numbers* are the shipped
code on examples without rounding, *exact expectation* on Gaussian moments. An *SMT solver* decides
for all integers. A *rigorous enclosure* is the shipped code on balls that contain the exact number.
An *exhaustive search*, a *literal simulation* and a *count* are what they say, on the cases they
count.

Ids like A4.1 number sentences of the article (the report by 机器之心 on Chen, Wang and Ni,
arXiv:2106.02253), quoted in the original with our translation. A10 and A12 are the paper's, which
we know second-hand from summaries: the wording is ours. “Ours” marks what neither says.
"""


def claims_page(verdicts: Sequence[Verdict], machines: str = "") -> str:
    """Return the page: twelve answers, the claims of each, and a section for every claim.

    ``machines`` is the section on machines, as ``proofs.machines.tables`` writes it.
    """
    parts = [
        HEADER,
        *_answers(verdicts),
        "",
        LEGEND,
        *_topics(verdicts),
        machines,
        *_undecided(),
        *_hypotheses_known(),
        "## Every claim\n",
        *("\n".join(_section(verdict)) for verdict in verdicts),
    ]
    return "\n".join(parts)


def origin(claim: Claim) -> str:
    """Where a claim comes from: ``A4.1``, ``ours, on A4`` or ``ours``."""
    source = claim.source
    if source.in_article:
        return f"{source.id}, second-hand" if source.second_hand else source.id
    return "ours" if source.id == "ours" else f"ours, on {source.id}"


def _answers(verdicts: Sequence[Verdict]) -> Iterator[str]:
    yield "| | the article says | verdict | why |"
    yield "|---|---|---|---|"
    for about, answer in ANSWERS.items():
        said = " ".join(sentence.translation for sentence in answer.sentences)
        verdict = standing(verdicts, about)
        yield _row(f"[{about}](#{about.lower()})", said, f"**{verdict}**", answer.why)


def _topics(verdicts: Sequence[Verdict]) -> Iterator[str]:
    for about, answer in ANSWERS.items():
        yield f"## {about}\n"
        yield from (_quoted(sentence) for sentence in answer.sentences)
        yield f"**{standing(verdicts, about)}.** {answer.why}\n"
        yield from _table(resting_on(verdicts, about))
        yield ""
    yield "## Ours\n"
    yield "What the article does not say, and the rest stands on.\n"
    yield from _table([each for each in verdicts if topic(each.claim) == "ours"])
    yield ""


def _quoted(sentence: Sentence) -> str:
    of = f"{sentence.id}; the paper's, second-hand" if sentence.second_hand else sentence.id
    return f"> {sentence.text}\n>\n> *{sentence.translation}* ({of})\n"


def _table(verdicts: Sequence[Verdict]) -> Iterator[str]:
    yield "| claim | status | verdict | why |"
    yield "|---|---|---|---|"
    for verdict in verdicts:
        claim = verdict.claim
        yield _row(f"[{claim.statement}](#{claim.id})", claim.status, verdict.outcome, claim.why)


def _row(*cells: str) -> str:
    escaped = (cell.replace("|", r"\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"


def _section(verdict: Verdict) -> Iterator[str]:
    claim = verdict.claim
    yield f"### {claim.id}\n"
    yield f"{f'{claim.statement} {claim.detail}'.strip()}\n"
    yield f"* {origin(claim)}. Status: {claim.status}. Verdict: **{verdict.outcome}**. {claim.why}"
    if claim.proof:
        yield f"* Proof idea: {claim.proof}"
    if claim.rule:
        yield f"* Decided by: {claim.rule}."
    if claim.measured is not None:
        yield f"* Measured: {claim.measured()}."
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


def _hypotheses_known() -> Iterator[str]:
    yield "## Hypotheses, and why they are needed\n"
    for text, why in HYPOTHESES.items():
        yield f"* {text}: {why}."
    yield ""


def _count(cases: int) -> str:
    return "1 case" if cases == 1 else f"{cases} cases"
