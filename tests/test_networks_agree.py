"""The network that `refimpl` runs is the network that `hwsim` costs."""

import numpy as np
import pytest

import hwsim
from hwsim.networks import STAGES, VERSIONS
from refimpl.nets.catalogue import NETWORKS, build
from refimpl.nets.run import DEFINITIONS, fuse_network, run
from refimpl.nets.shapes import node_shapes
from refimpl.nets.sites import OPERATORS
from tests.refimpl.nets.blank import blank_parameters

SMALL = {
    "resnet34": (64, 64),
    "resnet50": (64, 49),
    "resnet50-fpn": (96, 130),
    "alexnet": (67, 99),
    "vgg16": (32, 65),
}
RESIDUAL = ("resnet34", "resnet50", "resnet50-fpn")
FORMS = {
    "conv2d": "convolution",
    "pssa": "pssa",
    "local_attention": "local-attention",
    "global_attention": "attention",
    "xvolution": "xvolution-training",
    "xvolution_local": "xvolution-training-local",
    "xvolution_global": "xvolution-training-sa",
}
"""Operators of `refimpl` that `hwsim` has a form of, trained and not merged."""


def small(name, **options):
    height, width = SMALL[name]
    return build(name, height=height, width=width, **options)


def executed(name, stage, version):
    """(in channels, height, width, out channels, kernel, stride) of every product that runs."""
    seen = []

    def recording(kind):
        def evaluate(weights, attributes, x, *rest):
            if "w" in weights:
                taps = weights["w"].shape[2:] or (1, 1)
                sides = x.shape[2:] if x.ndim == 4 else (1, 1)
                stride = attributes.get("stride", (1, 1))
                channels = weights["w"].shape[1] * attributes.get("groups", 1)
                seen.append((channels, *sides, weights["w"].shape[0], *taps, *stride))
            return DEFINITIONS[kind](weights, attributes, x, *rest)

        return evaluate

    network = small(name, stage=stage, version=version)
    fused, parameters = network, blank_parameters(network)
    if stage is not None:
        fused, parameters = fuse_network(network, parameters)
    image = np.zeros((1, 3, *SMALL[name]), np.float32)
    run(fused, parameters, image, arithmetic={kind: recording(kind) for kind in DEFINITIONS})
    return seen


def costed(name, stage, version):
    form = {} if stage is None else {"stage": stage, "form": "xvolution-fused"}
    height, width = SMALL[name]
    network = hwsim.network(name, height=height, width=width, version=version, **form)
    return [
        (
            each.in_channels,
            each.height,
            each.width,
            each.out_channels,
            each.kernel_h,
            each.kernel_w,
            each.stride,
            each.stride,
        )
        for layer in network.layers
        for each in layer.primitives
        if isinstance(each, hwsim.Convolution)
    ]


@pytest.mark.parametrize(
    ("name", "stage", "version"),
    [
        *((name, None, "1.5") for name in NETWORKS),
        ("resnet34", "conv2_x", "1.5"),
        ("resnet34", "conv4_x", "1.5"),
        ("resnet50", "conv3_x", "1.5"),
        ("resnet50-fpn", "conv5_x", "1"),
    ],
)
def test_every_convolution_that_runs_is_costed_with_its_shape(name, stage, version):
    assert sorted(executed(name, stage, version)) == sorted(costed(name, stage, version))


def test_both_models_know_the_same_networks_at_the_same_sizes():
    assert {name: (each.height, each.width) for name, each in NETWORKS.items()} == {
        name: (each.height, each.width) for name, each in hwsim.NETWORKS.items()
    }


def inferred(name, **options):
    """MACs by node, of every node that has any, at the published size."""
    entry = NETWORKS[name]
    rows = node_shapes(build(name, **options), entry.height, entry.width)
    return {row.name: row.macs for row in rows if row.macs}


def lowered(name, **options):
    layers = hwsim.network(name, **options).layers
    return {layer.name: layer.macs for layer in layers if layer.macs}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_of_a_plain_network_takes_the_same_macs_in_both(name, version):
    if name in RESIDUAL or version == "1.5":
        assert inferred(name, version=version) == lowered(name, version=version)


@pytest.mark.parametrize("name", RESIDUAL)
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("operator", FORMS)
def test_every_layer_of_a_network_with_an_operator_takes_the_same_macs_in_both(
    name, stage, operator
):
    costs = lowered(name, stage=stage, form=FORMS[operator])
    assert inferred(name, stage=stage, operator=operator) == costs


def test_every_operator_of_a_network_has_a_form():
    assert set(FORMS) == set(OPERATORS)
