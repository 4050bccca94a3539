"""A claim: a sentence, where it comes from, a finite domain, and a predicate that decides it there.

A claim of status *identity*, *conditional*, *bounded* or *measured* is expected to hold on all of
its domain, which must not be empty. A *conditional* one lists its hypotheses, and each carries a
second domain on which it alone is dropped: there the same predicate must fail somewhere, or the
hypothesis buys nothing; claims of other statuses may have hypotheses too. A *false* claim is
expected to fail, and its domain is searched in a stated order, so the counterexample shown is the
smallest in that order. A *measured* one states the rule that decides it, and its predicate is that
rule: fixed in code before the run. Anything else is a surprise.

Further rungs of evidence (``Rung``) decide the same statement by other means, such as polynomials
instead of rationals; each must hold on all of its own domain. ``proofs.verdict`` does the deciding.
"""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import getdoc
from typing import Literal, TypeAlias

from proofs.article import Sentence
from proofs.domain import Domain

Predicate: TypeAlias = Callable[..., bool]
Status: TypeAlias = Literal["identity", "conditional", "bounded", "false", "measured"]
Evidence: TypeAlias = Literal[
    "symbolic polynomial identity",
    "exact rationals",
    "Schwartz–Zippel modulo 2⁶¹ − 1",
    "exact derivative by dual numbers",
    "symbolic derivative",
    "exact expectation of polynomials",
    "SMT solver",
    "rigorous enclosure",
    "exhaustive search",
    "literal simulation",
    "count",
    "measurement with intervals",
]
"""The rungs of the ladder, from proof for all numbers at given shapes down to measurement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """What must be given, and ``without``: cases that lack it alone, one of which must fail."""

    text: str
    without: Domain


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """More evidence for a claim: its kind, its own domain, and what it leaves open (``note``).

    ``holds`` is the predicate of the claim if left out.
    """

    evidence: Evidence
    over: Domain
    holds: Predicate | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A statement in English, and the predicate that decides it case by case.

    ``detail`` defines its symbols or limits it further; ``why`` is its reason in one sentence;
    ``proof`` is the idea of a proof for all sizes, where there is one; ``order`` says how the
    domain of a false claim grows; ``rule`` is the decision rule of a measured one; ``explain``
    turns a counterexample into a sentence with numbers; ``measured`` says what was measured.
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
    rungs: tuple[Rung, ...] = ()
    detail: str = ""
    proof: str = ""
    order: str = ""
    rule: str = ""
    explain: Callable[..., str] | None = None
    measured: Callable[[], str] | None = None

    def __post_init__(self) -> None:
        if self.status == "conditional" and not self.hypotheses:
            raise ValueError(f"claim {self.id} must have hypotheses, being conditional, not none")
        if self.status in {"identity", "false"} and self.hypotheses:
            raise ValueError(
                f"claim {self.id} must be conditional, bounded or measured to have hypotheses, "
                f"not {self.status}"
            )
        if (self.status == "false") != bool(self.order):
            raise ValueError(
                f"claim {self.id} must state its search order if and only if it is false, "
                f"not {self.order!r} with status {self.status}"
            )
        if (self.status == "measured") != bool(self.rule):
            raise ValueError(
                f"claim {self.id} must state its decision rule if and only if it is measured, "
                f"not {self.rule!r} with status {self.status}"
            )


def claim(
    *,
    source: Sentence,
    status: Status,
    evidence: Evidence,
    why: str,
    over: Domain,
    hypotheses: tuple[Hypothesis, ...] = (),
    rungs: tuple[Rung, ...] = (),
    proof: str = "",
    order: str = "",
    rule: str = "",
    explain: Callable[..., str] | None = None,
    measured: Callable[[], str] | None = None,
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
            rungs=rungs,
            proof=proof,
            order=order,
            rule=rule,
            explain=explain,
            measured=measured,
        )

    return wrap
