"""A claim: a sentence, where it comes from, a finite domain, and a predicate that decides it there.

A claim of status *identity*, *conditional* or *bounded* is expected to hold on all of its domain,
which must not be empty. A *conditional* one lists its hypotheses, and each carries a second domain
on which it alone is dropped: there the same predicate must fail somewhere, or the hypothesis buys
nothing. A *false* claim is expected to fail, and its domain is searched in a stated order, so the
counterexample shown is the smallest in that order. Anything else is a surprise.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from inspect import getdoc
from itertools import product
from time import perf_counter
from typing import Any, Literal, TypeAlias

from proofs.article import Sentence

Case: TypeAlias = Mapping[str, Any]
Domain: TypeAlias = Iterable[Case]
Predicate: TypeAlias = Callable[..., bool]
Status: TypeAlias = Literal["identity", "conditional", "bounded", "false"]
Evidence: TypeAlias = Literal[
    "exact rationals",
    "exact derivative by dual numbers",
    "exhaustive search",
    "literal simulation",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """What must be given, and ``without``: cases that lack it alone, one of which must fail."""

    text: str
    without: Domain


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A statement in English, and the predicate that decides it case by case.

    ``detail`` defines its symbols or limits it further; ``why`` is its reason in one sentence;
    ``order`` says how the domain of a false claim grows; ``explain`` turns its counterexample into
    a sentence with numbers.
    """

    id: str
    statement: str
    source: Sentence
    status: Status
    evidence: Evidence
    why: str
    over: Domain
    holds: Predicate
    hypotheses: tuple[Hypothesis, ...] = ()
    detail: str = ""
    order: str = ""
    explain: Callable[..., str] | None = None

    def __post_init__(self) -> None:
        if (self.status == "conditional") != bool(self.hypotheses):
            raise ValueError(
                f"claim {self.id} must have hypotheses if and only if it is conditional, "
                f"not {len(self.hypotheses)} with status {self.status}"
            )
        if (self.status == "false") != bool(self.order):
            raise ValueError(
                f"claim {self.id} must state its search order if and only if it is false, "
                f"not {self.order!r} with status {self.status}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """How many cases were tried, the first that failed, and the error that ended it, if any."""

    cases: int
    counterexample: Case | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What checking a claim found; ``dropped`` has one search per hypothesis, in order."""

    claim: Claim
    cases: int
    counterexample: Case | None
    error: str | None
    dropped: tuple[Search, ...]
    seconds: float

    @property
    def evidence(self) -> Evidence:
        """The kind of evidence that the claim rests on."""
        return self.claim.evidence

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
        return self._needless_hypothesis()

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

    @property
    def explanation(self) -> str | None:
        """The counterexample in a sentence, where there is one and the claim can word it."""
        if self.counterexample is None or self.claim.explain is None:
            return None
        return self.claim.explain(**self.counterexample)

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
            "evidence": self.evidence,
            "why": self.claim.why,
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


@dataclass(frozen=True, slots=True)
class Grid:
    """Every combination of the values on each axis, last axis fastest."""

    axes: Mapping[str, Iterable[Any]]

    def __iter__(self) -> Iterator[Case]:
        points = product(*self.axes.values())
        return (dict(zip(self.axes, point, strict=True)) for point in points)


@dataclass(frozen=True, slots=True)
class Cases:
    """The cases that ``generate()`` yields, made afresh each time they are wanted."""

    generate: Callable[[], Iterable[Case]]

    def __iter__(self) -> Iterator[Case]:
        return iter(self.generate())


def grid(**axes: Iterable[Any]) -> Grid:
    """Build a domain from one iterable per argument of the predicate."""
    return Grid(axes)


def claim(
    *,
    source: Sentence,
    status: Status,
    evidence: Evidence,
    why: str,
    over: Domain,
    hypotheses: tuple[Hypothesis, ...] = (),
    order: str = "",
    explain: Callable[..., str] | None = None,
) -> Callable[[Predicate], Claim]:
    """Turn a predicate into a ``Claim``: its name is the id, its docstring statement and detail.

    Raises
    ------
    ValueError
        If the predicate has no docstring, or the status does not fit what else is given.
    """

    def wrap(holds: Predicate) -> Claim:
        statement, _, detail = (getdoc(holds) or "").partition("\n\n")
        if not statement:
            raise ValueError(f"claim {holds.__name__} must state itself in a docstring")
        return Claim(
            id=holds.__name__.replace("_", "-"),
            statement=" ".join(statement.split()),
            detail=" ".join(detail.split()),
            source=source,
            status=status,
            evidence=evidence,
            why=why,
            over=over,
            holds=holds,
            hypotheses=hypotheses,
            order=order,
            explain=explain,
        )

    return wrap


def check(claim: Claim) -> Verdict:
    """Decide a claim on its domain; then drop its hypotheses one by one and look for failures."""
    start = perf_counter()
    found = search(claim.holds, claim.over)
    dropped = tuple(search(claim.holds, each.without) for each in claim.hypotheses)
    return Verdict(
        claim=claim,
        cases=found.cases,
        counterexample=found.counterexample,
        error=found.error,
        dropped=dropped,
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


def plain(value: Any) -> Any:
    """Turn a case, or a value of one, into what JSON can hold."""
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    return str(value) if isinstance(value, Fraction) else value


def written(case: Case) -> str:
    """Write a case on one line: ``image=(1, 1), stride=2``."""
    return ", ".join(f"{key}={value}" for key, value in case.items()) or "the only case"
