"""What a case gives whose accumulators begin with what steps before have left in them. Pure.

Integers that wrap: there the order of the terms does not matter, so what was left is added to the
sum. A register may hold the accumulator, or that with its bias; it may hold those of several steps.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.integer_sum import IntegerAccumulator, integer_accumulator
from refimpl.bitexact.operators import INTEGER_ARITHMETICS
from refimpl.vectors.case import Case
from refimpl.vectors.diagnose import MOST_PRODUCTS, products
from refimpl.vectors.local import Arrays
from refimpl.vectors.stages import stages

MOST_STEPS = 8  # ours: steps whose accumulators may have been left in one register


class Start(NamedTuple):
    """Accumulators that begin with those of the last ``steps``; of one step, or with its bias."""

    steps: int
    biased: bool
    stages: Arrays


def uncleared(case: Case, before: Sequence[Case]) -> Iterator[Start]:
    """Accumulators of a case that were not cleared, for every number of steps ``before`` it."""
    record = integer_accumulator(case.attributes.get("accumulator"))
    if record.overflow != "wrap" or not _computable(case):
        return
    mine = _sums(stages(case), "accumulator")
    total = mine
    for steps, other in enumerate(reversed(before[-MOST_STEPS:]), 1):
        if not _computable(other):
            return
        theirs = stages(other)
        if steps == 1:
            biased = _added(mine, _sums(theirs, "biased"), record)
            if biased:
                yield Start(1, True, biased)
        total = _added(total, _sums(theirs, "accumulator"), record)
        if not total:
            return
        yield Start(steps, False, total)


def _computable(case: Case) -> bool:
    return case.arithmetic in INTEGER_ARITHMETICS and products(case) <= MOST_PRODUCTS


def _sums(found: Arrays, stage: str) -> dict[str, Array]:
    """A stage of every branch, by the branch."""
    ends = {name: array for name, array in found.items() if name.endswith(stage)}
    return {name.removesuffix(stage): array for name, array in ends.items()}


def _added(one: Arrays, other: Arrays, record: IntegerAccumulator) -> dict[str, Array]:
    """Sums of those branches that both have in one shape."""
    return {
        name: record.fit(array.astype(np.int64) + other[name]).astype(array.dtype)
        for name, array in one.items()
        if name in other and np.shape(other[name]) == array.shape
    }
