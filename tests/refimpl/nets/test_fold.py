"""Every network after folding and merging is the network it was."""

import numpy as np
import pytest

from refimpl.nets.branches import ATTENTION
from refimpl.nets.catalogue import build
from refimpl.nets.fold import fuse_network
from refimpl.nets.graph import Network, Node
from refimpl.nets.resnet import resnet
from refimpl.nets.run import DEFINITIONS, run
from refimpl.nets.shapes import node_shapes
from refimpl.nets.sites import OPERATORS, batch_norm, site
from tests.refimpl.nets.blank import blank_parameters, drawn_parameters

TOLERANCE = 1e-9  # of the largest number: float64, some thirty layers


def images(height, width, channels=3):
    return np.random.default_rng(4).standard_normal((2, channels, height, width))


def fused_agrees(network, image):
    """Run both, compare every answer; return the fused network."""
    parameters = drawn_parameters(network)
    fused, folded = fuse_network(network, parameters)
    before = run(network, parameters, image, arithmetic=DEFINITIONS)
    after = run(fused, folded, image, arithmetic=DEFINITIONS)
    assert set(before) == set(network.answers)
    assert set(after) == set(fused.answers)
    for old, new in zip(network.answers, fused.answers, strict=True):
        scale = np.abs(before[old]).max()
        assert scale > 0
        np.testing.assert_allclose(after[new], before[old], rtol=0, atol=TOLERANCE * scale)
    return fused


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3])
def test_a_site_of_any_operator_keeps_its_function(operator, stride, kernel):
    nodes = site(operator, "one", "image", 3, 4, stride=stride, kernel=kernel)
    network = Network(name="site", nodes=nodes)
    fused = fused_agrees(network, images(7, 6))
    kinds = [node.kind for node in fused.nodes]
    if operator == "xvolution":
        assert kinds == ["xvolution_fused"]
    elif operator in ATTENTION:
        assert kinds == ["conv2d", ATTENTION[operator], "add"]
        assert fused.nodes[-1].name == "one"
    else:
        assert kinds == [operator]


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_network_with_any_operator_keeps_its_function_and_loses_its_normalisations(operator):
    """As far as the first block that strides: two sites with a shortcut beside them."""
    whole = resnet(34, stage="conv3_x", operator=operator)
    end = whole.nodes.index(whole.node("conv3_1.relu")) + 1
    part = Network(name="part", nodes=whole.nodes[:end])
    fused = fused_agrees(part, images(33, 40))
    assert {"batch_norm", *ATTENTION}.isdisjoint({node.kind for node in fused.nodes})


@pytest.mark.parametrize(
    ("name", "size"),
    [("alexnet", (67, 70)), ("resnet50-fpn", (64, 75))],
)
def test_every_other_network_keeps_its_function(name, size):
    height, width = size
    network = build(name, height=height, width=width)
    fused = fused_agrees(network, images(height, width)[:1])
    assert fused.answers == network.answers


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_fused_network_has_shapes_too(operator):
    network = resnet(34, stage="conv3_x", operator=operator)
    fused, _ = fuse_network(network, blank_parameters(network))
    before = {row.name: row for row in node_shapes(network, 40, 50)}
    macs = {"before": 0, "after": 0}
    for row in node_shapes(fused, 40, 50):
        if row.name in before:
            assert row.output == before[row.name].output
            macs["before"] += before[row.name].macs
        macs["after"] += row.macs
    assert macs["before"] == macs["after"] > 0


def test_a_normalisation_that_follows_no_convolution_stays():
    nodes = (
        Node(name="one", kind="relu", inputs=("image",)),
        batch_norm("one", 3),
        Node(name="sum", kind="add", inputs=("one.bn", "image")),
    )
    fused = fused_agrees(Network(name="other", nodes=nodes), images(3, 4))
    assert [node.kind for node in fused.nodes] == ["relu", "batch_norm", "add"]


def test_an_answer_that_is_a_normalisation_is_renamed_to_what_it_was_folded_into():
    nodes = site("pssa", "one", "image", 3, 4)
    network = Network(name="site", nodes=nodes, outputs=("one.bn",))
    assert fused_agrees(network, images(3, 4)).answers == ("one",)


def test_a_bias_before_a_normalisation_is_folded_with_it():
    conv, norm = site("conv2d", "one", "image", 3, 4)
    biased = Node(
        name="one",
        kind="conv2d",
        inputs=conv.inputs,
        attributes=conv.attributes,
        shapes={**conv.shapes, "b": (4,)},
    )
    fused_agrees(Network(name="biased", nodes=(biased, norm)), images(3, 4))
