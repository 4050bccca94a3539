"""How far a device may be from the exact result, whatever the order it sums in: per operator.

``bounded.py`` has the algebra, ``adders.py`` the classes of devices. The bound is that of a device
that does the operator's own operations with the declared casts, and sums in any order and tree of
its class. The reference is the exact value in binary64, or, where the output has a narrower format
than the accumulator, the cast of it.

Which operators have one: those that convolve, their gradients, batch normalisation, X-volution in
training, and attention, as long as each transcendental is the correctly rounded one: a table jumps
where the device's input falls into the next interval, and says nothing of order. Integers must be
exact: they have none.

Source: the composition of the definitions in ``float_operators``, ``backward_float``,
``normalisation`` and ``attention_float``.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulation import accumulation_of
from refimpl.bitexact.adders import BINARY32, Adders, adders_for, coarsest
from refimpl.bitexact.bounded import reach
from refimpl.bitexact.bounded_attention import ATTENDING, softmax_tables
from refimpl.bitexact.bounded_backward import GRADIENTS
from refimpl.bitexact.bounded_forward import CONVOLVING, Expression
from refimpl.bitexact.bounded_norm import NORMALISING, root_tables
from refimpl.bitexact.call import Attributes, Tensors
from refimpl.bitexact.outputs import is_output
from refimpl.bitexact.records import SUMS

CLASS = BINARY32.text
_PARTIAL = re.compile(r"(.*_)?partial_(sums|\d+)")
INSIDE_SOFTMAX = ("row_maximum", "exp_input", "exp_output", "row_sum", "reciprocal")


class Bound(NamedTuple):
    """Binary64 reference, and how far from it a device of the class may be, per element."""

    reference: Array
    bound: Array


_EXPRESSIONS: Mapping[str, Expression] = {**CONVOLVING, **GRADIENTS, **NORMALISING, **ATTENDING}


def bound_outputs(
    operator: str, tensors: Tensors, attributes: Attributes, adders: Adders = BINARY32
) -> dict[str, Bound]:
    """Reference and bound of every output of a call in floats, for a class of adders.

    Raises
    ------
    ValueError
        If no bound holds for the call (``unbounded`` says why).
    """
    return _bounds(operator, tensors, attributes, adders, outputs=True)


def bound_stages(
    operator: str, tensors: Tensors, attributes: Attributes, adders: Adders = BINARY32
) -> dict[str, Bound]:
    """The same of the stages before the outputs that have one (``is_ordered``: which have none).

    What is only moved, and a shift product, which is one declared rounding, are not among them:
    they are the same in every order.

    Raises
    ------
    ValueError
        If no bound holds for the call.
    """
    return _bounds(operator, tensors, attributes, adders, outputs=False)


def is_ordered(stage: str) -> bool:
    """Whether a stage depends on the order of summation and has no bound.

    A sum up to a tap of the declared order is no sum of another order, and what is inside a softmax
    was not derived.
    """
    return stage in INSIDE_SOFTMAX or _PARTIAL.fullmatch(stage) is not None


def _bounds(
    operator: str, tensors: Tensors, attributes: Attributes, adders: Adders, *, outputs: bool
) -> dict[str, Bound]:
    why = unbounded(operator, attributes)
    if why:
        raise ValueError(f"a call must have a bound: {why}")
    with np.errstate(invalid="ignore", over="ignore"):  # what is no number has no bound either
        found = _EXPRESSIONS[operator](tensors, attributes, adders)
        return {
            name: Bound(of.value, reach(of, adders))
            for name, of in found.items()
            if is_output(operator, name, attributes) == outputs
        }


def bound_output(
    operator: str, tensors: Tensors, attributes: Attributes, adders: Adders = BINARY32
) -> Bound:
    """The same of an operator's one output, or of the gradient dx.

    Raises
    ------
    ValueError
        If no bound holds for the call.
    """
    *_, last = bound_outputs(operator, tensors, attributes, adders).values()
    return last


def class_of(operator: str, attributes: Attributes) -> Adders | str:
    """The class of adders that the declared sums of a call are members of, or why in none."""
    declared = [accumulation_of(attributes, key, loops=of) for key, of in SUMS[operator].items()]
    if operator in ATTENDING and attributes.get("normalise", "softmax") == "softmax":
        declared.append(accumulation_of(attributes.get("softmax", {}), "sum", loops="t"))
    return coarsest([adders_for(each) for each in declared] or [BINARY32])


def unbounded(operator: str, attributes: Attributes) -> str:
    """Why no bound holds for a call in floats; empty where one does."""
    if operator not in _EXPRESSIONS:
        return f"operator must be one of {', '.join(_EXPRESSIONS)}, not {operator!r}"
    if operator in ATTENDING:
        return softmax_tables(attributes)
    return root_tables(attributes) if operator in NORMALISING else ""
