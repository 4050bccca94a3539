"""Speed of the fast paths against their peers, in one run: ``make bench``.

``cases`` says what is measured, ``measure`` how, ``__main__`` prints. Read docs/benchmarks.md.
"""
