"""The pyramid, level by level, as the paper draws it."""

import numpy as np
import pytest

from refimpl.nets.fpn import resnet50_fpn
from refimpl.nets.resnet import resnet
from refimpl.nets.run import DEFINITIONS, run
from tests.refimpl.nets.blank import drawn_parameters

ENDS = {2: "conv2_3.relu", 3: "conv3_4.relu", 4: "conv4_6.relu", 5: "conv5_3.relu"}
SIZE = (64, 90)


@pytest.fixture(scope="module")
def pyramid():
    """Weights and every map that matters, float64, on an image with odd sides on the way."""
    network = resnet50_fpn(stage=None)
    weights = drawn_parameters(network)
    image = np.random.default_rng(8).standard_normal((1, 3, *SIZE))
    keep = [*ENDS.values(), "lateral5"]
    return network, weights, run(network, weights, image, arithmetic=DEFINITIONS, keep=keep)


def nearest(coarse, like):
    """Each finer pixel from the coarser one it lies in, written out."""
    (h, w), (height, width) = coarse.shape[2:], like.shape[2:]
    out = np.empty((*coarse.shape[:2], height, width))
    for i in range(height):
        for j in range(width):
            out[:, :, i, j] = coarse[:, :, int(i * h / height), int(j * w / width)]
    return out


def mixed(weights, x):
    return np.einsum("oc,nchw->nohw", weights["w"][:, :, 0, 0], x) + weights["b"][:, None, None]


def test_the_levels_are_sums_from_coarse_to_fine(pyramid):
    _, weights, seen = pyramid
    merged = mixed(weights["lateral5"], seen[ENDS[5]])
    odd = False
    for level in (5, 4, 3, 2):
        if level < 5:
            lateral = mixed(weights[f"lateral{level}"], seen[ENDS[level]])
            odd = odd or lateral.shape[3] != 2 * merged.shape[3]
            merged = lateral + nearest(merged, lateral)
        same = {"stride": (1, 1), "padding": (1, 1)}
        expected = DEFINITIONS["conv2d"](weights[f"p{level}"], same, merged)
        scale = np.abs(expected).max()
        np.testing.assert_allclose(seen[f"p{level}"], expected, rtol=0, atol=1e-9 * scale)
    assert odd


def test_the_last_level_is_every_second_pixel_of_the_one_before(pyramid):
    _, _, seen = pyramid
    np.testing.assert_array_equal(seen["p6"], seen["p5"][:, :, ::2, ::2])


def test_each_level_halves_the_one_before_rounded_up(pyramid):
    network, _, seen = pyramid
    assert network.answers == ("p2", "p3", "p4", "p5", "p6")
    assert [seen[name].shape for name in network.answers] == [
        (1, 256, 16, 23), (1, 256, 8, 12), (1, 256, 4, 6), (1, 256, 2, 3), (1, 256, 1, 2)
    ]  # fmt: skip


@pytest.mark.parametrize("version", ["1", "1.5"])
def test_below_the_pyramid_stands_resnet_50_without_its_classifier(version):
    whole = resnet(50, stage="conv5_x", operator="xvolution_local", version=version)
    backbone = resnet50_fpn(operator="xvolution_local", version=version)
    assert backbone.nodes[: len(whole.nodes) - 2] == whole.nodes[:-2]
    assert {node.kind for node in whole.nodes[-2:]} == {"global_avg_pool", "linear"}
    replaced = [node.name for node in backbone.nodes if node.kind == "xvolution_local"]
    assert replaced == ["conv5_1.conv2", "conv5_2.conv2", "conv5_3.conv2"]


def test_the_name_says_version_stage_and_operator():
    assert resnet50_fpn().name == "ResNet-50-FPN with X-volution in conv5_x"
    assert resnet50_fpn(stage=None, version="1").name == "ResNet-50-FPN v1"
    assert resnet50_fpn(stage="conv4_x", operator="pssa").name == (
        "ResNet-50-FPN with pssa in conv4_x"
    )
