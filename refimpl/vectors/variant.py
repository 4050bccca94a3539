"""A known way in which devices deviate, as data, and how a case is run with it.

A variant changes the attributes or the tensors of a case, or computes some stages by another
function of the stages before them; everything after follows by the case's own steps.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from refimpl.arrays import Array
from refimpl.bitexact.call import Attributes
from refimpl.bitexact.operators import FLOAT_ARITHMETICS, INTEGER_ARITHMETICS
from refimpl.vectors.case import Case, pipeline
from refimpl.vectors.convolutions import Convolution, convolutions_of
from refimpl.vectors.local import Arrays, steps_of
from refimpl.vectors.step import Compute, Step

Change: TypeAlias = Callable[[Case], Case | None]
Otherwise: TypeAlias = Callable[[Case], Mapping[str, Compute]]
INTEGERS, FLOATS = tuple(INTEGER_ARITHMETICS), tuple(FLOAT_ARITHMETICS)
SUMS = r"(conv_|attention_)?(partial_sums|partial_\d+|accumulator)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A deviation: a changed case, or stages computed otherwise.

    ``change`` returns None where the variant means nothing for a case; ``otherwise`` no stage.
    """

    name: str
    says: str
    change: Change | None = None
    otherwise: Otherwise | None = None
    arithmetics: tuple[str, ...] = ()

    def concerns(self, case: Case) -> bool:
        """Whether it means something for a case."""
        if self.arithmetics and case.arithmetic not in self.arithmetics:
            return False
        if self.change is not None and self.change(case) is None:
            return False
        return self.otherwise is None or bool(self.otherwise(case))


def run(variant: Variant, case: Case) -> dict[str, Array]:
    """Every stage of the case as a device with this deviation computes it."""
    changed = case if variant.change is None else variant.change(case)
    if changed is None:
        raise ValueError(f"variant {variant.name} must mean something for case {case.id}")
    steps = steps_of(changed)
    if not steps:
        return dict(pipeline(changed))
    others = {} if variant.otherwise is None else variant.otherwise(case)
    arrays: dict[str, Array] = dict(changed.tensors)
    for stage, step in steps.items():
        arrays[stage] = others.get(stage, step.compute)(arrays, changed.attributes)
    return {stage: arrays[stage] for stage in steps}


def attributes(**values: Any) -> Change:
    """Other attributes, where the case has them and they differ."""

    def change(case: Case) -> Case | None:
        known = {key: value for key, value in values.items() if key in case.attributes}
        if not known or all(case.attributes[key] == value for key, value in known.items()):
            return None
        return replace(case, attributes={**case.attributes, **known})

    return change


def only(stages: str, change: Change) -> Otherwise:
    """Stages whose whole name matches, by the steps and the attributes of a changed case."""

    def otherwise(case: Case) -> Mapping[str, Compute]:
        changed = change(case)
        if changed is None:
            return {}
        return {
            name: _with(step, changed.attributes)
            for name, step in steps_of(changed).items()
            if re.fullmatch(stages, name)
        }

    return otherwise


def _with(step: Step, attributes: Attributes) -> Compute:
    return lambda arrays, _: step.compute(arrays, attributes)


def after(stages: str, turn: Callable[[Array], Array]) -> Otherwise:
    """Stages whose whole name matches, turned into something else once they are computed."""

    def otherwise(case: Case) -> Mapping[str, Compute]:
        return {
            name: _turned(step, turn)
            for name, step in steps_of(case).items()
            if re.fullmatch(stages, name)
        }

    return otherwise


def _turned(step: Step, turn: Callable[[Array], Array]) -> Compute:
    return lambda arrays, attributes: turn(step.compute(arrays, attributes))


def convolving(stage: str, instead: Callable[[Convolution, Case, Arrays], Array]) -> Otherwise:
    """One stage of every convolution, its name without the prefix of a branch."""

    def otherwise(case: Case) -> Mapping[str, Compute]:
        steps = steps_of(case)
        return {
            name: _of(each, case, instead)
            for each in convolutions_of(case)
            if (name := f"{each.prefix}{stage}") in steps
        }

    return otherwise


def _of(
    each: Convolution, case: Case, instead: Callable[[Convolution, Case, Arrays], Array]
) -> Compute:
    return lambda arrays, _: instead(each, case, arrays)


def tensors_named(case: Case, pattern: str) -> Iterator[str]:
    """Names of a case's tensors that match as a whole."""
    return (name for name in case.tensors if re.fullmatch(pattern, name))
