"""A case: one operator call with declared arithmetic, its inputs, and how they came about.

Inputs are seeded random tensors (``stimuli.py``) or a layer of a network on an image
(``layer.py``). The stages and the output are not stored: ``stages`` computes them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from refimpl.arrays import Array
from refimpl.bitexact.operators import PIPELINES, Stages, accumulation_of
from refimpl.bitexact.requantise import rounding_rule

ARITHMETICS = ("int8", "fp32")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One operator call; ``attributes`` and ``stimulus`` hold JSON values only."""

    id: str
    operator: str
    arithmetic: str
    attributes: Mapping[str, Any]
    tensors: Mapping[str, Array]
    stimulus: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a user may choose about a set's arithmetic; the rest follows from the operator."""

    arithmetics: tuple[str, ...] = ARITHMETICS
    rounding: str = "half_up"
    order: str = "cuv"
    bias_at: str = "last"

    def __post_init__(self) -> None:
        accumulation_of({"order": self.order, "bias_at": self.bias_at})
        for each in self.arithmetics:
            if each not in ARITHMETICS:
                raise ValueError(
                    f"arithmetic must be one of {', '.join(ARITHMETICS)}, not {each!r}"
                )
        rounding_rule(self.rounding)


def stages(case: Case) -> Stages:
    """Every stage of a case by name, in the order of computation; the last is the output."""
    return PIPELINES[case.operator, case.arithmetic](case.tensors, case.attributes)


def ordered(operator: str, choices: Choices) -> dict[str, Any]:
    """The declared summation of an fp32 operator, as attributes; a shift product sums nothing."""
    if operator == "shift_product":
        return {}
    return {"order": choices.order, "bias_at": choices.bias_at}
