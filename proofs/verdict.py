"""What checking a claim found: searches over its domains, and whether they came out as it says."""

from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal

from proofs.claim import Claim, Evidence, Predicate
from proofs.domain import Case, Domain, plain, written


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """How many cases were tried, the first that failed, and the error that ended it, if any."""

    cases: int
    counterexample: Case | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What checking a claim found.

    ``dropped`` has one search per hypothesis, ``rungs`` one per further rung, both in order;
    ``explanation`` is the counterexample in a sentence, where there is one and the claim can word
    it.
    """

    claim: Claim
    cases: int
    counterexample: Case | None
    error: str | None
    dropped: tuple[Search, ...]
    rungs: tuple[Search, ...]
    explanation: str | None
    seconds: float

    @property
    def evidence(self) -> tuple[tuple[Evidence, int], ...]:
        """The kinds of evidence that the claim rests on, and the cases of each, in order."""
        further = zip(self.claim.rungs, self.rungs, strict=True)
        first = (self.claim.evidence, self.cases)
        return (first, *((rung.evidence, search.cases) for rung, search in further))

    @property
    def surprise(self) -> str | None:
        """One sentence on what did not come out as the claim says, or None."""
        if self.error is not None:
            return f"it could not be decided: {self.error}"
        if self.cases == 0:
            return "no case was tried, and what is said of nothing is not proved"
        if self.claim.status == "false":
            missed = f"it is called false, but all {self.cases} cases searched satisfy it"
            return missed if self.counterexample is None else None
        if self.counterexample is not None:
            return f"it fails at {written(self.counterexample)}"
        return self._needless_hypothesis() or self._broken_rung()

    @property
    def as_expected(self) -> bool:
        """Whether the check came out as the claim's status says."""
        return self.surprise is None

    @property
    def outcome(self) -> Literal["holds", "refuted", "SURPRISE"]:
        """The verdict in one word."""
        if not self.as_expected:
            return "SURPRISE"
        return "refuted" if self.claim.status == "false" else "holds"

    def row(self) -> dict[str, Any]:
        """Everything about the verdict as JSON values; only ``seconds`` varies between runs."""
        return {
            "id": self.claim.id,
            "article": self.claim.source.id,
            "in_article": self.claim.source.in_article,
            "statement": self.claim.statement,
            "detail": self.claim.detail,
            "status": self.claim.status,
            "verdict": self.outcome,
            "as_expected": self.as_expected,
            "surprise": self.surprise,
            "cases": self.cases,
            "evidence": self.claim.evidence,
            "rungs": [
                {"evidence": rung.evidence, "cases": search.cases, "note": rung.note}
                for rung, search in zip(self.claim.rungs, self.rungs, strict=True)
            ],
            "why": self.claim.why,
            "proof": self.claim.proof,
            "rule": self.claim.rule,
            "measured": None if self.claim.measured is None else self.claim.measured(),
            "counterexample": plain(self.counterexample),
            "explanation": self.explanation,
            "hypotheses": [
                {
                    "text": hypothesis.text,
                    "cases_without": search.cases,
                    "fails_without_at": plain(search.counterexample),
                }
                for hypothesis, search in zip(self.claim.hypotheses, self.dropped, strict=True)
            ],
            "seconds": round(self.seconds, 3),
        }

    def _needless_hypothesis(self) -> str | None:
        for hypothesis, search in zip(self.claim.hypotheses, self.dropped, strict=True):
            if search.error is not None:
                return f"without “{hypothesis.text}” it could not be decided: {search.error}"
            if search.counterexample is None:
                return f"without “{hypothesis.text}” all {search.cases} cases still hold"
        return None

    def _broken_rung(self) -> str | None:
        for rung, search in zip(self.claim.rungs, self.rungs, strict=True):
            if search.error is not None:
                return f"by {rung.evidence} it could not be decided: {search.error}"
            if search.cases == 0:
                return f"by {rung.evidence} no case was tried"
            if search.counterexample is not None:
                return f"by {rung.evidence} it fails at {written(search.counterexample)}"
        return None


def check(claim: Claim) -> Verdict:
    """Decide a claim on its domain; drop its hypotheses one by one; climb its further rungs."""
    start = perf_counter()
    found = search(claim.holds, claim.over)
    dropped = tuple(search(claim.holds, each.without) for each in claim.hypotheses)
    rungs = tuple(search(each.holds or claim.holds, each.over) for each in claim.rungs)
    words = None
    if found.counterexample is not None and claim.explain is not None:
        words = claim.explain(**found.counterexample)
    return Verdict(
        claim=claim,
        cases=found.cases,
        counterexample=found.counterexample,
        error=found.error,
        dropped=dropped,
        rungs=rungs,
        explanation=words,
        seconds=perf_counter() - start,
    )


def search(holds: Predicate, domain: Domain) -> Search:
    """Try a predicate case by case, in order, up to the first that fails or cannot be decided."""
    cases = 0
    for case in domain:
        cases += 1
        try:
            held = holds(**case)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs in the verdict
            sentence = f"{type(error).__name__} at {written(case)}: {error}"
            return Search(cases=cases, error=sentence)
        if not held:
            return Search(cases=cases, counterexample=case)
    return Search(cases=cases)
