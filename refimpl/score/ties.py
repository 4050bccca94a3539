"""Operands at which two rounding rules differ, solved for and not waited for.

For a factor m/2^s the rules differ where r = a·m mod 2^s is a tie, r = 2^(s−1), and where a rule
that rounds twice carries the first rounding into a tie: r within 2³⁰ of it. Both are windows of
residues, so the question is: which is the least a ≥ 0 with

    low ≤ (a·m mod M) ≤ high                                   ``first_in_range``

Euclid's algorithm answers it exactly. If no multiple of m lies in the window, an a reaches it after
y turns of M, y·M mod m lies in the negated window modulo m, and the moduli fall as in a greatest
common divisor: O(log M) steps.

Source: the reduction is derived above; no library.
"""

from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np

from refimpl.arrays import Array
from refimpl.score.rules import OTHER_RULES

Rule = Callable[[Array, Array], Array]
NEAR = 2**30  # how far from a tie the first of two roundings reaches, half of its unit 2³¹
TRIES = 64  # solutions of a window that are looked at


def first_in_range(m: int, modulus: int, low: int, high: int) -> int | None:
    """Least a ≥ 0 with low ≤ a·m mod modulus ≤ high; None if there is none.

    Raises
    ------
    ValueError
        If not 0 ≤ low ≤ high < modulus.
    """
    if not 0 <= low <= high < modulus:
        raise ValueError(
            f"a window of residues must be 0 <= low <= high < {modulus}, not {low} to {high}"
        )
    if low == 0:
        return 0
    m %= modulus
    if m == 0:
        return None
    if 2 * m > modulus:
        return first_in_range(modulus - m, modulus, modulus - high, modulus - low)
    steps = -(-low // m)
    if steps * m <= high:
        return steps
    turns = first_in_range(modulus % m, m, -high % m, -low % m)
    return None if turns is None else -(-(low + modulus * turns) // m)


def in_range(m: int, modulus: int, low: int, high: int) -> Iterator[int]:
    """All a ≥ 0 with low ≤ a·m mod modulus ≤ high, ascending; endless unless there is none."""
    at = first_in_range(m, modulus, low, high)
    while at is not None:
        yield at
        moved = (at + 1) * m % modulus  # windows as seen from the next a
        least = [
            first_in_range(m, modulus, *window) for window in _moved(low, high, moved, modulus)
        ]
        found = [each for each in least if each is not None]
        at = at + 1 + min(found) if found else None


def differing(first: str, second: str, multiplier: int, shift: int, *, limit: int) -> list[int]:
    """Accumulators |a| ≤ limit at which two named rules differ: the least of each sign and parity.

    Parity is that of ⌊a·m/2^s⌋. Ties and what lies within ``NEAR`` of them are solved for; rules
    that differ elsewhere too (truncation) are met there as well. Empty if there is none.
    """
    rules = [OTHER_RULES[name] for name in (first, second)]
    modulus, half = 1 << shift, 1 << (shift - 1)
    found: dict[tuple[bool, int], int] = {}
    windows = [(half, half), (max(half - NEAR, 0), min(half + NEAR, modulus - 1))]
    for low, high in windows:
        for sign in (1, -1):
            ascending = in_range(sign * multiplier % modulus, modulus, low, high)
            for size in islice(ascending, TRIES):
                if size > limit:
                    break
                a = sign * size
                if _differ(rules, a, multiplier, shift):
                    found.setdefault((a < 0, (a * multiplier >> shift) % 2), a)
    return sorted(found.values(), key=lambda a: (abs(a), a))


def _differ(rules: list[Rule], a: int, multiplier: int, shift: int) -> bool:
    product, by = np.array([a * multiplier], np.int64), np.array([shift], np.int64)
    first, second = (int(rule(product, by)[0]) for rule in rules)
    return first != second


def _moved(low: int, high: int, by: int, modulus: int) -> list[tuple[int, int]]:
    """The window moved down by ``by`` modulo the modulus, in one piece or two."""
    start, end = (low - by) % modulus, (high - by) % modulus
    return [(start, end)] if start <= end else [(0, end), (start, modulus - 1)]
