"""The shipped definitions on exact numbers of other kinds: residues modulo a prime, polynomials.

Two judges of every polynomial operator's gradient that share nothing: dual numbers over residues,
on random shapes; symbolic differentiation of the operator's own formula, on small ones.
"""

from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from proofs.cases import CASES, OperatorCase, cast, leaves, operators, with_leaf
from proofs.modular import Mod, residues
from proofs.polynomials import variables
from proofs.rings import Dual, duals, same, slopes, values
from tests.random_cases import RANDOM, filled

POLYNOMIAL = [case for case in CASES if case.polynomial]
polynomial = pytest.mark.parametrize("case", POLYNOMIAL, ids=lambda case: case.label)
to_residues = np.frompyfunc(lambda number: Mod(0) + number, 1, 1)
exactly = settings(deadline=None, derandomize=True, max_examples=40)


def reduced(array):
    return np.asarray(to_residues(array), object)


def drawn_residues(seed):
    return lambda path, shape: residues(*shape, seed=crc32(repr((seed, path)).encode()))


def test_every_operator_has_random_shapes():
    assert set(RANDOM) == operators()


def test_the_polynomial_operators_are_known_by_name():
    """Each in at least one of its forms; what is missing takes exp, log, √ or a maximum."""
    assert {case.name for case in POLYNOMIAL} == {
        "conv2d", "global_attention", "global_avg_pool", "linear", "local_attention", "pssa",
        "pssa_stack", "shift", "shift_product", "upsample_nearest", "xvolution_fused",
    }  # fmt: skip


@polynomial
def test_a_polynomial_operator_commutes_with_reduction_modulo_the_prime(case: OperatorCase):
    """Over rationals and then reduced, or reduced and then run: the same, gradients included."""
    y, mod = case.forward(case.inputs), cast(case.inputs, reduced)
    assert same(case.forward(mod), reduced(y))
    assert {type(each) for each in case.forward(mod).flat} <= {Mod, int}  # int: a 0 of padding
    exact = dict(leaves(case.backward(y, case.inputs)))
    for path, grad in leaves(case.backward(reduced(y), mod)):
        assert same(grad, reduced(exact[path])), path


@pytest.mark.parametrize("name", sorted({case.name for case in POLYNOMIAL}))
@given(data=st.data(), seed=st.integers(0, 99))
@exactly
def test_on_random_shapes_the_backward_is_the_adjoint_modulo_the_prime(name, data, seed):
    """⟨∂y, J·v⟩ = ⟨Jᵀ·∂y, v⟩ with ==, for every argument, J·v from dual numbers over residues."""
    shapes = data.draw(RANDOM[name])
    assume(shapes.polynomial)
    case = filled(shapes, drawn_residues(seed))
    y = case.forward(case.inputs)
    dy = residues(*y.shape, seed=seed)
    grads = dict(leaves(case.backward(dy, case.inputs)))
    for path, array in leaves(case.inputs):
        v = residues(*array.shape, seed=seed + 1)
        moved = case.forward(with_leaf(case.inputs, path, duals(array, v)))
        assert same(values(moved), y)
        assert grads[path].shape == array.shape
        assert np.sum(dy * slopes(moved)) == np.sum(grads[path] * v), path


@polynomial
def test_the_backward_is_the_symbolic_derivative_of_the_formula(case: OperatorCase):
    """∂/∂x_i of Σ ∂y·y = backward(∂y)_i as polynomials: every coefficient, in every variable."""
    paths, arrays = zip(*leaves(case.inputs), strict=True)
    dy, *symbols = variables(case.forward(case.inputs).shape, *(array.shape for array in arrays))
    inputs = case.inputs
    for path, array in zip(paths, symbols, strict=True):
        inputs = with_leaf(inputs, path, array)
    loss = np.sum(dy * case.forward(inputs))
    grads = dict(leaves(case.backward(dy, inputs)))
    variable = dy.size
    for path, array in zip(paths, symbols, strict=True):
        for at, _ in np.ndenumerate(array):
            assert grads[path][at] == loss.derivative(variable), (path, at)
            variable += 1


def test_both_judges_notice_a_wrong_gradient():
    case = next(case for case in POLYNOMIAL if case.name == "pssa")
    wrong = replace(case, options=case.options | {"length": 2})
    mod, (dy,) = cast(case.inputs, reduced), [residues(*case.forward(case.inputs).shape, seed=1)]
    assert not same(wrong.backward(dy, mod)["x"], case.backward(dy, mod)["x"])


def test_numbers_of_python_stay_python_numbers_inside_dual_residues():
    """An integer or a rational that meets a residue becomes one, so nothing escapes the field."""
    mixed = Dual(Mod(3), Mod(1)) * 2 + 1
    assert mixed == Dual(Mod(7), Mod(2))
    assert (type(mixed.value), type(mixed.slope)) == (Mod, Mod)
