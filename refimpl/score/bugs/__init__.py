"""Bugs that several operators can have, by the part of the hardware that has them.

``catalogue/`` puts them into operators. A new part of the hardware is a file here; what only
one operator has stays in that operator's file.
"""
