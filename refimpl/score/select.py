"""Default sets: a greedy cover of the design half's mutants and of the coverage points.

Each step takes the candidate that adds most per output element, given what was chosen before it
(bugs of sequences look at the case before). Then every case is tried without: one that adds nothing
is left out. The held-out half is never looked at.

Greedy covering is within ln n + 1 of the smallest cover: Chvátal, "A greedy heuristic for the
set-covering problem", Mathematics of Operations Research 4 (1979), 233-235.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from refimpl.bitexact.requantise import ALL_RULES
from refimpl.score.catalogue import CATALOGUE
from refimpl.score.defaults import DEFAULTS
from refimpl.score.kill import observed, shows
from refimpl.score.measure import hits_of
from refimpl.score.models import operator_of, run
from refimpl.score.mutant import Mutant
from refimpl.score.recipe import Recipe
from refimpl.score.sequence import Before, is_sequential
from refimpl.score.stimuli import cook
from refimpl.score.target import OURS, Target, fitted
from refimpl.vectors.case import Case, Choices, identified

ROUNDINGS = tuple(ALL_RULES)  # that default sets are for: every integer rule


class Cooked(NamedTuple):
    """A recipe's case under one rounding rule, what it shows and hits on its own, and its state."""

    case: Case
    alone: frozenset[str]
    state: Before


class Candidate(NamedTuple):
    """A recipe under every rule that its operator may declare; ``outputs`` of one of the cases."""

    name: str
    cooked: tuple[Cooked, ...]
    outputs: int


def default_cases(
    operators: Sequence[str] | None = None,
    choices: Choices | None = None,
    target: Target = OURS,
) -> list[Case]:
    """The default designed sets of operators, "conv2d.int8" and the like, or of all.

    Channels are fitted to the target's tiles; whether it can run a case is not asked. Where target
    or choices make another case of a recipe, its id says so (``case.identified``).

    Raises
    ------
    ValueError
        If there is no operator of that name.
    """
    chosen = choices or Choices()
    return [
        _designed(operator, recipe, chosen, target)
        for operator in known_operators(operators)
        for name in DEFAULTS.get(operator, ())
        for recipe in CATALOGUE[operator].recipes
        if recipe.name == name
    ]


def _designed(operator: str, recipe: Recipe, choices: Choices, target: Target) -> Case:
    case = cook(operator, fitted(recipe, target), choices)
    if (choices, target) == (Choices(), OURS):
        return identified(case, default=case)
    return identified(case, default=cook(operator, recipe, Choices()))


def known_operators(operators: Sequence[str] | None) -> list[str]:
    """The operators of the catalogue, or those asked for.

    Raises
    ------
    ValueError
        If one is not in the catalogue.
    """
    for each in operators or ():
        if each not in CATALOGUE:
            raise ValueError(f"operator must be one of {', '.join(CATALOGUE)}, not {each!r}")
    return list(dict.fromkeys(operators or CATALOGUE))


def select(operator: str) -> tuple[str, ...]:
    """Names of the recipes that the greedy cover takes, in the order in which they run.

    The cover holds for every rounding rule: a mutant counts once for each.
    """
    mutants = [
        each
        for each in CATALOGUE[operator].mutants
        if each.half == "design" and not each.equivalent
    ]
    rules = ROUNDINGS if operator.endswith("int8") else (Choices().rounding,)
    candidates = [
        _candidate(operator, recipe, [Choices(rounding=rule) for rule in rules], mutants)
        for recipe in CATALOGUE[operator].recipes
    ]
    sequential = [each for each in mutants if is_sequential(each)]

    def adds(candidate: Candidate, before: Candidate | None) -> frozenset[str]:
        return _adds(candidate, before, sequential)

    chosen: list[Candidate] = []
    covered: frozenset[str] = frozenset()
    while best := _best(candidates, chosen, covered, adds):
        covered |= adds(best, chosen[-1] if chosen else None)
        chosen.append(best)
    return tuple(each.name for each in _without_idle(chosen, adds))


def _candidate(
    operator: str, recipe: Recipe, choices: Sequence[Choices], mutants: Sequence[Mutant]
) -> Candidate:
    cooked = tuple(_cooked(cook(operator, recipe, each), mutants) for each in choices)
    first = cooked[0]
    outputs = sum(each.size for each in observed(first.case, first.state.stages))
    return Candidate(recipe.name, cooked, outputs)


def _cooked(case: Case, mutants: Sequence[Mutant]) -> Cooked:
    golden = run(case)
    killed = {
        each.name
        for each in mutants
        if not is_sequential(each)
        and not each.is_declared(case.attributes)
        and shows(case, each, golden, None)
    }
    hit = {f"{operator_of(case)}:{point.id}" for point, hits in hits_of(case) if hits}
    return Cooked(case, frozenset(killed | hit), Before(case, golden))


def _adds(
    candidate: Candidate, before: Candidate | None, sequential: Sequence[Mutant]
) -> frozenset[str]:
    """What a candidate does under each rule, the rule's number before it."""
    added: set[str] = set()
    for rule, each in enumerate(candidate.cooked):
        state = None if before is None else before.cooked[rule].state
        shown = {
            mutant.name
            for mutant in sequential
            if shows(each.case, mutant, each.state.stages, state)
        }
        added |= {f"{rule} {what}" for what in each.alone | shown}
    return frozenset(added)


def _best(
    candidates: list[Candidate],
    chosen: list[Candidate],
    covered: frozenset[str],
    adds: Callable[[Candidate, Candidate | None], frozenset[str]],
) -> Candidate | None:
    last = chosen[-1] if chosen else None
    taken = {each.name for each in chosen}
    gains = [
        (len(adds(each, last) - covered) / each.outputs, each)
        for each in candidates
        if each.name not in taken
    ]
    gain, best = max(gains, key=lambda pair: pair[0], default=(0.0, None))
    return best if gain > 0 else None


def _without_idle(
    chosen: list[Candidate], adds: Callable[[Candidate, Candidate | None], frozenset[str]]
) -> list[Candidate]:
    """The sequence without cases that add nothing to the others, the largest tried first."""
    wanted = _covered(chosen, adds)
    for each in sorted(chosen, key=lambda candidate: -candidate.outputs):
        fewer = [other for other in chosen if other is not each]
        if _covered(fewer, adds) == wanted:
            chosen = fewer
    return chosen


def _covered(
    chosen: list[Candidate], adds: Callable[[Candidate, Candidate | None], frozenset[str]]
) -> frozenset[str]:
    return frozenset().union(
        *(adds(each, before) for before, each in zip([None, *chosen], chosen, strict=False))
    )
