"""AlexNet, layer by layer, as published tables have it."""

import pytest

from refimpl.nets.alexnet import alexnet
from refimpl.nets.shapes import node_shapes


def outputs(network, side):
    return {row.name: row.output for row in node_shapes(network, side, side)}


@pytest.mark.parametrize(
    ("layer", "inputs", "output", "group_channels", "kernel", "stride"),
    [
        # Chen et al., "Eyeriss", IEEE JSSC 52(1), 2017, Table I: H, R, E, C, M, U of CONV1 … CONV5,
        # where C is the channels that one output sees and H counts padding
        ("conv1", 227, 55, 3, 11, 4),
        ("conv2", 31, 27, 48, 5, 1),
        ("conv3", 15, 13, 256, 3, 1),
        ("conv4", 15, 13, 192, 3, 1),
        ("conv5", 15, 13, 192, 3, 1),
    ],
)
def test_alexnets_convolutions_are_those_of_the_eyeriss_table(
    layer, inputs, output, group_channels, kernel, stride
):
    rows = {row.name: row for row in node_shapes(alexnet(), 227, 227)}
    node, row = alexnet().node(layer), rows[layer]
    assert row.inputs[0][1] + 2 * node.attributes["padding"][0] == inputs
    assert row.output[1:] == (output, output)
    assert node.shapes["w"][1:] == (group_channels, kernel, kernel)
    assert node.attributes["stride"] == (stride, stride)


def test_alexnet_normalises_after_the_first_two_relus_and_pools_after_that():
    nodes = [(node.name, node.kind) for node in alexnet().nodes]
    assert [name for name, kind in nodes if kind == "local_response_norm"] == [
        "conv1.norm", "conv2.norm"
    ]  # fmt: skip
    assert [kind for name, kind in nodes if name.startswith("conv1")] == [
        "conv2d", "relu", "local_response_norm", "max_pool2d"
    ]  # fmt: skip
    sizes = outputs(alexnet(), 227)
    assert [sizes[f"conv{n}.pool"] for n in (1, 2, 5)] == [
        (96, 27, 27), (256, 13, 13), (256, 6, 6)
    ]  # fmt: skip
    assert sizes["flatten"] == (9216,)


@pytest.mark.parametrize("side", [67, 98, 99, 130, 224, 227, 300])
def test_alexnets_first_product_takes_what_is_left_of_any_image(side):
    features = outputs(alexnet(height=side, width=side), side)["flatten"]
    assert alexnet(height=side, width=side).node("fc6").shapes["w"] == (4096, *features)
