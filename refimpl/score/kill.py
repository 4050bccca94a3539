"""A set held against the catalogue: which mutants it kills, and by which case first.

A mutant is killed by a case whose observed stage (the output, unless the set says otherwise)
differs in any bit from the healthy model's. Cases run in the order of the set; bugs of sequences
see each with the one before it, and its memory image. Equivalent mutants are never run.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.operators import Stages
from refimpl.score.catalogue import CATALOGUE
from refimpl.score.models import operator_of, run
from refimpl.score.mutant import Half, Mutant
from refimpl.score.sequence import Before, image, is_sequential
from refimpl.vectors.case import Case

Outcome: TypeAlias = Literal["killed", "survived", "equivalent", "declared"]


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
    """What became of a mutant: "declared" where every case declares what the bug does."""

    mutant: Mutant
    outcome: Outcome
    by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Fates of mutants under one set; equivalent and declared ones do not count."""

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
    progress: Callable[[str], None] = lambda _: None,
) -> Score:
    """Run a set against every mutant of its operators, or of those that are asked for."""
    chosen = list(operators or [])
    alive: dict[str, Mutant] = {}
    killed: dict[str, str] = {}
    applies: set[str] = set()
    before: Before | None = None
    count = outputs = 0
    for case, stage in subjects:
        operator = operator_of(case)
        if operators is None and operator not in chosen:
            chosen.append(operator)
        if operator not in chosen:
            continue
        for mutant in CATALOGUE[operator].mutants:
            if not mutant.equivalent and mutant.name not in killed:
                alive.setdefault(mutant.name, mutant)
        golden = run(case)
        same = before if before is not None and operator_of(before.case) == operator else None
        for name, mutant in list(alive.items()):
            if mutant.operator != operator or mutant.is_declared(case.attributes):
                continue
            applies.add(name)
            if shows(case, mutant, golden, same, stage):
                killed[name] = case.id
                del alive[name]
        before, count = Before(case, golden), count + 1
        outputs += _observed(golden, stage).size
        progress(case.id)
    fates = tuple(
        _fate(mutant, killed.get(mutant.name), mutant.name in applies)
        for operator in chosen
        for mutant in CATALOGUE[operator].mutants
    )
    return Score(fates=fates, cases=count, outputs=outputs)


def shows(
    case: Case, mutant: Mutant, golden: Stages, before: Before | None, stage: str | None = None
) -> bool:
    """Whether a case shows a mutant: a bit of what is observed, or of memory, differs."""
    if is_sequential(mutant):
        healthy, faulty = (image(case, before, each, stage) for each in (None, mutant))
        return not np.array_equal(healthy, faulty)
    return _bytes(_observed(run(case, mutant), stage)) != _bytes(_observed(golden, stage))


def shows_in_sums(mutant: Mutant) -> bool:
    """Whether a mutant can show in the int32 sum with its bias, before anything is scaled."""
    return mutant.site not in SCALING


def _observed(stages: Stages, stage: str | None) -> Array:
    return stages[stage] if stage is not None else list(stages.values())[-1]


def _bytes(array: Array) -> bytes:
    return np.ascontiguousarray(array).tobytes()


def _fate(mutant: Mutant, by: str | None, applies: bool) -> Fate:
    if mutant.equivalent:
        return Fate(mutant=mutant, outcome="equivalent")
    if by is not None:
        return Fate(mutant=mutant, outcome="killed", by=by)
    return Fate(mutant=mutant, outcome="survived" if applies else "declared")
