"""The gradient of a whole network, against differences of its loss and between two machineries."""

import numpy as np
import pytest

import refimpl as ref
import refimpl.fast
from refimpl.nets.sites import OPERATORS
from refimpl.ops.cross_entropy import cross_entropy
from refimpl.train.flat import flatten, unflatten
from refimpl.train.gradient import gradient
from tests.refimpl.train.networks import batch, tiny, weights

STEP = 1e-6  # truncation is about STEP², rounding about 2⁻⁵²/STEP: both below 1e-9


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_gradient_predicts_the_loss_along_every_array(operator):
    network = tiny(operator)
    flat, (x, labels) = flatten(weights(network)), batch()
    found = gradient(network, unflatten(network, flat), x, labels, operators=ref)
    rng = np.random.default_rng(2)
    for key, grad in found.arrays.items():
        towards = rng.standard_normal(grad.shape)
        losses = [
            gradient(
                network,
                unflatten(network, {**flat, key: flat[key] + sign * STEP * towards}),
                x,
                labels,
                operators=ref,
            ).loss
            for sign in (1, -1)
        ]
        slope = (losses[0] - losses[1]) / (2 * STEP)
        expected = (grad * towards).sum()
        assert abs(slope - expected) <= 2e-8 * (1 + abs(expected)), key


@pytest.mark.parametrize("operator", OPERATORS)
def test_fast_operators_and_definitions_give_one_gradient(operator):
    network, (x, labels) = tiny(operator), batch(count=5)
    by = [
        gradient(network, weights(network), x, labels, operators=each)
        for each in (ref, refimpl.fast)
    ]
    np.testing.assert_allclose(by[1].logits, by[0].logits, rtol=1e-10, atol=1e-12)
    assert by[0].arrays.keys() == by[1].arrays.keys()
    for key, expected in by[0].arrays.items():
        np.testing.assert_allclose(by[1].arrays[key], expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_array_but_running_statistics_has_a_gradient(operator):
    network, (x, labels) = tiny(operator), batch()
    found = gradient(network, weights(network), x, labels)
    flat = flatten(weights(network))
    assert found.arrays.keys() == {key for key in flat if not key.endswith((".mean", ".var"))}
    assert all(found.arrays[key].shape == flat[key].shape for key in found.arrays)
    norms = {key.rpartition(".")[0] for key in flat if key.endswith(".mean")}
    assert found.norms.keys() == norms


def test_running_statistics_do_not_matter_in_training():
    network, (x, labels) = tiny("xvolution"), batch()
    flat = flatten(weights(network))
    moved = {k: a + 1 if k.endswith((".mean", ".var")) else a for k, a in flat.items()}
    one, other = (gradient(network, unflatten(network, each), x, labels) for each in (flat, moved))
    np.testing.assert_array_equal(one.logits, other.logits)


def test_the_loss_is_the_cross_entropy_of_the_scores():
    network, (x, labels) = tiny("conv2d"), batch()
    found = gradient(network, weights(network), x, labels)
    assert found.loss == cross_entropy(found.logits, labels)


def test_single_precision_stays_single():
    network, (x, labels) = tiny("xvolution_global"), batch(np.float32)
    found = gradient(network, weights(network, np.float32), x, labels)
    assert {array.dtype for array in found.arrays.values()} == {np.dtype(np.float32)}
