"""The smallest case that would kill a mutant, or hit a point: a designed one, cut down.

Candidates are the operator's recipes from the smallest on. The first that does is then cut down:
each size in turn to 1 or by a half or by one, as long as the case, cooked anew, still does.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from refimpl.score.catalogue import CATALOGUE
from refimpl.score.kill import observed, shows
from refimpl.score.measure import count, looked_at
from refimpl.score.models import run
from refimpl.score.mutant import Mutant
from refimpl.score.point import Point
from refimpl.score.recipe import Recipe
from refimpl.score.sequence import Before, is_sequential
from refimpl.score.stimuli import cook
from refimpl.score.target import OURS, Target, case_excluded, fitted
from refimpl.vectors.case import Case, Choices

SIZES = ("batch", "outputs", "channels", "height", "width")
Does = Callable[[Case], bool]


class Suggestion(NamedTuple):
    """Cases to run in this order; the last one does it. ``outputs`` counts its elements."""

    cases: tuple[Case, ...]
    outputs: int

    @property
    def sentence(self) -> str:
        """The cases by recipe and size."""
        return ", then ".join(_said(case) for case in self.cases)


def _said(case: Case) -> str:
    shape = "×".join(map(str, next(iter(case.tensors.values())).shape))
    values, bias = case.stimulus["values"], case.stimulus["bias"]
    return f"{case.stimulus['recipe']} ({shape} {values}, bias {bias})"


def smallest_kill(
    mutant: Mutant, choices: Choices | None = None, target: Target = OURS
) -> Suggestion | None:
    """The smallest case found that shows a mutant; None if no designed one does."""

    def kills(case: Case) -> bool:
        if mutant.is_declared(case.attributes) or case_excluded(case, target):
            return False
        return shows(case, mutant, run(case), None, target=target)

    if is_sequential(mutant):
        return _smallest_pair(mutant, choices or Choices(), target)
    return _smallest(mutant.operator, kills, choices or Choices(), target)


def smallest_hit(
    operator: str, point: Point, choices: Choices | None = None, target: Target = OURS
) -> Suggestion | None:
    """The smallest case found that hits a point; None if no designed one does."""

    def hits(case: Case) -> bool:
        if case_excluded(case, target):
            return False
        return count(point, looked_at(case, target)) > 0

    return _smallest(operator, hits, choices or Choices(), target)


def _by_size(operator: str, choices: Choices, target: Target) -> list[tuple[int, Recipe, Case]]:
    recipes = [fitted(each, target) for each in CATALOGUE[operator].recipes]
    cooked = [(recipe, cook(operator, recipe, choices)) for recipe in recipes]
    sized = [(_outputs(case), recipe, case) for recipe, case in cooked]
    return sorted(sized, key=lambda each: each[0])


def _smallest(operator: str, does: Does, choices: Choices, target: Target) -> Suggestion | None:
    for _, recipe, case in _by_size(operator, choices, target):
        if does(case):
            cut = _cut_down(operator, recipe, case, does, choices)
            return Suggestion((cut,), _outputs(cut))
    return None


def _cut_down(operator: str, recipe: Recipe, case: Case, does: Does, choices: Choices) -> Case:
    shrunk = True
    while shrunk:
        shrunk = False
        for fewer in _smaller(recipe):
            tried = _cooked(operator, fewer, choices)
            if tried is not None and _outputs(tried) <= _outputs(case) and does(tried):
                recipe, case, shrunk = fewer, tried, True
                break
    return case


def _smaller(recipe: Recipe) -> Iterator[Recipe]:
    for name in SIZES:
        size: int = getattr(recipe, name)
        for fewer in sorted({1, size // 2, size - 1}):
            if 1 <= fewer < size:
                sizes: dict[str, Any] = {name: fewer}
                yield replace(recipe, **sizes)


def _cooked(operator: str, recipe: Recipe, choices: Choices) -> Case | None:
    """The case, under a name of its own; None where sizes no longer fit together."""
    sizes = "".join(f"{name[0]}{getattr(recipe, name)}" for name in SIZES)
    stem = recipe.name.partition(".")[0]
    try:
        case = cook(operator, replace(recipe, name=f"{stem}.{sizes}"), choices)
        run(case)
    except ValueError:  # the kernel no longer fits in the image, or the image shows no edges
        return None
    return case


def _smallest_pair(mutant: Mutant, choices: Choices, target: Target) -> Suggestion | None:
    """Two cases in a row, the smaller in sum first."""
    every = [case for _, _, case in _by_size(mutant.operator, choices, target)]
    cases = [case for case in every if not case_excluded(case, target)]
    states = {case.id: run(case) for case in cases}
    pairs = sorted(
        ((first, second) for first in cases for second in cases),
        key=lambda pair: _outputs(pair[0]) + _outputs(pair[1]),
    )
    for first, second in pairs:
        before = Before(first, states[first.id])
        if shows(second, mutant, states[second.id], before, target=target):
            return Suggestion((first, second), _outputs(first) + _outputs(second))
    return None


def _outputs(case: Case) -> int:
    return sum(each.size for each in observed(case, run(case)))
