"""A set held against the catalogue: which mutants it kills, and by which case first.

A mutant is killed by a case of which an observed stage (its outputs, unless the set says otherwise)
differs in any bit from the healthy model's. Cases run in the order of the set; bugs of sequences
see each with the one before it, and its memory image. Equivalent mutants are never run, nor those
that the device has no place for (``target.py``).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.operators import Stages
from refimpl.bitexact.outputs import is_output
from refimpl.score.catalogue import CATALOGUE
from refimpl.score.models import operator_of, run
from refimpl.score.mutant import Half, Mutant
from refimpl.score.sequence import Before, image, is_sequential
from refimpl.score.target import OURS, Target, mutant_excluded
from refimpl.vectors.case import Case

Outcome: TypeAlias = Literal["killed", "survived", "equivalent", "declared", "excluded"]
FINAL: frozenset[Outcome] = frozenset({"killed", "equivalent", "excluded"})
SCALING = frozenset(
    {
        "multiplier",
        "shift",
        "rounding",
        "to_scale",
        "scaled",
        "y_zero",
        "before_clip",
        "limits",
        "output",
    }
)


class Subject(NamedTuple):
    """A case, and the stage that the set lets one observe; None is the output."""

    case: Case
    stage: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of a mutant: "declared" where every case declares what it does, or it away.

    ``by`` is the case that kills it, ``because`` why it is excluded.
    """

    mutant: Mutant
    outcome: Outcome
    by: str | None = None
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Fates of mutants under one set; what neither died nor survived does not count."""

    fates: tuple[Fate, ...]
    cases: int
    outputs: int

    def counted(self, half: Half | None = None) -> tuple[Fate, ...]:
        """Killed and surviving mutants, of one half of the catalogue or of both."""
        return tuple(
            fate
            for fate in self.fates
            if fate.outcome in {"killed", "survived"} and half in {None, fate.mutant.half}
        )

    def killed(self, half: Half | None = None) -> int:
        """Number of killed mutants."""
        return sum(fate.outcome == "killed" for fate in self.counted(half))

    def share(self, half: Half | None = None) -> float:
        """Killed per counted mutant; 0 where none is counted."""
        counted = self.counted(half)
        return self.killed(half) / len(counted) if counted else 0.0

    @property
    def survivors(self) -> tuple[Mutant, ...]:
        """Mutants that no case of the set shows."""
        return tuple(fate.mutant for fate in self.fates if fate.outcome == "survived")


def score(
    subjects: Iterable[Subject],
    *,
    operators: Sequence[str] | None = None,
    target: Target = OURS,
    progress: Callable[[str], None] = lambda _: None,
) -> Score:
    """Run a set against every mutant of its operators, or of those that are asked for.

    Cases must be such that the target can run them.
    """
    chosen = list(operators or [])
    fates: dict[str, Fate] = {}
    before: Before | None = None
    count = outputs = 0
    for case, stage in subjects:
        operator = operator_of(case)
        if operators is None and operator not in chosen:
            chosen.append(operator)
        if operator not in chosen:
            continue
        golden = run(case)
        same = before if before is not None and operator_of(before.case) == operator else None
        for mutant in CATALOGUE[operator].mutants:
            fate = fates.get(mutant.name) or _at_first(mutant, target)
            if fate.outcome not in FINAL:
                fates[mutant.name] = _after(fate, case, golden, same, stage, target)
            else:
                fates[mutant.name] = fate
        before, count = Before(case, golden), count + 1
        outputs += sum(each.size for each in observed(case, golden, stage))
        progress(case.id)
    every = (mutant for operator in chosen for mutant in CATALOGUE[operator].mutants)
    return Score(
        fates=tuple(fates.get(each.name, _at_first(each, target)) for each in every),
        cases=count,
        outputs=outputs,
    )


def _at_first(mutant: Mutant, target: Target) -> Fate:
    """What is known of a mutant before any case."""
    if mutant.equivalent:
        return Fate(mutant=mutant, outcome="equivalent")
    reason = mutant_excluded(mutant, target)
    return Fate(mutant=mutant, outcome="excluded" if reason else "declared", because=reason)


def _after(
    fate: Fate, case: Case, golden: Stages, before: Before | None, stage: str | None, target: Target
) -> Fate:
    """What has become of a mutant after one case more."""
    if fate.mutant.is_declared(case.attributes):
        return fate
    if shows(case, fate.mutant, golden, before, stage, target):
        return replace(fate, outcome="killed", by=case.id)
    return replace(fate, outcome="survived")


def shows(
    case: Case,
    mutant: Mutant,
    golden: Stages,
    before: Before | None,
    stage: str | None = None,
    target: Target = OURS,
) -> bool:
    """Whether a case shows a mutant: a bit of what is observed, or of memory, differs."""
    if is_sequential(mutant):
        healthy, faulty = (
            image(case, before, each, stage, target.array) for each in (None, mutant)
        )
        return not np.array_equal(healthy, faulty)
    stages = run(case, mutant, target.array)
    pairs = zip(
        observed(case, stages, stage, target), observed(case, golden, stage, target), strict=True
    )
    return any(_bytes(faulty) != _bytes(healthy) for faulty, healthy in pairs)


def observed(
    case: Case, stages: Stages, stage: str | None = None, target: Target = OURS
) -> list[Array]:
    """What one sees of a case: a stage, or its outputs, and stages that the device shows."""
    if stage is not None:
        return [stages[stage]]
    return [
        array
        for name, array in stages.items()
        if is_output(case.operator, name, case.attributes) or target.sees(name)
    ]


def shows_in_sums(mutant: Mutant) -> bool:
    """Whether a mutant can show in the int32 sum with its bias, before anything is scaled."""
    return mutant.site not in SCALING


def _bytes(array: Array) -> bytes:
    return np.ascontiguousarray(array).tobytes()
