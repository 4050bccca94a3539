"""Cases on the opened-up models of the catalogue."""

from collections.abc import Mapping

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.operators import Stages
from refimpl.score.array import ARRAY, ArrayShape
from refimpl.score.catalogue import CATALOGUE
from refimpl.score.mutant import Mutant
from refimpl.score.site import Probe, probe_of
from refimpl.vectors.case import Case


def operator_of(case: Case) -> str:
    """Operator and arithmetic in one word, as the catalogue has them."""
    return f"{case.operator}.{case.arithmetic}"


def modelled(case: Case, golden: Mapping[str, Array]) -> Stages | None:
    """Stages of the model without a bug, or None where they are not the golden ones.

    The opened-up models know fewer declarations than the pipelines do.
    """
    try:
        healthy = run(case)
    except (KeyError, ValueError):  # a tensor or a declaration that the model does not know
        return None
    same = all(
        name in golden and np.array_equal(array, golden[name], equal_nan=array.dtype.kind == "f")
        for name, array in healthy.items()
    )
    return healthy if same else None


def run(case: Case, mutant: Mutant | None = None, array: ArrayShape = ARRAY) -> Stages:
    """Every stage of a case on the model with a bug, or without; the last one is the output."""
    return run_probed(case, probe_of(mutant, array))


def run_probed(case: Case, at: Probe) -> Stages:
    """The same with a probe of one's own."""
    with np.errstate(over="ignore", invalid="ignore"):  # a bug may overflow; bits are compared
        return CATALOGUE[operator_of(case)].model(case.tensors, case.attributes, at)
