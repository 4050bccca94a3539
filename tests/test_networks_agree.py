"""The network that `refimpl` runs is the network that `hwsim` costs."""

import numpy as np
import pytest

import hwsim
from refimpl import BatchNorm
from refimpl.nets.resnet import STAGES, resnet
from refimpl.nets.run import DEFINITIONS, fuse_network, run

SIDE = 64


def blank(name, shape):
    """Weights of no value: only their shapes matter here."""
    zeros, ones = np.zeros(shape, np.float32), np.ones(shape, np.float32)
    return BatchNorm(ones, zeros, zeros, ones) if name.startswith("bn") else zeros


def executed(depth, stage):
    """(in channels, side, out channels, kernel, stride) of every product that a run computes."""
    seen = []

    def recording(kind):
        def evaluate(weights, attributes, x, *rest):
            if "w" in weights:
                taps = weights["w"].shape[2:] or (1, 1)
                side = x.shape[2] if x.ndim == 4 else 1
                stride = attributes.get("stride", (1, 1))
                seen.append((weights["w"].shape[1], side, weights["w"].shape[0], taps, stride))
            return DEFINITIONS[kind](weights, attributes, x, *rest)

        return evaluate

    network = resnet(depth, stage=stage)
    weights = {
        node.name: {name: blank(name, shape) for name, shape in node.shapes.items()}
        for node in network.nodes
        if node.shapes
    }
    fused, parameters = fuse_network(network, weights)
    image = np.zeros((1, 3, SIDE, SIDE), np.float32)
    run(fused, parameters, image, arithmetic={kind: recording(kind) for kind in DEFINITIONS})
    return seen


def costed(depth, stage):
    form = {} if stage is None else {"stage": stage, "form": "xvolution-fused"}
    layers = hwsim.network(f"resnet{depth}", height=SIDE, width=SIDE, **form).layers
    return [
        (
            each.in_channels,
            each.height,
            each.out_channels,
            (each.kernel_h, each.kernel_w),
            (each.stride, each.stride),
        )
        for layer in layers
        for each in layer.primitives
        if isinstance(each, hwsim.Convolution)
    ]


@pytest.mark.parametrize("depth", [34, 50])
@pytest.mark.parametrize("stage", [None, *STAGES])
def test_every_convolution_that_runs_is_costed_with_its_shape(depth, stage):
    assert sorted(executed(depth, stage)) == sorted(costed(depth, stage))
