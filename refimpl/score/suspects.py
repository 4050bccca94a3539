"""Bugs of the catalogue as suspects: what else may explain a device's bits (``vectors.diagnose``).

Only where the opened-up model gives the golden stages of the case: it knows fewer declarations than
the pipelines. Bugs of sequences need the case before, equivalent ones show nothing.
"""

from collections.abc import Iterator
from functools import partial

from refimpl.bitexact.operators import Stages
from refimpl.score.catalogue import CATALOGUE
from refimpl.score.models import modelled, operator_of, run
from refimpl.score.mutant import Mutant
from refimpl.score.sequence import is_sequential
from refimpl.vectors.case import Case, pipeline
from refimpl.vectors.diagnose import Suspect


def catalogued(case: Case) -> Iterator[Suspect]:
    """The bugs that a case of this operator may show."""
    if operator_of(case) not in CATALOGUE or modelled(case, pipeline(case)) is None:
        return
    for mutant in CATALOGUE[operator_of(case)].mutants:
        if mutant.equivalent or is_sequential(mutant) or mutant.is_declared(case.attributes):
            continue
        yield Suspect(
            name=mutant.id,
            says=f"has the bug “{mutant.what}”",
            run=partial(_run, mutant),
        )


def _run(mutant: Mutant, case: Case) -> Stages:
    return run(case, mutant)
