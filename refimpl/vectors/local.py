"""Each stage judged by itself: recomputed from what the device left of the stages before it.

One early deviation spoils every later stage; judged locally, only the stage that erred is wrong. A
step (``step.py``) says which arrays a stage is computed of; ``recompute`` runs the one step on the
device's own arrays. The steps of an operator in turn are its pipeline: a test holds one against the
other.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.operators import (
    ARITHMETICS,
    FLOAT_ARITHMETICS,
    INTEGER_ARITHMETICS,
    PIPELINES,
)
from refimpl.vectors.attention_steps import attention_steps
from refimpl.vectors.backward_steps import backward_steps
from refimpl.vectors.case import Case
from refimpl.vectors.float_steps import float_steps
from refimpl.vectors.integer_steps import integer_steps
from refimpl.vectors.norm_steps import norm_steps, training_steps
from refimpl.vectors.step import Step
from refimpl.vectors.sums import Arrays

__all__ = ["STEPS", "Arrays", "Local", "Step", "recompute", "steps_of"]


class Local(NamedTuple):
    """A stage recomputed, and which of the device's own stages it was computed of."""

    array: Array
    given: tuple[str, ...]


def steps_of(case: Case) -> dict[str, Step]:
    """Steps of a case by the stage they compute; empty where an operator has none."""
    make = STEPS.get((case.operator, case.arithmetic))
    steps = [] if make is None else make(case)
    return {step.stage: step for step in steps}


def recompute(stage: str, device: Arrays, case: Case) -> Local:
    """The stage as it must be, given what the device left before it.

    Where the device left out a stage, it is computed of the one before, and so back to the inputs.
    """
    steps, given = steps_of(case), [name for name in case.tensors if name in device]
    known = {**case.tensors, **{name: device[name] for name in given}}

    def have(name: str) -> None:
        if name in known:
            return
        if name in device:
            known[name] = device[name]
            given.append(name)
            return
        step = steps[name]
        for each in step.needs:
            have(each)
        known[name] = step.compute(known, case.attributes)

    with np.errstate(all="ignore"):  # infinities and NaNs are results here
        for each in steps[stage].needs:
            have(each)
        return Local(steps[stage].compute(known, case.attributes), tuple(given))


CONVOLVING = ("conv2d", "shift_product", "pssa", "xvolution", "xvolution_fused")
ATTENDING = ("global_attention", "local_attention")
GRADIENTS = ("conv2d_backward", "pssa_backward", "xvolution_backward")
Make: TypeAlias = Callable[[Case], list[Step]]
_MAKERS: tuple[tuple[tuple[str, ...], tuple[str, ...], Make], ...] = (
    (CONVOLVING, INTEGER_ARITHMETICS, integer_steps),
    (CONVOLVING, FLOAT_ARITHMETICS, float_steps),
    (ATTENDING, ARITHMETICS, attention_steps),
    (GRADIENTS, ARITHMETICS, backward_steps),
    (("batch_norm",), ARITHMETICS, norm_steps),
    (("xvolution_training",), ARITHMETICS, training_steps),
)
STEPS: dict[tuple[str, str], Make] = {
    (operator, arithmetic): make
    for operators, arithmetics, make in _MAKERS
    for operator in operators
    for arithmetic in arithmetics
    if (operator, arithmetic) in PIPELINES
}
