"""Totals against publications; shapes against a run; refusals."""

import re
from dataclasses import replace

import numpy as np
import pytest

from refimpl.nets.catalogue import NETWORKS, build
from refimpl.nets.graph import Network, Node
from refimpl.nets.run import DEFINITIONS, run
from refimpl.nets.shapes import node_shapes, total
from refimpl.nets.sites import OPERATORS
from tests.refimpl.nets.blank import blank_parameters

SMALL = {
    "resnet34": (33, 47),
    "resnet50": (64, 64),
    "resnet50-fpn": (96, 130),
    "alexnet": (67, 99),
    "vgg16": (32, 65),
}


def rows_of(name, height=None, width=None, **options):
    entry = NETWORKS[name]
    height, width = height or entry.height, width or entry.width
    network = build(name, height=height, width=width, **options)
    return {row.name: row for row in node_shapes(network, height, width)}


def sums(name, **options):
    return total(list(rows_of(name, **options).values()))


@pytest.mark.parametrize(
    ("name", "parameters", "giga_macs"),
    [
        # "num_params" and "GFLOPS" (multiply-accumulates) of torchvision's model pages
        ("resnet34", 21_797_672, "3.66"),
        ("resnet50", 25_557_032, "4.09"),
        ("vgg16", 138_357_544, "15.47"),
        # numbers in the weight file of the two-group model of Caffe, as PipeCNN reads it; MACs of
        # Sze et al., arXiv:1703.09039 (2017), Table II: 724 M
        ("alexnet", 60_965_224, "0.72"),
    ],
)
def test_a_plain_network_has_the_published_parameters_and_macs(name, parameters, giga_macs):
    sums_ = sums(name)
    assert sums_.parameters == parameters
    assert f"{sums_.macs / 1e9:.2f}" == giga_macs


@pytest.mark.parametrize(
    ("name", "convolutions", "products"),
    [
        # Sze et al., arXiv:1703.09039 (2017), Table II: MACs of the convolutional and of the fully
        # connected layers, in millions (AlexNet, with fc 58.6) and in billions
        ("alexnet", (666, 1e6, 0), (58.6, 1e6, 1)),
        ("vgg16", (15.3, 1e9, 1), (124, 1e6, 0)),
    ],
)
def test_convolutions_and_products_share_the_macs_as_published(name, convolutions, products):
    rows = rows_of(name).values()
    for kind, (published, unit, digits) in (("conv2d", convolutions), ("linear", products)):
        macs = sum(row.macs for row in rows if row.kind == kind)
        assert round(macs / unit, digits) == published


def test_the_first_versions_bottlenecks_take_the_macs_of_the_paper():
    """He et al., arXiv:1512.03385, Table 1: 3.8e9; Sze et al., arXiv:1703.09039, Table II: 3.86e9
    in the convolutions, which hold 23.5 million weights.
    """
    rows = rows_of("resnet50", version="1").values()
    convolutions = [row for row in rows if row.kind == "conv2d"]
    assert sums("resnet50", version="1").macs == 3_857_973_248
    assert round(sum(row.macs for row in convolutions) / 1e9, 2) == 3.86
    assert round(sum(row.parameters for row in convolutions) / 1e6, 1) == 23.5
    assert sums("resnet50", version="1").parameters == sums("resnet50").parameters


HEADS = {
    "region proposals": (256 * 256 * 9 + 256) + (256 * 3 + 3) + (256 * 12 + 12),
    "box head": (256 * 7 * 7 * 1024 + 1024) + (1024 * 1024 + 1024),
    "box predictor": (1024 * 91 + 91) + (1024 * 364 + 364),
    "mask head": 4 * (256 * 256 * 9 + 256),
    "mask predictor": (256 * 256 * 4 + 256) + (256 * 91 + 91),
}
"""Parameters of what stands behind the backbone: convolutions and products with their biases."""


@pytest.mark.parametrize(
    ("heads", "published"),
    [
        # "num_params" of torchvision's fasterrcnn_resnet50_fpn and maskrcnn_resnet50_fpn
        (("region proposals", "box head", "box predictor"), 41_755_286),
        (tuple(HEADS), 44_401_393),
    ],
)
def test_backbone_and_heads_are_the_published_detectors(heads, published):
    """Their normalisations are frozen: γ and β are not among the published parameters."""
    rows = rows_of("resnet50-fpn").values()
    frozen = sum(row.parameters for row in rows if row.kind == "batch_norm")
    backbone = sum(row.parameters for row in rows)
    assert backbone - frozen + sum(HEADS[head] for head in heads) == published


def test_the_pyramid_has_the_parameters_that_the_paper_implies():
    """A 1×1 of each of 256, 512, 1024 and 2048 channels to 256, and four 3×3, all with biases."""
    rows = rows_of("resnet50-fpn")
    classifier = 2048 * 1000 + 1000
    pyramid = (256 + 512 + 1024 + 2048) * 256 + 4 * 256 + 4 * (256 * 256 * 9 + 256)
    assert pyramid == 3_344_384
    assert total(list(rows.values())).parameters == 25_557_032 - classifier + pyramid
    assert sum(row.parameters for row in rows.values() if re.match("lateral|p", row.name)) == (
        pyramid
    )


def test_the_pyramid_takes_the_macs_of_a_published_detector():
    """Detectron2's analysis of its Faster R-CNN at 800×800 counts 117 whole GMACs of convolutions:
    this backbone (version 1), and on P2 … P6 the region proposals' 3×3 and two 1×1.
    """
    rows = rows_of("resnet50-fpn", version="1", height=800, width=800)
    pixels = sum(np.prod(rows[f"p{level}"].output[1:]) for level in range(2, 7))
    proposals = int(pixels) * (256 * 256 * 9 + 256 * 3 + 256 * 12)
    assert int((total(list(rows.values())).macs + proposals) / 1e9) == 117


def test_the_pyramid_at_800_by_1333_has_the_sizes_of_the_paper():
    rows = rows_of("resnet50-fpn")
    sizes = [rows[f"p{level}"].output for level in range(2, 7)]
    assert sizes == [
        (256, 200, 334), (256, 100, 167), (256, 50, 84), (256, 25, 42), (256, 13, 21)
    ]  # fmt: skip


CASES = [
    *((name, {}) for name in SMALL),
    ("resnet50", {"version": "1"}),
    *(("resnet50", {"stage": "conv5_x", "operator": operator}) for operator in OPERATORS),
    *(("resnet34", {"stage": "conv3_x", "operator": operator}) for operator in OPERATORS),
    ("resnet50-fpn", {"stage": "conv5_x", "operator": "xvolution", "kernel": 5}),
]


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_a_run_gives_every_node_the_shape_inferred(name, options):
    height, width = SMALL[name]
    network = build(name, height=height, width=width, **options)
    image = np.zeros((2, 3, height, width), np.float32)
    every = [node.name for node in network.nodes]
    weights = blank_parameters(network)
    seen = run(network, weights, image, arithmetic=DEFINITIONS, keep=every)
    rows = node_shapes(network, height, width)
    assert {row.name: (2, *row.output) for row in rows} == {
        name: array.shape for name, array in seen.items()
    }
    for row, node in zip(rows, network.nodes, strict=True):
        assert row.inputs == tuple({"image": image, **seen}[each].shape[1:] for each in node.inputs)


def test_what_cannot_enter_a_node_is_refused_by_the_nodes_name():
    for name, height, sentence in (
        ("alexnet", 70, r"^fc6: x must have shape \(9216,\), not \(256,\)"),
        ("vgg16", 20, r"^pool5: kernel must fit in the padded image: it spans \(2, 2\)"),
        ("resnet50", 0, r"^an image must be at least 1×1, not 0×0"),
    ):
        with pytest.raises(ValueError, match=sentence):
            node_shapes(build(name), height, height)


def test_channels_that_do_not_fit_are_refused_by_the_nodes_name():
    for operator in OPERATORS:
        network = build("resnet34", stage="conv2_x", operator=operator)
        first = replace(network.node("conv2_1.conv1"), inputs=("image",))
        with pytest.raises(ValueError, match=r"^conv2_1\.conv1: x must have 64 channels"):
            node_shapes(Network(name="one", nodes=(first,)), 8, 8)


def test_terms_of_a_sum_must_have_one_shape():
    conv = build("resnet34").node("conv1")
    add = Node(name="sum", kind="add", inputs=("image", "conv1"))
    with pytest.raises(ValueError, match=r"^sum: both terms must have one shape, not \(3, 8, 8\)"):
        node_shapes(Network(name="two", nodes=(conv, add)), 8, 8)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"name": "lenet"}, "network must be one of resnet34, .*, vgg16, not 'lenet'"),
        ({"name": "alexnet", "stage": "conv3_x"}, "alexnet must be built without a stage"),
        ({"name": "vgg16", "version": "1"}, "vgg16 must be built without a version"),
        ({"name": "resnet50", "version": "2"}, r"version must be one of 1\.5, 1, not '2'"),
        (
            {"name": "resnet50-fpn", "stage": "conv5_x", "operator": "convolution"},
            "operator must be one of conv2d, pssa, .*, not 'convolution'",
        ),
        ({"name": "alexnet", "height": 66}, "an image for AlexNet must be at least 67×67, not 66"),
        ({"name": "vgg16", "width": 31}, "an image for VGG-16 must be at least 32×32, not 224×31"),
    ],
)
def test_a_network_that_does_not_exist_is_refused_in_one_sentence(options, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}"):
        build(**options)
