"""One small exact example of every public operator, and of every way it branches.

The table drives the checks that every operator must pass, here (the gradient claim) and in the
tests; an operator of ``refimpl.__all__`` that is missing from it fails both. ``table.py`` says what
a case is; ``layers``, ``pixel_shift`` and ``attention`` are the rows.
"""

import refimpl as ref
from proofs.cases.attention import ATTENTION
from proofs.cases.inputs import square_bn
from proofs.cases.layers import LAYERS
from proofs.cases.pixel_shift import PIXEL_SHIFT
from proofs.cases.table import Inputs, OperatorCase, Path, at, cast, leaves, with_leaf

__all__ = [
    "CASES",
    "Inputs",
    "OperatorCase",
    "Path",
    "at",
    "cast",
    "leaves",
    "operators",
    "square_bn",
    "with_leaf",
]

CASES: tuple[OperatorCase, ...] = (*LAYERS, *PIXEL_SHIFT, *ATTENTION)


def operators() -> set[str]:
    """Names of the public operators: functions that have a backward."""
    return {name.removesuffix("_backward") for name in ref.__all__ if name.endswith("_backward")}
