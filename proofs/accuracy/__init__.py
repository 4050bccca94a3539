"""Whether networks with PSSA do as well as networks with self-attention, on images we can train on.

Read first: ``study.py``, which says what is trained, what is compared and what decides. It was
written, and committed, before any of its seeds was run.
"""
