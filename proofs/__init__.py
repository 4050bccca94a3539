"""Claims about X-volution: each a sentence, its hypotheses, and a check that can fail.

``proofs/claim.py`` says what a claim is, ``verdict.py`` how it is decided; ``claims/`` holds the
claims themselves, ``catalogue.py`` lists them, ``proofs check`` decides them. ``rings.py`` and its
neighbours are the exact numbers that the shipped operators are run on; ``cases/`` one example of
every operator; ``article.py`` the sentences of the article; ``conformance/`` holds a stranger's
implementation against the claims.

Names are imported when they are first asked for, so that the pytest plugin costs nothing until it
is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proofs.catalogue import CLAIMS
    from proofs.claim import Claim, Hypothesis, Rung
    from proofs.conformance import DisagreementError, hold
    from proofs.domain import Cases, grid
    from proofs.pool import check_all
    from proofs.verdict import Verdict, check

__all__ = [
    "CLAIMS",
    "Cases",
    "Claim",
    "DisagreementError",
    "Hypothesis",
    "Rung",
    "Verdict",
    "check",
    "check_all",
    "grid",
    "hold",
]

_HOMES = {
    "CLAIMS": "proofs.catalogue",
    "Cases": "proofs.domain",
    "Claim": "proofs.claim",
    "DisagreementError": "proofs.conformance",
    "Hypothesis": "proofs.claim",
    "Rung": "proofs.claim",
    "Verdict": "proofs.verdict",
    "check": "proofs.verdict",
    "check_all": "proofs.pool",
    "grid": "proofs.domain",
    "hold": "proofs.conformance",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module proofs has no {name}")
    return getattr(import_module(_HOMES[name]), name)
