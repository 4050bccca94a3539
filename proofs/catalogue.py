"""Every claim, found in the modules listed here and nowhere else."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from types import MappingProxyType, ModuleType

from proofs import attention, gradients, hardware, reparameterisation
from proofs.claim import Claim, Verdict, check

MODULES: tuple[ModuleType, ...] = (reparameterisation, attention, gradients, hardware)


def _claims() -> Iterator[Claim]:
    for module in MODULES:
        yield from (each for each in vars(module).values() if isinstance(each, Claim))


CLAIMS: Mapping[str, Claim] = MappingProxyType({each.id: each for each in _claims()})
"""Claims by id, in the order of the modules and of their lines."""


def find(id_: str) -> Claim:
    """Return one claim; ``ValueError`` that names the nearest id if there is none of that name."""
    if id_ not in CLAIMS:
        raise ValueError(f"a claim must be one that `proofs list` shows, not {id_!r}{_near(id_)}")
    return CLAIMS[id_]


def select(patterns: Sequence[str]) -> tuple[Claim, ...]:
    """Return the claims that match any of the patterns, in the catalogue's order; all if none.

    A pattern is a claim's id, with ``*`` and ``?`` if wanted, or the article's: ``A4``, ``A4.1``.

    Raises
    ------
    ValueError
        If a pattern matches nothing: one sentence that names the nearest id.
    """
    for pattern in patterns:
        if not any(_matches(each, pattern) for each in CLAIMS.values()):
            raise ValueError(
                f"a pattern must match a claim that `proofs list` shows, not {pattern!r}"
                f"{_near(pattern)}"
            )
    return tuple(
        each
        for each in CLAIMS.values()
        if not patterns or any(_matches(each, pattern) for pattern in patterns)
    )


def check_all(progress: Callable[[Claim], None] | None = None) -> tuple[Verdict, ...]:
    """Check every claim; ``progress``, if given, is told which one comes next."""
    return check_each(tuple(CLAIMS.values()), progress)


def check_each(
    claims: Sequence[Claim], progress: Callable[[Claim], None] | None = None
) -> tuple[Verdict, ...]:
    """Check some claims, in order."""
    verdicts = []
    for each in claims:
        if progress is not None:
            progress(each)
        verdicts.append(check(each))
    return tuple(verdicts)


def _matches(claim: Claim, pattern: str) -> bool:
    article = claim.source.id
    return fnmatchcase(claim.id, pattern) or pattern in {article, article.partition(".")[0]}


def _near(wanted: str) -> str:
    known = [*CLAIMS, *(each.source.id for each in CLAIMS.values())]
    near = get_close_matches(wanted, known, n=1, cutoff=0.0)
    return f"; the nearest is {near[0]}"
