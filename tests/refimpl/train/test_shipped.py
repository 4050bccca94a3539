"""The weights that ship with the package: they learned something, and fusing keeps it."""

from functools import cache

import numpy as np
import pytest

from refimpl import io
from refimpl.nets.fold import fuse_network
from refimpl.nets.run import BIT_EXACT, run
from refimpl.train.evaluate import evaluate, predict
from refimpl.train.study import linear_baseline

pytest.importorskip("skimage", reason="the crops need the demo extra")


@cache
def data():
    return io.read_textures()


@cache
def scores():
    """Of every test crop, by the trained network and by the fused one, in binary32."""
    network, parameters, _ = io.trained_small()
    images = data().test.images
    return predict(network, parameters, images), predict(*fuse_network(network, parameters), images)


def test_its_accuracy_is_the_one_that_its_file_says():
    network, parameters, about = io.trained_small()
    accuracy = evaluate(network, parameters, data().test).accuracy
    assert about["test_crops"] == len(data().test.labels)
    assert abs(accuracy - about["test_accuracy"]) <= 2 / about["test_crops"]  # ties of rounding


def test_it_is_three_times_better_than_chance_and_beats_a_linear_model():
    _, _, about = io.trained_small()
    linear = linear_baseline(data(), seed=about["seed"]).accuracy
    assert about["test_accuracy"] > max(3 / len(data().classes), linear)


def test_the_fused_network_gives_the_trained_one_s_answer_to_every_test_crop():
    trained, fused = scores()
    np.testing.assert_array_equal(fused.argmax(axis=1), trained.argmax(axis=1))
    assert np.abs(fused - trained).max() < 1e-4 * np.abs(trained).max()


def test_a_fusion_that_forgets_beta_does_not():
    network, parameters, _ = io.trained_small()
    fused, weights = fuse_network(network, parameters)
    bn = parameters["conv2_1.conv1"]["bn_a"]
    weights["conv2_1.conv1"]["b"] = weights["conv2_1.conv1"]["b"] - bn.beta
    answers = predict(fused, weights, data().test.images).argmax(axis=1)
    assert (answers != scores()[0].argmax(axis=1)).any()


def test_to_the_bit_it_answers_the_same():
    network, parameters, _ = io.trained_small()
    images = data().test.images[::64]
    last = network.nodes[-1].name
    exact = run(network, parameters, images, arithmetic=BIT_EXACT)[last]
    np.testing.assert_array_equal(exact.argmax(axis=1), scores()[0][::64].argmax(axis=1))
