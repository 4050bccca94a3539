"""The claims themselves, one topic a file; ``proofs.catalogue`` lists them in order.

Start with ``pixel_shift.py`` and ``merging.py``. ``literal.py`` and ``branches.py`` hold what
several of them share: operators written pixel by pixel, and trained branches on exact numbers.
"""
