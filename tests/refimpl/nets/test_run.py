"""Both arithmetics over all the kinds of node, and what a calibration sets."""

import numpy as np
import pytest

from refimpl.nets.branches import ATTENTION, branches
from refimpl.nets.catalogue import build
from refimpl.nets.exact import BIT_EXACT
from refimpl.nets.graph import Network, Node
from refimpl.nets.resnet import resnet
from refimpl.nets.run import DEFINITIONS, calibrate, run
from refimpl.nets.sites import OPERATORS, site
from tests.refimpl.nets.blank import blank_parameters, drawn_parameters


def image_of(height, width):
    return np.random.default_rng(6).standard_normal((1, 3, height, width)).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "size"),
    [("alexnet", (67, 67)), ("resnet50-fpn", (64, 75))],
)
def test_the_bit_exact_network_is_the_defined_one_up_to_rounding(name, size):
    network = build(name, height=size[0], width=size[1])
    image, weights = image_of(*size), drawn_parameters(network, np.float32)
    bits = run(network, weights, image, arithmetic=BIT_EXACT)
    defined = run(network, weights, image, arithmetic=DEFINITIONS)
    assert set(bits) == set(defined) == set(network.answers)
    for answer, y in bits.items():
        scale = np.abs(defined[answer]).max()
        assert y.dtype == np.float32
        np.testing.assert_allclose(y, defined[answer], rtol=0, atol=1e-4 * scale)


def test_every_rounding_of_a_bit_exact_response_norm_is_the_declared_one():
    """Channel by channel with numbers of binary32 that round after every operation."""
    x = image_of(2, 2)[0, :, 0, 0] * np.float32(30)
    attributes = {"size": 3, "alpha": 1e-2, "beta": 0.75, "k": 2}
    y = BIT_EXACT["local_response_norm"]({}, attributes, x.reshape(1, 3, 1, 1)).ravel()
    alpha = np.float32(1e-2)
    for channel in range(3):
        total = np.float32(0)
        for near in range(max(0, channel - 1), min(2, channel + 1) + 1):
            total = np.float32(total + np.float32(x[near] * x[near]))
        u = np.float32(np.float32(total * alpha) + np.float32(2))
        root = np.sqrt(u)
        assert y[channel] == np.float32(x[channel] / np.float32(root * np.sqrt(root)))


def test_another_power_has_no_declared_bits():
    with pytest.raises(ValueError, match=r"^beta must be 3/4 to be computed to the bit, not 1$"):
        BIT_EXACT["local_response_norm"]({}, {"beta": 1}, image_of(1, 1))


def test_a_convolution_in_groups_is_a_convolution_of_each_group_to_the_bit():
    rng = np.random.default_rng(1)
    x, w, b = (rng.standard_normal(s).astype(np.float32) for s in ((1, 4, 5, 4), (6, 2, 3, 3), 6))
    attributes = {"stride": (1, 2), "padding": (1, 1)}
    whole = BIT_EXACT["conv2d"]({"w": w, "b": b}, {**attributes, "groups": 2}, x)
    for half in range(2):
        own = slice(3 * half, 3 * half + 3)
        part = {"w": w[own], "b": b[own]}
        alone = BIT_EXACT["conv2d"](part, attributes, x[:, 2 * half : 2 * half + 2])
        np.testing.assert_array_equal(whole[:, own], alone)


@pytest.mark.parametrize("operator", ["local_attention", "xvolution_global"])
def test_a_kind_without_declared_bits_is_refused_by_name_before_anything_runs(operator):
    network = resnet(34, stage="conv5_x", operator=operator)
    sentence = (
        rf"^conv5_1\.conv1 must be of a kind that this arithmetic has \(.*\), not {operator}$"
    )
    with pytest.raises(ValueError, match=sentence):
        run(network, blank_parameters(network), image_of(32, 32), arithmetic=BIT_EXACT)


@pytest.mark.parametrize("operator", OPERATORS)
def test_calibration_gives_every_branch_of_every_operator_mean_0_and_variance_1(operator):
    network = Network(name="site", nodes=site(operator, "one", "image", 3, 4, stride=2))
    image = image_of(9, 10)
    weights = calibrate(
        network, drawn_parameters(network, np.float32), image, arithmetic=DEFINITIONS
    )
    if operator in ATTENTION:
        node = network.nodes[0]
        outputs = {
            f"bn_{branch.of}": DEFINITIONS[branch.kind](branch.weights, branch.attributes, image)
            for branch in branches(node.kind, weights["one"], node.attributes)
        }
        norms = weights["one"]
    else:
        outputs = run(network, weights, image, arithmetic=DEFINITIONS, keep=["one"])
        outputs, norms = {"bn": outputs["one"]}, weights["one.bn"]
    for name, y in outputs.items():
        np.testing.assert_allclose(norms[name].mean, y.mean(axis=(0, 2, 3)), atol=1e-5)
        np.testing.assert_allclose(norms[name].var, y.var(axis=(0, 2, 3)), rtol=1e-4)


@pytest.mark.parametrize("kind", ATTENTION)
def test_the_branches_and_their_normalisations_are_the_operator(kind):
    network = Network(name="site", nodes=site(kind, "one", "image", 3, 4, stride=2))
    weights = drawn_parameters(network)["one"]
    node, x = network.nodes[0], image_of(6, 7).astype(np.float64)
    total = sum(
        DEFINITIONS["batch_norm"](
            {"bn": weights[f"bn_{branch.of}"]},
            {},
            DEFINITIONS[branch.kind](branch.weights, branch.attributes, x),
        )
        for branch in branches(kind, weights, node.attributes)
    )
    np.testing.assert_array_equal(DEFINITIONS[kind](weights, node.attributes, x), total)


def test_a_network_of_several_answers_gives_them_all_and_what_is_kept():
    nodes = tuple(Node(name=name, kind="relu", inputs=("image",)) for name in "abc")
    network = Network(name="three", nodes=nodes, outputs=("a", "c"))
    image = image_of(2, 2)
    assert set(run(network, {}, image, arithmetic=DEFINITIONS)) == {"a", "c"}
    assert set(run(network, {}, image, arithmetic=DEFINITIONS, keep=["b"])) == {"a", "b", "c"}
