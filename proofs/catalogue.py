"""Every claim, found in the modules listed here and nowhere else."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from types import MappingProxyType, ModuleType

from proofs.claim import Claim
from proofs.claims import (
    accuracy,
    attention,
    contract,
    degree,
    dynamic_kernel,
    folding,
    forms,
    gradients,
    growth,
    hardware,
    integers,
    locality,
    machines,
    measured,
    merging,
    pixel_shift,
    rounding,
    sharing,
    single_convolution,
    sizes,
    squares,
    stacked,
    stacking,
    translation,
    work,
)
from proofs.hypotheses import HYPOTHESES

MODULES: tuple[ModuleType, ...] = (
    locality,
    measured,
    accuracy,
    pixel_shift,
    degree,
    translation,
    stacking,
    folding,
    merging,
    forms,
    squares,
    stacked,
    single_convolution,
    sharing,
    dynamic_kernel,
    sizes,
    contract,
    attention,
    integers,
    rounding,
    gradients,
    machines,
    growth,
    hardware,
    work,
)


def collect(modules: Iterable[ModuleType]) -> Mapping[str, Claim]:
    """Claims of some modules by id, in the order of the modules and of their lines.

    Raises
    ------
    ValueError
        If two claims share an id, or a hypothesis is not one of ``proofs.hypotheses``.
    """
    found: dict[str, Claim] = {}
    for each in _claims(modules):
        if each.id in found:
            raise ValueError(f"a claim must have an id of its own, not {each.id}, which there is")
        for hypothesis in each.hypotheses:
            if hypothesis.text not in HYPOTHESES:
                raise ValueError(
                    f"a hypothesis of {each.id} must be one of proofs.hypotheses, "
                    f"not {hypothesis.text!r}"
                )
        found[each.id] = each
    return MappingProxyType(found)


def _claims(modules: Iterable[ModuleType]) -> Iterator[Claim]:
    for module in modules:
        yield from (each for each in vars(module).values() if isinstance(each, Claim))


CLAIMS: Mapping[str, Claim] = collect(MODULES)
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


def _matches(claim: Claim, pattern: str) -> bool:
    article = claim.source.id
    return fnmatchcase(claim.id, pattern) or pattern in {article, article.partition(".")[0]}


def _near(wanted: str) -> str:
    known = [*CLAIMS, *(each.source.id for each in CLAIMS.values())]
    near = get_close_matches(wanted, known, n=1, cutoff=0.0)
    return f"; the nearest is {near[0]}"
