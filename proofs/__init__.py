"""Claims about X-volution: each a sentence, its hypotheses, and a check that can fail.

``proofs/claim.py`` says what a claim is; ``rings.py`` holds the exact numbers the shipped operators
are run on; ``cases.py`` one example of every operator; the other files are the claims themselves.
``catalogue.py`` lists them all, ``proofs check`` decides them.
"""
