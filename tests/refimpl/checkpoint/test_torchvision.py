"""Torchvision's keys of a ResNet are the nodes of ours, every one of them and no other."""

import pytest

from refimpl.checkpoint import TORCHVISION, translate
from refimpl.nets.resnet import resnet

MEMBERS = {"weight": "gamma", "bias": "beta", "running_mean": "mean", "running_var": "var"}
BLOCKS = (3, 4, 6, 3)


def torchvision_keys(depth, *, mixed=None):
    """The keys of ``torchvision.models.resnet*``, written out; ``mixed`` is an X-volution's layer.

    In ResNet-34 both convolutions of a block are 3×3, in ResNet-50 the second of three.
    """
    keys = ["conv1.weight", *(f"bn1.{member}" for member in MEMBERS), "fc.weight", "fc.bias"]
    for layer, blocks in enumerate(BLOCKS, start=1):
        for block in range(blocks):
            here = f"layer{layer}.{block}"
            for number in range(1, 3 if depth == 34 else 4):
                if layer == mixed and (depth == 34 or number == 2):
                    keys += [f"{here}.conv{number}.conv_{of}.weight" for of in "ca"]
                    keys += [f"{here}.conv{number}.bn_{of}.{m}" for of in "ca" for m in MEMBERS]
                else:
                    keys.append(f"{here}.conv{number}.weight")
                    keys += [f"{here}.bn{number}.{member}" for member in MEMBERS]
            if block == 0 and (layer > 1 or depth == 50):
                keys.append(f"{here}.downsample.0.weight")
                keys += [f"{here}.downsample.1.{member}" for member in MEMBERS]
    return keys


def places(network):
    return {
        f"{node.name}/{name}{member}"
        for node in network.nodes
        for name in node.shapes
        for member in ([f".{each}" for each in MEMBERS.values()] if name[:2] == "bn" else [""])
    }


@pytest.mark.parametrize("depth", [34, 50])
@pytest.mark.parametrize(("mixed", "stage"), [(None, None), (2, "conv3_x"), (4, "conv5_x")])
def test_every_key_is_one_array_of_the_network_and_the_other_way_round(depth, mixed, stage):
    found = [translate(key, TORCHVISION) for key in torchvision_keys(depth, mixed=mixed)]
    assert len(set(found)) == len(found)
    assert set(found) == places(resnet(depth, stage=stage))


@pytest.mark.parametrize(
    "key",
    [
        "bn1.num_batches_tracked",
        "layer2.0.downsample.1.num_batches_tracked",
        "layer2.0.conv2.bn_a.num_batches_tracked",
    ],
)
def test_counters_are_left_out(key):
    assert translate(key, TORCHVISION) == ""


@pytest.mark.parametrize("key", ["layer5.weight", "conv2.weight", "layer1.x.conv1.weight"])
def test_other_keys_are_nobody_s(key):
    assert translate(key, TORCHVISION) is None
