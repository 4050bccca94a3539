"""The operators in a machine's arithmetic, every bit declared.

``accumulate.py`` sums in a declared order, ``requantise.py`` rounds by a named formula,
``operators.py`` strings them into operators with every intermediate stage, ``bounds.py`` says how
far another order of summation may be off. Explicit loops or elementwise IEEE operations only: no
BLAS, no libm, no reduction whose order a library chooses.
"""
