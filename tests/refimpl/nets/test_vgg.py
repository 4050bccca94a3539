"""VGG-16, layer by layer, as the paper has it."""

from refimpl.nets.shapes import node_shapes
from refimpl.nets.vgg import vgg16


def outputs(network, side):
    return {row.name: row.output for row in node_shapes(network, side, side)}


def test_vgg_halves_the_image_five_times_and_ends_with_7_by_7():
    sizes = outputs(vgg16(), 224)
    assert [sizes[f"pool{n}"] for n in range(1, 6)] == [
        (64, 112, 112), (128, 56, 56), (256, 28, 28), (512, 14, 14), (512, 7, 7)
    ]  # fmt: skip
    assert vgg16().node("fc6").shapes["w"] == (4096, 7 * 7 * 512)


def test_vgg_has_thirteen_convolutions_and_three_products_each_with_a_relu_but_the_last():
    kinds = [node.kind for node in vgg16().nodes]
    assert (kinds.count("conv2d"), kinds.count("linear"), kinds.count("relu")) == (13, 3, 15)
    assert {node.shapes["w"][2:] for node in vgg16().nodes if node.kind == "conv2d"} == {(3, 3)}
