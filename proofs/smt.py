"""Statements about integers, decided for all of them by a solver, with a counterexample if false.

The rounding rules are those of ``refimpl.bitexact.requantise`` in unbounded integers, which a claim
compares with the shipped functions.

Source: de Moura and Bjørner, "Z3: an efficient SMT solver", TACAS (2008); by way of z3-solver,
which only this module and its users need.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import z3

MILLISECONDS = 20_000


class Answer(NamedTuple):
    """Whether a statement holds for all integers; if not, values at which it fails, by name."""

    holds: bool
    counterexample: dict[str, int]


def decide(statement: Any) -> Answer:
    """Whether a statement holds for all values of its variables.

    Raises
    ------
    ValueError
        If the solver cannot tell in time.
    """
    solver = z3.Solver()
    solver.set("timeout", MILLISECONDS)
    solver.add(z3.Not(statement))
    answer = solver.check()
    if answer == z3.unknown:
        raise ValueError(f"a statement must be decided in {MILLISECONDS} ms, not {statement}")
    if answer == z3.unsat:
        return Answer(holds=True, counterexample={})
    model = solver.model()
    found = {str(each): _value(model[each]) for each in model}
    return Answer(holds=False, counterexample=dict(sorted(found.items())))


def _value(number: Any) -> int:
    return int(number.as_signed_long() if z3.is_bv_value(number) else number.as_long())


def half_up(product: Any, shift: int) -> Any:
    """Nearest integer to product/2^shift, ties upwards."""
    return (
        (product + 2 ** (shift - 1)) / 2**shift
        if _symbolic(product)
        else (product + 2 ** (shift - 1)) // 2**shift
    )


def floor(product: Any, shift: int) -> Any:
    """⌊product/2^shift⌋."""
    return product / 2**shift if _symbolic(product) else product // 2**shift


def half_even(product: Any, shift: int) -> Any:
    """Nearest integer to product/2^shift, ties to the even one."""
    if not _symbolic(product):
        whole, rest = divmod(product, 2**shift)
        half = 2 ** (shift - 1)
        return whole + (rest > half or (rest == half and whole % 2 == 1))
    whole, rest, half = product / 2**shift, product % 2**shift, 2 ** (shift - 1)
    return whole + z3.If(z3.Or(rest > half, z3.And(rest == half, whole % 2 == 1)), 1, 0)


def tflite_double(product: Any, shift: int) -> Any:
    """Rounded twice: to product/2³¹, ties away from zero but for a nudge; then to what remains."""
    nudge = _choose(product >= 0, 2**30, 1 - 2**30)
    high = _truncate(product + nudge, 2**31)
    rest = shift - 31
    if rest == 0:
        return high
    size = _choose(high >= 0, high, -high)
    rounded = half_up(size, rest)
    return _choose(high >= 0, rounded, -rounded)


RULES: dict[str, Callable[[Any, int], Any]] = {
    "half_up": half_up,
    "half_even": half_even,
    "floor": floor,
    "tflite_double": tflite_double,
}


def clip(value: Any, low: int = -128, high: int = 127) -> Any:
    """Saturate to int8, or to other limits."""
    return _choose(value > high, high, _choose(value < low, low, value))


def _truncate(number: Any, by: int) -> Any:
    """Quotient rounded towards zero."""
    size = _choose(number >= 0, number, -number)
    quotient = size / by if _symbolic(size) else size // by
    return _choose(number >= 0, quotient, -quotient)


def _choose(condition: Any, yes: Any, no: Any) -> Any:
    if isinstance(condition, z3.ExprRef):
        return z3.If(condition, yes, no)
    return yes if condition else no


def _symbolic(number: Any) -> bool:
    return isinstance(number, z3.ExprRef)
