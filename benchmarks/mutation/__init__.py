"""Mutation testing: small mistakes in the operators and the claims, and whether a test sees them.

``mutants`` makes the mistakes on the syntax tree, ``trial`` runs the tests on one of them in a
process of its own, ``__main__`` does all of them in a random order until time is up.
"""
