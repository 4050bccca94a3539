"""Kill by kill: whether the RTL fails where the model with the same bug says that it does."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from hwsim.rtl.bugs import Bug
from hwsim.rtl.registers import Device
from proofs.device.models import candidates, mutants, tiles_of
from proofs.device.observe import Observed
from refimpl.score.kill import shows
from refimpl.score.models import run
from refimpl.score.sequence import Before
from refimpl.vectors.case import Case

# One word of the device's table; the catalogue files the same mistake under an operator's own name.
ALSO = {"zeros-of-x": "product-zero-of-x"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One bug on one case: what the model said, what the RTL did, which models give its bits."""

    bug: str
    case: str
    operator: str
    predicted: bool
    failed: bool
    diagnosis: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether the model said what the RTL did."""
        return self.predicted == self.failed


def predictions(
    bug: Bug,
    cases: list[Case],
    observed: Mapping[str, Observed],
    device: Device,
    *,
    search: bool = True,
) -> Iterator[Prediction]:
    """Hold a bug's run against the model, case by case in the order they ran.

    Without ``search`` only the bug's own models are tried for the diagnosis, not the whole
    catalogue: whether they give the device's words, not whether others do as well.
    """
    before: Before | None = None
    for case in cases:
        seen, golden = observed[case.id], run(case)
        stalled = replace(case, stimulus={**case.stimulus, "ready": seen.ready or "1"})
        bugs = [each for each in mutants(case) if each.id in names_of(bug)]
        yield Prediction(
            bug=bug.name,
            case=case.id,
            operator=case.operator,
            predicted=any(
                shows(stalled, each, golden, before, target=tiles_of(device)) for each in bugs
            ),
            failed=seen.failed,
            diagnosis=()
            if not seen.failed
            else diagnosis(case, seen, before, device, among=None if search else names_of(bug)),
        )
        if "accumulator" in golden:
            before = Before(case, golden)


def diagnosis(
    case: Case,
    seen: Observed,
    before: Before | None,
    device: Device,
    *,
    among: set[str] | None = None,
) -> tuple[str, ...]:
    """Names of the models that give every word the device left, exact ones alone if there are any.

    That words are missing explains them only if no model that says which ones does. ``among``
    names the models to try; all if None.
    """
    found = [
        each.name
        for each in candidates(case, before, device)
        if (among is None or each.name in among) and each.gives(seen.stages)
    ]
    exact = [name for name in found if name != "word_lost_on_stall"]
    return tuple(exact or found)


def names_of(bug: Bug) -> set[str]:
    """Names under which a model may have a bug."""
    return {bug.name, bug.mutant, ALSO.get(bug.mutant, bug.mutant)}


def is_diagnosed(bug: Bug, found: list[Prediction]) -> bool:
    """Whether some case failed and every failing one is explained, the bug among the models."""
    failed = [each for each in found if each.failed]
    return bool(failed) and all(names_of(bug) & set(each.diagnosis) for each in failed)
