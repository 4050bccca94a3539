"""Claims about backward functions: each is the adjoint of the derivative of its forward.

Two independent judges. Dual numbers carry the exact derivative through the shipped forward, for
every operator. Where a forward is a polynomial of degree ≤ 2, a central difference with any step is
exact too, and needs rationals only.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import partial
from math import prod
from typing import Any

import numpy as np

import refimpl
from proofs.article import ours
from proofs.cases import CASES, OperatorCase, at, cast, leaves, operators, with_leaf
from proofs.claim import Hypothesis, Rung, claim
from proofs.domain import Case, Cases, Grid, grid
from proofs.rings import Array, duals, rationals, slopes, values
from refimpl.ops.softmax import pull_softmax


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


def _levels(*, nodes_short: int = 0) -> Grid:
    return grid(levels=(1, 2, 3), boundary=("circular", "zero"), nodes_short=(nodes_short,))


def derivative_weights(nodes: Sequence[int]) -> list[Fraction]:
    """Weights with which values at integer nodes give the derivative at 0 of any polynomial.

    Exact up to degree len(nodes) − 1: the derivatives at 0 of Lagrange's basis.
    """
    return [
        sum(
            (
                Fraction(1, node - other)
                * prod(
                    (
                        Fraction(-third, node - third)
                        for third in nodes
                        if third not in (node, other)
                    ),
                    start=Fraction(1),
                )
                for other in nodes
                if other != node
            ),
            start=Fraction(0),
        )
        for node in nodes
    ]


@claim(
    source=ours(),
    status="conditional",
    evidence="exact rationals",
    why="S levels without bias are a polynomial of degree 2^S along any line, and 2^S + 1 values "
    "determine it.",
    over=_levels(),
    hypotheses=(
        Hypothesis(
            text="the stencil has 2^S + 1 nodes for S levels",
            without=_levels(nodes_short=1),
        ),
    ),
)
def a_stencil_of_two_to_the_s_plus_one_nodes_is_exact_for_a_stack(
    levels: int, boundary: Any, nodes_short: int
) -> bool:
    """For S levels of PSSA a difference stencil with 2^S + 1 nodes gives the gradient exactly.

    ⟨∂y, Σ_i c_i f(x + i·v)⟩ = ⟨backward(∂y), v⟩ over the rationals; no step is small.
    """
    options: dict[str, Any] = {"lengths": (1,) * levels, "boundary": boundary}
    x, w = rationals(1, 1, 2, 3, seed=1), rationals(2, 4, 1, 1, seed=2)
    v, dy = rationals(*x.shape, seed=3), rationals(1, 2, 2, 3, seed=4)
    nodes = range(2**levels + 1 - nodes_short)
    stencil = sum(
        (
            weight * refimpl.pssa_stack(x + node * v, w, **options)
            for node, weight in zip(nodes, derivative_weights(nodes), strict=True)
        ),
        start=np.zeros((), object),
    )
    pulled = refimpl.pssa_stack_backward(dy, x, w, **options).x
    return bool(_inner(dy, stencil) == _inner(pulled, v))


def _softmax_jacobian_is_symmetric(count: int) -> bool:
    from proofs.polynomials import variables  # noqa: PLC0415 - an extra

    (y,) = variables((count,))
    eye = np.eye(count, dtype=int).astype(object)
    rows = np.stack([pull_softmax(eye[i], y) for i in range(count)])
    totals = y * (1 - y.sum())
    return bool(np.all(rows == rows.T) and np.all(rows.sum(axis=1) == totals))


@claim(
    source=ours(),
    status="identity",
    evidence="exact rationals",
    why="y = e/Σe gives ∂y_i/∂x_j = y_i(δ_ij − y_j), which is rational in y.",
    over=grid(shape=((1, 1), (2, 3), (3, 5)), seed=range(4)),
    rungs=(
        Rung(
            evidence="symbolic polynomial identity",
            over=grid(count=(1, 2, 3, 4)),
            holds=_softmax_jacobian_is_symmetric,
            note="The Jacobian as polynomials in y: symmetric, and of rows that add up to "
            "y_i·(1 − Σ y), which is 0 where y is a softmax.",
        ),
    ),
)
def the_gradient_of_softmax_is_rational_in_its_output(shape: tuple[int, int], seed: int) -> bool:
    """Given the output y, softmax pulls back by ∂x = y ⊙ (∂y − ⟨∂y, y⟩), exactly."""
    raw = abs(rationals(*shape, seed=seed)) + 1
    y = raw / raw.sum(axis=-1, keepdims=True)
    dy, v = rationals(*shape, seed=seed + 7), rationals(*shape, seed=seed + 8)
    # e^(x + εv) = e^x·(1 + εv) to first order, whatever e^x is: so y moves by y ⊙ (v − ⟨y, v⟩).
    along = y * (v - (y * v).sum(axis=-1, keepdims=True))
    return bool(_inner(dy, along) == _inner(pull_softmax(dy, y), v))


def _transcendental_arguments() -> Iterator[Case]:
    """Arguments of operators that take exp, log or √ from the number type."""
    for case in CASES:
        if case.inexact:
            for path, _ in leaves(case.inputs):
                yield {"operator": case.label, "argument": ".".join(path)}


@claim(
    source=ours(),
    status="identity",
    evidence="rigorous enclosure",
    why="Dual numbers over balls carry exp, log and √ themselves, and their derivatives.",
    over=Cases(_transcendental_arguments),
)
def every_backward_encloses_the_derivative(operator: str, argument: str) -> bool:
    """With exp, log and √ themselves: ⟨∂y, J·v⟩ and ⟨backward(∂y), v⟩ overlap, radii below 2⁻¹⁰⁰.

    Every number is a ball that contains the exact one; for softmax, training-mode normalisation and
    whatever else is no polynomial.
    """
    from proofs.balls import Ball, balls  # noqa: PLC0415 - an extra

    case, path = _find(operator), tuple(argument.split("."))
    assert case is not None  # noqa: S101 - the domain is made of cases
    inputs = cast(case.inputs, balls)
    array, lifted = at(inputs, path), cast(inputs, duals)
    v = balls(rationals(*array.shape, seed=5))
    ahead = case.forward(with_leaf(lifted, path, duals(array, v)))
    dy = balls(rationals(*ahead.shape, seed=7))
    pulled = dict(leaves(case.backward(dy, inputs)))[path]
    difference: Any = _inner(dy, slopes(ahead)) - _inner(pulled, v)  # type: ignore[operator]
    if not isinstance(difference, Ball):
        return bool(difference == 0)
    return difference.may_vanish and difference.radius < 2.0**-100
