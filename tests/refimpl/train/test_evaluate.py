"""Evaluation: each image for itself, by fast operators as by definitions."""

import numpy as np
import pytest

import refimpl as ref
from refimpl.nets.sites import OPERATORS
from refimpl.train.crops import Crops
from refimpl.train.evaluate import evaluate, predict
from tests.refimpl.train.networks import batch, tiny, weights


@pytest.mark.parametrize("operator", OPERATORS)
def test_fast_operators_and_definitions_predict_alike(operator):
    network, (x, _) = tiny(operator), batch(count=3)
    by = [predict(network, weights(network), x, **options) for options in ({}, {"operators": ref})]
    np.testing.assert_allclose(by[0], by[1], rtol=1e-10, atol=1e-12)


def test_an_image_is_scored_alike_in_any_company():
    network, (x, _) = tiny("xvolution"), batch(count=7)
    together = predict(network, weights(network), x)
    for size in (1, 3):
        apart = predict(network, weights(network), x, batch=size)
        np.testing.assert_allclose(apart, together, rtol=1e-12)


def test_accuracy_is_the_share_of_right_classes():
    network, (x, _) = tiny("conv2d"), batch(count=8)
    right = predict(network, weights(network), x).argmax(axis=1)
    labels = np.where(np.arange(8) < 6, right, (right + 1) % 3)
    score = evaluate(network, weights(network), Crops(images=x, labels=labels))
    assert score.accuracy == 6 / 8
    assert score.loss > 0
