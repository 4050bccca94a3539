"""Adam by its laws, and the schedule by its ends."""

import numpy as np
import pytest

from refimpl.train.optimise import Moments, adam, cosine

WEIGHTS = {"w": np.array([[1.0, -2.0], [3.0, 4.0]]), "b": np.array([5.0, -6.0])}
GRADIENTS = {"w": np.array([[0.5, -0.1], [2.0, -7.0]]), "b": np.array([0.01, -3.0])}


def steps(gradients, count=4, **options):
    weights, moments = WEIGHTS, Moments()
    for number in range(1, count + 1):
        now = {key: g * np.cos(number) for key, g in gradients.items()}
        weights, moments = adam(weights, now, moments, **{"rate": 0.1, "decay": 0, **options})
    return weights


def test_the_first_step_is_the_rate_against_the_sign_of_the_gradient():
    moved, moments = adam(WEIGHTS, GRADIENTS, Moments(), rate=0.1, decay=0)
    for key, grad in GRADIENTS.items():
        np.testing.assert_allclose(moved[key], WEIGHTS[key] - 0.1 * np.sign(grad), rtol=1e-6)
    assert moments.steps == 1


def test_steps_do_not_depend_on_the_scale_of_the_gradients():
    one, other = steps(GRADIENTS), steps({key: 1000 * g for key, g in GRADIENTS.items()})
    for key in WEIGHTS:
        np.testing.assert_allclose(one[key], other[key], rtol=1e-5)


def test_a_constant_gradient_moves_by_the_rate_at_every_step():
    weights, moments = WEIGHTS, Moments()
    for _ in range(5):
        weights, moments = adam(weights, GRADIENTS, moments, rate=0.1, decay=0)
    np.testing.assert_allclose(
        WEIGHTS["w"] - weights["w"], 0.5 * np.sign(GRADIENTS["w"]), rtol=1e-5
    )


def test_decay_shrinks_matrices_and_leaves_vectors():
    none = {key: np.zeros_like(g) for key, g in GRADIENTS.items()}
    moved, _ = adam(WEIGHTS, none, Moments(), rate=0.1, decay=0.5)
    np.testing.assert_allclose(moved["w"], WEIGHTS["w"] * (1 - 0.1 * 0.5))
    np.testing.assert_array_equal(moved["b"], WEIGHTS["b"])


def test_weights_without_a_gradient_are_kept_and_nothing_is_changed_in_place():
    before = {key: array.copy() for key, array in WEIGHTS.items()}
    moved, _ = adam(WEIGHTS, {"w": GRADIENTS["w"]}, Moments(), rate=0.1, decay=0)
    assert moved["b"] is WEIGHTS["b"]
    assert all((WEIGHTS[key] == before[key]).all() for key in WEIGHTS)


def test_the_rate_rises_to_its_peak_and_falls_to_nothing():
    rates = [cosine(step, 100, 2.0, warmup=10) for step in range(101)]
    assert rates[:10] == sorted(rates[:10])
    assert rates[10] == max(rates) == 2.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[100] == pytest.approx(0, abs=1e-12)
    assert rates[55] == pytest.approx(1.0)
    assert rates[0] > 0
