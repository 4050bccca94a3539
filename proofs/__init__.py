"""Claims about X-volution: each a sentence, its hypotheses, and a check that can fail.

``proofs/claim.py`` says what a claim is; ``rings.py`` holds the exact numbers the shipped operators
are run on; ``cases/`` one example of every operator; ``article.py`` the sentences of the article.
``reparameterisation``, ``attention``, ``gradients`` and ``hardware`` are the claims themselves;
``catalogue.py`` lists them all, ``proofs check`` decides them.
"""

from proofs.catalogue import CLAIMS, check_all
from proofs.claim import Claim, Hypothesis, Verdict, check

__all__ = ["CLAIMS", "Claim", "Hypothesis", "Verdict", "check", "check_all"]
