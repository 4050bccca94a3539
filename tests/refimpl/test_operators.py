"""Checks that every operator must pass, whatever it computes."""

from dataclasses import replace

import numpy as np
import pytest

import refimpl
from proofs.cases import CASES, OperatorCase, cast, leaves, operators, with_leaf
from proofs.rings import duals, rationals, same, slopes, values
from tests.random_cases.layouts import LAYOUTS

BATCHED = {"x", "q", "k", "logits", "labels"}

every_operator = pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
polynomial = pytest.mark.parametrize(
    "case", [case for case in CASES if not case.inexact], ids=lambda case: case.label
)


def floats(case: OperatorCase, dtype=np.float64):
    return cast(case.inputs, lambda array: array.astype(dtype))


def float_case(case: OperatorCase) -> OperatorCase:
    options = {
        key: float(value) if key in {"eps", "scale"} else value
        for key, value in case.options.items()
    }
    return replace(case, inputs=floats(case), options=options)


def of_a_batch(case: OperatorCase, change):
    """The case with its images (rows, for layers that have none) changed, labels likewise."""
    inputs = {key: change(value) if key in BATCHED else value for key, value in case.inputs.items()}
    constants = {key: change(value) for key, value in case.constants.items()}
    return replace(case, inputs=inputs, constants=constants)


def test_every_public_operator_has_a_case_and_every_function_a_backward():
    functions = {name for name in refimpl.__all__ if name.islower() and "_backward" not in name}
    assert {case.name for case in CASES} == operators() == functions


@every_operator
def test_the_backward_is_the_exact_adjoint_of_the_derivative(case: OperatorCase):
    """⟨∂y, J·v⟩ = ⟨Jᵀ·∂y, v⟩ with ==, J·v from dual numbers through the shipped forward."""
    lifted = cast(case.inputs, duals)
    dy = rationals(*case.forward(lifted).shape, seed=7)
    grads = case.backward(duals(dy), lifted)
    for path, array in leaves(case.inputs):
        v = rationals(*array.shape, seed=5)
        along = slopes(case.forward(with_leaf(lifted, path, duals(array, v))))
        pulled = dict(leaves(grads))[path]
        assert np.sum(dy * along) == np.sum(values(pulled) * v), path


@polynomial
def test_a_polynomial_operator_runs_unchanged_on_fractions(case: OperatorCase):
    exact = case.forward(case.inputs)
    assert exact.dtype == object
    rounded = float_case(case).forward(floats(case))
    np.testing.assert_allclose(rounded, exact.astype(float), rtol=1e-12, atol=1e-12)


@every_operator
def test_the_gradient_matches_central_differences(case: OperatorCase):
    case = float_case(case)
    rng = np.random.default_rng(7)
    dy = rng.standard_normal(case.forward(case.inputs).shape)
    grads = dict(leaves(case.backward(dy, case.inputs)))
    for path, array in leaves(case.inputs):
        v, step = rng.standard_normal(array.shape), 1e-6
        up, down = (
            case.forward(with_leaf(case.inputs, path, array + sign * step * v)) for sign in (+1, -1)
        )
        numeric = np.sum(dy * (up - down)) / (2 * step)
        scale = np.abs(dy).sum() * max(1.0, np.abs(up).max())
        assert abs(numeric - (grads[path] * v).sum()) < 1e-7 * scale, path


@every_operator
@pytest.mark.parametrize("layout", LAYOUTS)
def test_read_only_views_of_any_strides_give_what_contiguous_copies_give(
    case: OperatorCase, layout
):
    """With ==, over exact numbers: forward and backward see values, never the layout of memory."""
    view, lifted = LAYOUTS[layout], cast(case.inputs, duals)
    y = case.forward(lifted)
    awkward = replace(case, constants={key: view(value) for key, value in case.constants.items()})
    viewed = cast(lifted, view)
    assert same(awkward.forward(viewed), y)
    plain, strided = case.backward(y, lifted), awkward.backward(view(y), viewed)
    for path, grad in leaves(strided):
        assert same(grad, dict(leaves(plain))[path]), path


@every_operator
def test_inputs_are_never_changed(case: OperatorCase):
    case = float_case(case)
    before = cast(case.inputs, np.copy)
    y = case.forward(case.inputs)
    dy = np.copy(y)
    case.backward(dy, case.inputs)
    np.testing.assert_array_equal(dy, y)
    for path, array in leaves(case.inputs):
        np.testing.assert_array_equal(array, dict(leaves(before))[path])


@every_operator
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_number_type_is_the_callers(case: OperatorCase, dtype):
    case = float_case(case)
    inputs = floats(case, dtype)
    y = case.forward(inputs)
    assert y.dtype == dtype
    for path, grad in leaves(case.backward(y, inputs)):
        assert grad.dtype == dtype, path


@every_operator
def test_gradients_of_integer_arrays_are_not_cut_to_integers(case: OperatorCase):
    """An integer array has the gradient of the same numbers in float64: nothing is truncated."""
    case = float_case(case)
    whole = cast(case.inputs, lambda array: np.ceil(array).astype(np.int64))
    as_floats = cast(whole, lambda array: array.astype(np.float64))
    dy = np.random.default_rng(7).standard_normal(case.forward(as_floats).shape)
    grads, expected = (dict(leaves(case.backward(dy, given))) for given in (whole, as_floats))
    for path, _ in leaves(whole):
        assert grads[path].dtype == np.float64, path
        np.testing.assert_allclose(grads[path], expected[path], rtol=1e-12, atol=1e-12)


@every_operator
def test_a_batch_of_no_images_gives_an_empty_result_and_no_gradient_of_weights(case: OperatorCase):
    case = float_case(case)
    empty = of_a_batch(case, lambda array: array[:0])
    if case.mixes_images:
        with pytest.raises(ValueError, match=r"N·H·W ≥ 2|at least one row"):
            empty.forward(empty.inputs)
        return
    y = empty.forward(empty.inputs)
    assert y.shape == (0, *case.forward(case.inputs).shape[1:])
    for path, grad in leaves(empty.backward(y, empty.inputs)):
        assert grad.shape == dict(leaves(empty.inputs))[path].shape
        assert not grad.any()


@pytest.mark.parametrize(
    "case", [case for case in CASES if not case.mixes_images], ids=lambda case: case.label
)
def test_images_of_a_batch_do_not_mix(case: OperatorCase):
    case = float_case(case)
    twice = of_a_batch(case, lambda array: np.concatenate([array, 2 * array]))
    together, alone = twice.forward(twice.inputs), case.forward(case.inputs)
    np.testing.assert_allclose(together[: len(alone)], alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.backward_needs],  # shift's backward has only dy to go by
    ids=lambda case: case.label,
)
def test_an_upstream_gradient_of_another_shape_is_refused(case: OperatorCase):
    """Transposed, longer or too short: never reshaped or broadcast in silence."""
    case = float_case(case)
    y = case.forward(case.inputs)
    *most, last = y.shape or (1,)
    shapes = {y.shape[::-1], (*most, last + 1), (*most, 2 * last), (1, *y.shape)}
    for shape in shapes - {y.shape}:
        with pytest.raises(ValueError, match="_backward must be given dy") as refusal:
            case.backward(np.ones(shape), case.inputs)
        assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("offset", [(0, 1.9), (1, 2, 3), 1, (True, 0)])
@pytest.mark.parametrize("boundary", ["circular", "zero"])
def test_a_shift_by_what_is_not_a_pair_of_integers_is_refused(offset, boundary):
    with pytest.raises(ValueError, match="offset must be a pair of integers"):
        refimpl.shift(np.ones((1, 1, 2, 2)), offset=offset, boundary=boundary)
