"""Claims about backward functions: each is the adjoint of the derivative of its forward.

Two independent judges. Dual numbers carry the exact derivative through the shipped forward, for
every operator. Where a forward is a polynomial of degree ≤ 2, a central difference with any step is
exact too, and needs rationals only.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np

from proofs.article import ours
from proofs.cases import CASES, OperatorCase, at, cast, leaves, operators, with_leaf
from proofs.claim import Hypothesis, claim
from proofs.domain import Case, Cases, grid
from proofs.rings import Array, duals, rationals, slopes, values


def _every_argument() -> Iterator[Case]:
    """Every array argument of every public operator; None for an operator without a case."""
    for name in sorted(operators()):
        cases = [case for case in CASES if case.name == name]
        for case in cases:
            for path, _ in leaves(case.inputs):
                yield {"operator": case.label, "argument": ".".join(path), "tied": False}
        if not cases:
            yield {"operator": name, "argument": None, "tied": False}


def _find(label: str) -> OperatorCase | None:
    return next((case for case in CASES if case.label == label), None)


def _inner(left: Array, right: Array) -> object:
    """Inner product of two arrays of one shape."""
    return np.sum(left * right)


@claim(
    source=ours(),
    status="conditional",
    evidence="exact derivative by dual numbers",
    why="Each backward was derived by hand from its equation; the dual numbers judge the result.",
    over=Cases(_every_argument),
    hypotheses=(
        Hypothesis(
            text="no input of relu or max_pool2d stands at a kink or a tie",
            without=grid(operator=("relu()",), argument=("x",), tied=(True,)),
        ),
    ),
)
def every_backward_is_the_adjoint_of_the_derivative(
    operator: str,
    argument: str | None,
    tied: bool,
) -> bool:
    """For every public operator and argument, ⟨∂y, J·v⟩ = ⟨backward(∂y), v⟩, without rounding.

    J·v comes from the shipped forward on x + v·ε. √ is taken at squares of rationals; in place of
    exp stands a rational E with E' = E, and of log a rational L with L' = 1/x, which is all that a
    gradient uses of them. An operator without an exact case fails the claim.
    """
    case = _find(operator)
    if case is None or argument is None:
        return False
    inputs, path = case.inputs, tuple(argument.split("."))
    if tied:
        inputs = cast(inputs, lambda array: array * 0)
    array, lifted = at(inputs, path), cast(inputs, duals)
    dy = rationals(*case.forward(lifted).shape, seed=7)
    v = rationals(*array.shape, seed=5)
    along = slopes(case.forward(with_leaf(lifted, path, duals(array, v))))
    pulled = dict(leaves(case.backward(duals(dy), lifted)))[path]
    return pulled.shape == array.shape and _inner(dy, along) == _inner(values(pulled), v)


def _is_quadratic(case: OperatorCase, path: tuple[str, ...]) -> bool:
    """Whether third differences vanish along a line: then the degree there is at most 2."""
    array = at(case.inputs, path)
    v = rationals(*array.shape, seed=6)
    nodes = ((-1, -1), (0, 3), (1, -3), (2, 1))
    terms = (
        weight * case.forward(with_leaf(case.inputs, path, array + step * v))
        for step, weight in nodes
    )
    return not np.any(sum(terms, start=np.zeros((), object)))


def _polynomial_arguments(*, quadratic: bool) -> Iterator[Case]:
    """Arguments in which an operator is a polynomial, of degree at most 2 or above."""
    for case in CASES:
        if not case.polynomial:
            continue
        for path, _ in leaves(case.inputs):
            if _is_quadratic(case, path) == quadratic:
                yield {"operator": case.label, "argument": ".".join(path)}


@claim(
    source=ours(),
    status="conditional",
    evidence="exact rationals",
    why="In f(x + v) − f(x − v) the even powers of v cancel, and degree 2 has only one odd power.",
    over=Cases(partial(_polynomial_arguments, quadratic=True)),
    hypotheses=(
        Hypothesis(
            text="the forward has degree at most 2 in the argument",
            without=Cases(partial(_polynomial_arguments, quadratic=False)),
        ),
    ),
)
def central_differences_of_quadratic_operators_are_exact(operator: str, argument: str) -> bool:
    """Where an operator is a polynomial, f(x + v) − f(x − v) = 2·J·v, with no small step v.

    ⟨∂y, f(x + v) − f(x − v)⟩ = 2·⟨backward(∂y), v⟩ then judges the backward without dual numbers.
    """
    case, path = _find(operator), tuple(argument.split("."))
    assert case is not None  # noqa: S101 - the domain is made of cases
    array = at(case.inputs, path)
    v = rationals(*array.shape, seed=5)
    up, down = (
        case.forward(with_leaf(case.inputs, path, array + step)) for step in (v, np.negative(v))
    )
    dy = rationals(*up.shape, seed=7)
    pulled = dict(leaves(case.backward(dy, case.inputs)))[path]
    return _inner(dy, up - down) == 2 * _inner(pulled, v)  # type: ignore[operator]
