"""Vectors of the network that ships with its trained weights, on a photograph."""

import numpy as np
import pytest

from refimpl import io
from refimpl.nets.run import DEFINITIONS, run
from refimpl.vectors.case import Choices
from refimpl.vectors.network import (
    grey_image,
    inputs_of,
    network_cases,
    prepare_trained,
    until,
)
from refimpl.vectors.stages import stages

LAYERS = ["conv1", "conv2_1.conv2", "conv3_1.downsample", "fc"]
PIXELS = np.random.default_rng(4).integers(0, 256, (40, 50, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def prepared():
    trained = io.trained_small()
    part = until(trained.network, LAYERS)
    keep = inputs_of(part, LAYERS)
    return prepare_trained(part, trained.parameters, grey_image(PIXELS, 32), keep=keep)


@pytest.fixture(scope="module")
def cases(prepared):
    return network_cases(prepared, LAYERS, Choices(), stimulus={})[0]


def test_every_layer_has_its_cases_with_the_trained_weights(cases):
    made = {(case.stimulus["layer"], case.operator, case.arithmetic) for case in cases}
    for layer in ("conv1", "conv3_1.downsample", "fc"):
        assert {(layer, "conv2d", "int8"), (layer, "conv2d", "fp32")} <= made
    for operator in ("shift_product", "pssa", "xvolution", "xvolution_fused"):
        assert ("conv2_1.conv2", operator, "int8") in made
    trained = io.trained_small().parameters
    case = next(c for c in cases if (c.operator, c.arithmetic) == ("xvolution", "fp32"))
    np.testing.assert_array_equal(case.tensors["w_a"], trained["conv2_1.conv2"]["w_a"])


def test_the_linear_layer_is_the_networks_own_answer(prepared, cases):
    case = next(c for c in cases if c.stimulus["layer"] == "fc" and c.arithmetic == "fp32")
    scores = stages(case)["output"][:, :, 0, 0]
    trained = io.trained_small()
    real = run(trained.network, trained.parameters, prepared.image, arithmetic=DEFINITIONS)
    np.testing.assert_allclose(scores, real["fc"], rtol=1e-4, atol=1e-4)


def test_int8_follows_the_real_layer_within_a_few_steps(cases):
    for layer in ("conv1", "fc"):
        integers, floats = (
            next(c for c in cases if c.stimulus["layer"] == layer and c.arithmetic == arithmetic)
            for arithmetic in ("int8", "fp32")
        )
        own = integers.attributes
        steps = stages(integers)["output"].astype(float) - own["y_zero"]
        off = np.abs(steps * own["y_scale"] - stages(floats)["output"]) / own["y_scale"]
        assert off.max() < 4


def test_a_photograph_becomes_grey_of_mean_0_and_variance_1():
    image = grey_image(PIXELS, 16).astype(np.float64)
    assert image.shape == (1, 1, 16, 16)
    assert abs(image.mean()) < 1e-6
    assert abs(image.var() - 1) < 1e-6
    red = np.zeros((8, 8, 3), np.uint8)
    red[:4, :, 0] = 100  # 29.9 of 256 greys, rounded half up to 30
    values = np.unique(grey_image(red, 8))
    np.testing.assert_array_equal(values, np.array([-1, 1], np.float32))


def test_a_picture_of_one_grey_is_refused():
    with pytest.raises(ValueError, match="must not be all of one grey"):
        grey_image(np.full((32, 32, 3), 7, np.uint8), 32)
