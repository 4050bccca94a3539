"""Hold an implementation against a contract: draw cases, shrink what differs, say what broke.

The first case on which a stage differs from the reference is shrunk by Hypothesis, then by whole
rows, channels and directions, to the smallest that can be found. Then the usual mistakes are made
in the reference, one at a time: one that gives what the implementation gave, on that case and on
others, is named. Last, the laws that the contract's claims prove are tried on the implementation
itself.

Draws are seeded: the same implementation gives the same sentence.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from hypothesis import Phase, given, settings

from proofs.conformance.contract import (
    Arguments,
    Array,
    Contract,
    DisagreementError,
    Implementation,
    Stages,
)
from proofs.conformance.contracts import contract
from proofs.conformance.smaller import shrunk, smaller
from proofs.conformance.words import sentence

EXAMPLES = 200
OTHERS = 40  # further cases on which a suspected mistake must explain the implementation


def hold(
    implementation: Implementation,
    against: str | Contract,
    *,
    examples: int = EXAMPLES,
    tolerance: float = 0.0,
    shrink: bool = True,
    **fixed: Any,
) -> None:
    """Raise ``DisagreementError`` unless an implementation is what a contract says.

    ``against`` is a contract, its name, or the id of a claim. Options given by name are held fixed
    and not passed on: an implementation that knows one boundary only is held with
    ``boundary="circular"``. It may return the output, or several stages by name, of which the first
    that differs is reported. Cases are integers in floating point, so 0 is a fair ``tolerance``;
    elsewhere it is relative to the largest magnitude of a stage. ``shrink=False`` reports the first
    case that differs, sooner.

    Raises
    ------
    DisagreementError
        With the smallest case found, the stage, the likely mistake and the laws that are broken.
    ValueError
        If there is no such contract or option.
    """
    __tracebackhide__ = True
    chosen = against if isinstance(against, Contract) else contract(against)
    for name in fixed:
        if name not in chosen.options:
            raise ValueError(
                f"an option of {chosen.name} must be one of {', '.join(chosen.options)}, "
                f"not {name!r}"
            )
    run = _runner(implementation, fixed)
    phases = (Phase.generate, *((Phase.shrink,) if shrink else ()))
    found = _smallest(chosen, run, fixed, examples, tolerance, phases)
    if found is not None:
        raise DisagreementError(_report(chosen, run, fixed, found, tolerance), found)


Run = Callable[[Arguments], Stages]


def _runner(implementation: Implementation, fixed: Arguments) -> Run:
    """The implementation on arguments by name, without those held fixed; its stages."""

    def run(arguments: Arguments) -> Stages:
        passed = {name: value for name, value in arguments.items() if name not in fixed}
        result = implementation(**passed)
        return result if isinstance(result, Mapping) else {"y": result}

    return run


def _smallest(
    chosen: Contract,
    run: Run,
    fixed: Arguments,
    examples: int,
    tolerance: float,
    phases: tuple[Phase, ...],
) -> Arguments | None:
    """The smallest case found on which implementation and reference differ, or None."""
    smallest: list[Arguments] = []

    def differs(arguments: Arguments) -> bool:
        found = _outcome(run, arguments)
        return bool(differing_stage(chosen.reference(arguments), found, tolerance))

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        print_blob=False,
        report_multiple_bugs=False,
        phases=phases,
    )
    @given(chosen.draw(fixed))
    def agrees(arguments: Arguments) -> None:
        if differs(arguments):
            smallest[:] = [arguments]
            raise DisagreementError("differs", arguments)

    try:
        agrees()
    except DisagreementError:
        if Phase.shrink not in phases:
            return smallest[0]
        return shrunk(smallest[0], differs, lambda case: smaller(case, fixed))
    return None


def _outcome(run: Run, arguments: Arguments) -> Stages | Exception:
    """What the implementation gives, or how it ends."""
    try:
        return run(arguments)
    except Exception as error:  # noqa: BLE001 - a stranger's code: whatever it is, it is reported
        return error


def differing_stage(wanted: Stages, found: Stages | Exception, tolerance: float) -> str | None:
    """Name of the first stage that differs, in the reference's order; None if none does."""
    if isinstance(found, Exception):
        return "y"
    for name, right in wanted.items():
        if name in found and not _alike(np.asarray(found[name]), right, tolerance):
            return name
    return None if "y" in found else "y"


def _alike(found: Array, wanted: Array, tolerance: float) -> bool:
    if found.shape != wanted.shape:
        return False
    gap = np.abs(found.astype(np.float64) - wanted.astype(np.float64))
    return bool(np.all(gap <= tolerance * np.abs(wanted).max(initial=0.0)))


def _report(chosen: Contract, run: Run, fixed: Arguments, case: Arguments, tolerance: float) -> str:
    wanted, found = chosen.reference(case), _outcome(run, case)
    stage = differing_stage(wanted, found, tolerance) or "y"
    others = list(_others(chosen, fixed))
    return sentence(
        chosen,
        case,
        {name: fixed[name] for name in fixed if name in case},
        stage,
        wanted,
        found,
        suspect=_suspect(chosen, run, [case, *others], tolerance),
        laws=_laws(chosen, run, [case, *others]),
    )


def _others(chosen: Contract, fixed: Arguments) -> Iterator[Arguments]:
    """More cases, the same ones every time."""
    drawn: list[Arguments] = []

    @settings(
        max_examples=OTHERS,
        deadline=None,
        database=None,
        derandomize=True,
        phases=(Phase.generate,),
    )
    @given(chosen.draw(fixed))
    def collect(arguments: Arguments) -> None:
        drawn.append(arguments)

    collect()
    yield from drawn


def _suspect(chosen: Contract, run: Run, cases: list[Arguments], tolerance: float) -> str | None:
    """The first usual mistake that explains the implementation on every case."""
    outcomes = [_outcome(run, case) for case in cases]
    for suspect in chosen.suspects:
        if all(
            differing_stage(suspect.run(case), outcome, tolerance) is None
            for case, outcome in zip(cases, outcomes, strict=True)
        ):
            return suspect.sentence
    return None


def _laws(chosen: Contract, run: Run, cases: list[Arguments]) -> list[tuple[str, str, bool]]:
    """Sentence, claim and whether it is kept, law by law."""

    def last(arguments: Arguments) -> Array:
        return np.asarray(run(arguments)["y"])

    kept: list[tuple[str, str, bool]] = []
    for law in chosen.properties:
        try:
            held = all(law.kept(last, case) for case in cases)
        except Exception:  # noqa: BLE001 - a stranger's code: a law it cannot be tried on is broken
            held = False
        kept.append((law.sentence, law.claim, held))
    return kept
