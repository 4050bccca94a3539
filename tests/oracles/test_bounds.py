"""The bounds that the oracles use: extended precision stays within them, mistakes do not."""

from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import refimpl as ref
from proofs.cases import CASES, OperatorCase, at, cast, leaves, operators
from tests.oracles.bounds import DERIVED, EPS, SLACK, bounds
from tests.random_cases import RANDOM, filled

quickly = settings(deadline=None, derandomize=True, max_examples=25)
ZERO_GRADIENTS = {("xvolution_training", "b_c"), ("xvolution_training", "b_a")}
"""What the mean of a batch takes away has gradient 0, and what is computed of it is rounding."""


def drawn(seed, spread=1.0):
    def make(path, shape):
        rng = np.random.default_rng(crc32(repr((seed, path)).encode()))
        return rng.uniform(0.25, 4, shape) if path[-1] == "var" else rng.normal(0, spread, shape)

    return make


def in_floats(case: OperatorCase):
    """A case of the table on small numbers, at the default ε, with the axis that bounds need."""
    options = {"axis": -1} if case.name == "softmax" else {}
    options |= {key: value for key, value in case.options.items() if key != "eps"}
    if "scale" in options:
        options["scale"] = float(options["scale"])
    return filled(replace(case, options=options), drawn(3, 0.5))


def evaluated(case):
    """Output and gradients by path, and the upstream gradient they were pulled from."""
    y = case.forward(case.inputs)
    dy = np.asarray(np.random.default_rng(1).standard_normal(y.shape))
    return y, dict(leaves(case.backward(dy, case.inputs))), dy


def test_only_operators_have_a_bound_of_their_own():
    assert set(DERIVED) < operators()


@pytest.mark.parametrize("name", sorted(RANDOM))
@given(data=st.data(), seed=st.integers(0, 999))
@quickly
def test_extended_precision_agrees_within_the_bound(name, data, seed):
    """The same definition on more digits: by how much float64 is off, nearly exactly."""
    case = filled(data.draw(RANDOM[name]), drawn(seed))
    y, grads, dy = evaluated(case)
    longer = cast(case.inputs, lambda array: array.astype(np.longdouble))
    limit, limits = bounds(case, dy)
    assert (np.abs(case.forward(longer) - y) <= limit).all()
    for path, grad in leaves(case.backward(dy.astype(np.longdouble), longer)):
        assert (np.abs(grad - grads[path]) <= limits[path]).all(), path


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_a_relative_error_of_one_in_a_billion_is_beyond_the_bound(case: OperatorCase):
    """Of the output, or of any one gradient."""
    case = in_floats(case)
    y, grads, dy = evaluated(case)
    limit, limits = bounds(case, dy)
    everything = {("y",): (y, limit)} | {path: (grads[path], limits[path]) for path in grads}
    for path, (array, allowed) in everything.items():
        if array.any() and (case.name, *path) not in ZERO_GRADIENTS:
            assert (1e-9 * np.abs(array) > allowed).any(), path


def case_of(name, options=None, **inputs):
    table = next(case for case in CASES if case.name == name)
    return replace(table, inputs=inputs, options=options or {})


def test_a_softmax_that_does_not_subtract_the_maximum_is_beyond_the_bound():
    x = np.array([[800.0, 799.0, 0.0]])
    limit, _ = bounds(case_of("softmax", {"axis": -1}, x=x), np.ones((1, 3)))
    with np.errstate(over="ignore", invalid="ignore"):
        naive = np.exp(x) / np.exp(x).sum()
    assert not (np.abs(ref.softmax(x) - naive) <= limit).all()
    shifted = np.exp(x - 790) / np.exp(x - 790).sum()  # any shift near the maximum will do
    assert (np.abs(ref.softmax(x) - shifted) <= limit).all()


def test_a_cross_entropy_that_takes_the_logarithm_of_a_softmax_is_beyond_the_bound():
    logits, labels = np.array([[40.0, 0.0, -800.0]]), np.array([2])
    case = replace(case_of("cross_entropy", logits=logits), constants={"labels": labels})
    limit, _ = bounds(case, np.ones(()))
    with np.errstate(divide="ignore"):
        naive = -np.log(ref.softmax(logits)[0, 2])
    assert not np.abs(ref.cross_entropy(logits, labels) - naive) <= limit
    assert np.abs(ref.cross_entropy(logits, labels) - 840) <= limit


@pytest.mark.parametrize("offset", [0, 1e4])
def test_normalising_with_the_unbiased_variance_is_beyond_the_bound(offset):
    x = offset + np.random.default_rng(3).standard_normal((4, 2, 5, 5))
    gamma, beta = np.ones(2), np.zeros(2)
    limit, _ = bounds(case_of("batch_norm_training", x=x, gamma=gamma, beta=beta), np.ones(x.shape))
    y, mean, unbiased = ref.batch_norm_training(x, gamma, beta)
    wrong = ref.batch_norm(x, gamma, beta, mean, unbiased)
    right = ref.batch_norm(x, gamma, beta, x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3)))
    assert not (np.abs(y - wrong) <= limit).all()
    assert (np.abs(y - right) <= limit).all()


def test_a_one_pass_variance_is_beyond_the_bound_where_it_cancels():
    """⟨x²⟩ − ⟨x⟩² loses twice the digits that ⟨(x − ⟨x⟩)²⟩ loses."""
    x = 1e7 + np.random.default_rng(3).standard_normal((4, 1, 5, 5))
    gamma, beta = np.ones(1), np.zeros(1)
    limit, _ = bounds(case_of("batch_norm_training", x=x, gamma=gamma, beta=beta), np.ones(x.shape))
    mean = x.mean(axis=(0, 2, 3))
    wrong = ref.batch_norm(x, gamma, beta, mean, np.abs((x * x).mean(axis=(0, 2, 3)) - mean * mean))
    assert not (np.abs(ref.batch_norm_training(x, gamma, beta).y - wrong) <= limit).all()


def test_there_is_no_bound_where_the_variance_may_be_all_rounding():
    x = np.full((1, 1, 1, 2), 1e14)
    case = case_of("batch_norm_training", x=x, gamma=np.ones(1), beta=np.ones(1))
    with pytest.raises(ValueError, match=r"^x must vary, relative to its size, by more than"):
        bounds(case, np.ones(x.shape))


def test_the_bound_of_attention_grows_with_its_scores():
    def limit(scale):
        one, x = np.ones((1, 1)), np.random.default_rng(1).standard_normal((1, 1, 3, 3))
        options = {"normalise": "softmax", "scale": scale}
        case = case_of("global_attention", options, x=x, w_q=one, w_k=one, w_v=one)
        return bounds(case, np.ones(x.shape))[0].max()

    assert limit(1.0) < limit(10.0) < limit(100.0) < 1e-9


def test_the_bound_of_a_polynomial_operator_is_the_slack_times_the_sum_of_absolute_terms():
    case = case_of("linear", x=np.array([[1.0, -2.0]]), w=np.array([[3.0, 3.0]]))
    limit, limits = bounds(case, np.array([[-1.0]]))
    assert limit == SLACK * 9
    np.testing.assert_array_equal(limits["x",], SLACK * np.array([[3.0, 3.0]]))
    np.testing.assert_array_equal(limits["w",], SLACK * np.array([[1.0, 2.0]]))


def test_the_offset_of_a_normalisation_counts_in_its_bound():
    case = next(case for case in CASES if case.name == "batch_norm")
    case = in_floats(case)
    limit, _ = bounds(case, np.ones(case.inputs["x"].shape))
    far = replace(case, inputs=case.inputs | {"mean": case.inputs["mean"] + 1e3})
    away = bounds(far, np.ones(case.inputs["x"].shape))[0]
    scale = np.abs(at(case.inputs, ("gamma",))) / np.sqrt(at(case.inputs, ("var",)) + EPS)
    assert (away > limit + SLACK * 900 * scale[:, None, None]).all()
