"""Claims about X-volution: each a sentence, its hypotheses, and a check that can fail.

``proofs/claim.py`` says what a claim is, ``verdict.py`` how it is decided; ``claims/`` holds the
claims themselves, ``catalogue.py`` lists them, ``proofs check`` decides them. ``rings.py`` and its
neighbours are the exact numbers that the shipped operators are run on; ``cases/`` one example of
every operator; ``article.py`` the sentences of the article.
"""

from proofs.catalogue import CLAIMS
from proofs.claim import Claim, Hypothesis, Rung, claim
from proofs.domain import Cases, grid
from proofs.pool import check_all
from proofs.verdict import Verdict, check

__all__ = [
    "CLAIMS",
    "Cases",
    "Claim",
    "Hypothesis",
    "Rung",
    "Verdict",
    "check",
    "check_all",
    "claim",
    "grid",
]
