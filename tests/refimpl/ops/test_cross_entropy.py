"""cross_entropy, row by row."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs.rings import duals, rationals, same, values
from refimpl import cross_entropy, cross_entropy_backward, softmax
from refimpl.arrays import ShapeError

exactly = settings(deadline=None, derandomize=True, max_examples=50)
sizes = st.tuples(st.integers(1, 5), st.integers(1, 5))
seeds = st.integers(0, 999)


def drawn_labels(size, seed):
    return np.random.default_rng(seed).integers(0, size[1], size[0])


@exactly
@given(sizes, seeds)
def test_it_is_the_mean_of_minus_log_of_the_probability_of_each_label(size, seed):
    logits = np.random.default_rng(seed).normal(0, 3, size)
    labels = drawn_labels(size, seed)
    surprises = [
        -math.log(math.exp(row[label]) / math.fsum(map(math.exp, row)))
        for row, label in zip(logits, labels, strict=True)
    ]
    loss = cross_entropy(logits, labels)
    assert loss.shape == ()
    assert float(loss) == pytest.approx(math.fsum(surprises) / size[0], rel=1e-13, abs=1e-14)


@exactly
@given(sizes, seeds)
def test_the_gradient_is_the_softmax_less_the_label_over_the_rows(size, seed):
    """Exactly, over rationals; so the gradient of every row adds up to 0."""
    logits, labels = duals(rationals(*size, seed=seed)), drawn_labels(size, seed)
    dx = cross_entropy_backward(duals(rationals(seed=seed)), logits, labels).logits
    expected = values(softmax(logits)).copy()
    for row, label in enumerate(labels):
        expected[row, label] -= 1
    assert same(values(dx), expected * rationals(seed=seed) / size[0])
    assert np.all(dx.sum(axis=1) == 0)


@exactly
@given(sizes, seeds, st.integers(-4, 4))
def test_a_common_shift_of_a_row_changes_nothing(size, seed, shift):
    logits, labels = duals(rationals(*size, seed=seed)), drawn_labels(size, seed)
    moved = logits.copy()
    moved[0] = moved[0] + shift
    assert cross_entropy(moved, labels) == cross_entropy(logits, labels)


def test_scores_that_exp_cannot_hold_are_no_obstacle():
    logits = np.array([[1e4, 0.0], [1e4, -1e4]])
    assert cross_entropy(logits, np.array([0, 0])) == 0.0
    assert cross_entropy(logits, np.array([1, 1])) == 1.5e4


def test_equal_scores_cost_the_logarithm_of_the_number_of_classes():
    loss = cross_entropy(np.full((3, 8), 0.7), np.array([0, 5, 7]))
    assert float(loss) == pytest.approx(math.log(8), rel=1e-15)


def test_the_upstream_gradient_may_be_a_plain_number_and_keeps_the_number_type():
    logits, labels = np.array([[1.0, 2.0]], np.float32), np.array([0], np.uint8)
    assert cross_entropy(logits, labels).dtype == np.float32
    dx = cross_entropy_backward(1.0, logits, labels).logits
    assert dx.dtype == np.float32
    np.testing.assert_array_equal(dx, cross_entropy_backward(np.ones(()), logits, labels).logits)


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (np.array([0, 3]), r"^labels must lie in \[0, 3\), not be 3$"),
        (np.array([-1, 0]), r"^labels must lie in \[0, 3\), not be -1$"),
        (np.array([0.0, 1.0]), "^labels must be integers, not float64$"),
        (np.array([True, False]), "^labels must be integers, not bool$"),
    ],
)
def test_what_is_not_a_class_is_refused(labels, sentence):
    for refuse in (cross_entropy, lambda *a: cross_entropy_backward(1.0, *a)):
        with pytest.raises(ValueError, match=sentence):
            refuse(np.ones((2, 3)), labels)


def test_the_mean_of_nothing_is_refused():
    with pytest.raises(ValueError, match=r"^logits must have at least one row to average over"):
        cross_entropy(np.ones((0, 3)), np.zeros(0, int))


def test_another_number_of_labels_is_refused_by_shape():
    with pytest.raises(ShapeError, match=r"^cross_entropy must be given .*, labels \(3,\)$"):
        cross_entropy(np.ones((2, 3)), np.zeros(3, int))
