"""The network family as data, and as a forward pass in both arithmetics, trained and fused."""

from dataclasses import replace

import numpy as np
import pytest

from refimpl.nets.graph import Network, initialise, parameter_count
from refimpl.nets.resnet import STAGES, resnet
from refimpl.nets.run import BIT_EXACT, DEFINITIONS, calibrate, fuse_network, run
from refimpl.nets.sites import OPERATORS
from refimpl.ops.batch_norm import BatchNorm
from tests.refimpl.nets.blank import blank_parameters

SIDE = 64  # conv5_x then sees 2×2 pixels: a single one would have no variance
depths = pytest.mark.parametrize("depth", [34, 50])
every_stage = pytest.mark.parametrize("stage", STAGES)
NAMES = {"conv2_x": "conv2_", "conv3_x": "conv3_", "conv4_x": "conv4_", "conv5_x": "conv5_"}
BLOCKS = {"conv2_x": 3, "conv3_x": 4, "conv4_x": 6, "conv5_x": 3}
THREE_BY_THREES = {34: ("conv1", "conv2"), 50: ("conv2",)}


@pytest.mark.parametrize(("depth", "parameters"), [(34, 21_797_672), (50, 25_557_032)])
def test_the_plain_networks_have_the_parameters_everyone_counts(depth, parameters):
    """The numbers that the reference implementations of both networks report."""
    assert parameter_count(blank_parameters(resnet(depth, stage=None))) == parameters


@depths
@every_stage
def test_x_volution_stands_exactly_where_the_stages_three_by_three_convolutions_stood(depth, stage):
    plain = {node.name: node for node in resnet(depth, stage=None).nodes}
    with_it = {node.name: node for node in resnet(depth, stage=stage).nodes}
    changed = {name for name, node in with_it.items() if node.kind == "xvolution"}
    assert changed == {
        f"{NAMES[stage]}{block + 1}.{part}"
        for block in range(BLOCKS[stage])
        for part in THREE_BY_THREES[depth]
    }
    for name in changed:
        assert plain[name].shapes["w"] == with_it[name].shapes["w_c"]
        assert plain[name].shapes["w"][2:] == (3, 3)
        assert plain[name].attributes["stride"] == with_it[name].attributes["stride"]
        outputs, inputs, *_ = plain[name].shapes["w"]
        assert with_it[name].shapes["w_a"] == (outputs, 4 * inputs, 3, 3)
    for name, node in plain.items():
        if name.removesuffix(".bn") not in changed:
            assert without_norms(with_it[name], changed) == without_norms(node, changed)


@depths
@every_stage
@pytest.mark.parametrize("operator", OPERATORS)
def test_any_operator_stands_there_with_the_contract_of_the_convolution(depth, stage, operator):
    plain = {node.name: node for node in resnet(depth, stage=None).nodes}
    network = resnet(depth, stage=stage, operator=operator)
    sites = [
        f"{NAMES[stage]}{block + 1}.{part}"
        for block in range(BLOCKS[stage])
        for part in THREE_BY_THREES[depth]
    ]
    assert [node.name for node in network.nodes if node.kind == operator if node.name in sites] == (
        sites
    )
    for name, node in {node.name: node for node in network.nodes}.items():
        if name in sites:
            assert node.attributes["stride"] == plain[name].attributes["stride"]
        elif name.removesuffix(".bn") not in sites:
            assert (node.kind, node.shapes, node.attributes) == (
                plain[name].kind,
                plain[name].shapes,
                plain[name].attributes,
            )


@every_stage
def test_a_plain_convolution_in_place_of_a_plain_convolution_is_the_plain_network(stage):
    assert resnet(50, stage=stage, operator="conv2d").nodes == resnet(50, stage=None).nodes


def test_the_first_version_strides_on_the_first_convolution_of_a_bottleneck():
    def striding(version, depth):
        return [
            node.name
            for node in resnet(depth, stage="conv4_x", version=version).nodes
            if node.attributes.get("stride") == (2, 2) and not node.name.endswith("downsample")
        ]

    assert striding("1.5", 50) == ["conv1", "conv3_1.conv2", "conv4_1.conv2", "conv5_1.conv2"]
    assert striding("1", 50) == ["conv1", "conv3_1.conv1", "conv4_1.conv1", "conv5_1.conv1"]
    assert striding("1", 34) == striding("1.5", 34)


def test_a_networks_name_says_version_operator_and_stage():
    assert resnet(50).name == "ResNet-50 with X-volution in conv3_x"
    assert resnet(50, stage=None).name == "ResNet-50"
    named = resnet(34, stage="conv4_x", operator="local_attention", version="1")
    assert named.name == "ResNet-34 v1 with local_attention in conv4_x"


def without_norms(node, changed):
    """A node that reads the normalisation of a replaced convolution reads X-volution itself."""
    inputs = tuple(
        name.removesuffix(".bn") if name.removesuffix(".bn") in changed else name
        for name in node.inputs
    )
    return replace(node, inputs=inputs)


@depths
def test_every_node_reads_nodes_before_it_and_every_node_but_the_last_is_read(depth):
    network = resnet(depth)
    seen = {"image"}
    for node in network.nodes:
        assert set(node.inputs) <= seen, node.name
        assert node.name not in seen
        seen.add(node.name)
    read = {name for node in network.nodes for name in node.inputs}
    assert seen - read == {"fc"}


def test_the_attention_kernel_may_be_larger_or_pointwise():
    for kernel in (1, 5):
        node = resnet(50, kernel=kernel).node("conv3_2.conv2")
        assert node.shapes["w_a"] == (128, 512, kernel, kernel)
        assert node.shapes["w_c"] == (128, 128, 3, 3)


@pytest.mark.parametrize("layer", ["conv1", "conv5_3.conv2", "fc"])
def test_initial_weights_have_the_variance_of_he_and_no_mean(layer):
    node = resnet(50).node(layer)
    w = initialise(Network(name="one", nodes=(node,)))[layer]["w"]
    fan_in = w[0].size
    assert w.dtype == np.float32
    error = (2 / w.size) ** 0.5  # standard error of a variance of normal numbers, relative
    assert abs(w.astype(float).var() * fan_in / 2 - 1) < 5 * error
    assert abs(w.astype(float).mean()) < 5 * (2 / fan_in / w.size) ** 0.5


def test_a_fresh_normalisation_is_the_identity_and_seeds_differ():
    node = resnet(50).node("conv3_1.conv2")
    small = Network(name="one", nodes=(node,))
    weights, other = initialise(small)["conv3_1.conv2"], initialise(small, seed="1")
    for name in ("bn_c", "bn_a"):
        for array, value in zip(weights[name], (1, 0, 0, 1), strict=True):
            assert np.all(array == value)
    assert not np.array_equal(weights["w_a"], other["conv3_1.conv2"]["w_a"])
    assert not np.array_equal(weights["w_a"][:, :128], weights["w_c"])


@pytest.mark.small
@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: resnet(18), "depth must be one of 34, 50, not 18"),
        (lambda: resnet(50, stage="conv6_x"), "stage must be one of conv2_x, conv3_x"),
        (lambda: resnet(50, operator="x"), "operator must be one of conv2d, pssa, .*, not 'x'"),
        (lambda: resnet(50, version="v1"), "version must be one of 1.5, 1, not 'v1'"),
        (lambda: resnet(50, kernel=2), "the attention kernel's side must be odd, not 2"),
        (lambda: resnet(50, kernel=-1), "the attention kernel's side must be odd, not -1"),
        (
            lambda: resnet(50).node("conv3_2.conv4"),
            r"layer must be one of ResNet-50 with X-volution in conv3_x's, such as conv3_2\.conv",
        ),
        (lambda: resnet(34).node("?"), "layer must be one of .*, from conv1 to fc, not '\\?'"),
    ],
)
def test_what_there_is_not_is_refused_by_naming_what_there_is(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


def wide(parameters):
    """The same numbers in binary64."""
    return {
        name: {
            key: BatchNorm(*(each.astype(np.float64) for each in value))
            if isinstance(value, BatchNorm)
            else value.astype(np.float64)
            for key, value in weights.items()
        }
        for name, weights in parameters.items()
    }


@pytest.fixture(scope="module")
def trained():
    """ResNet-34 with X-volution, calibrated on a small random image."""
    network = resnet(34)
    image = np.random.default_rng(2).standard_normal((1, 3, SIDE, SIDE)).astype(np.float32)
    return network, calibrate(network, initialise(network), image), image


KEEP = ("maxpool", "conv3_1.relu", "conv3_4.relu", "conv4_6.relu")


def test_the_fused_network_equals_the_trained_one_in_both_arithmetics(trained):
    network, parameters, image = trained
    exact = wide(parameters)
    reference = run(network, exact, image.astype(float), arithmetic=DEFINITIONS, keep=KEEP)
    fused, folded = fuse_network(network, exact)
    assert {"batch_norm", "xvolution"}.isdisjoint({node.kind for node in fused.nodes})
    merged = run(fused, folded, image.astype(float), arithmetic=DEFINITIONS, keep=KEEP)
    for name in (*KEEP, "fc"):
        scale = np.abs(reference[name]).max()
        np.testing.assert_allclose(merged[name], reference[name], rtol=0, atol=1e-10 * scale)
    for form, weights in ((network, parameters), fuse_network(network, parameters)):
        bits = run(form, weights, image, arithmetic=BIT_EXACT, keep=KEEP)
        for name in (*KEEP, "fc"):
            assert bits[name].dtype == np.float32
            scale = np.abs(reference[name]).max()
            np.testing.assert_allclose(bits[name], reference[name], rtol=0, atol=1e-3 * scale)


def test_calibration_makes_every_normalised_channel_mean_0_and_variance_1(trained):
    network, parameters, image = trained
    names = ("conv1.bn", "conv2_2.conv1.bn", "conv4_3.conv2.bn")
    seen = run(network, parameters, image, arithmetic=BIT_EXACT, keep=names)
    for name in names:
        y = seen[name].astype(float)
        var = parameters[name]["bn"].var
        np.testing.assert_allclose(y.mean(axis=(0, 2, 3)), 0, atol=1e-4)
        np.testing.assert_allclose(y.var(axis=(0, 2, 3)), var / (var + 1e-5), rtol=1e-3)


def test_a_run_keeps_what_is_asked_for_and_the_answer_and_nothing_else(trained):
    network, parameters, image = trained
    part = Network(name="part", nodes=network.nodes[:4])
    kept = run(part, parameters, image, arithmetic=BIT_EXACT, keep=["image", "conv1"])
    assert set(kept) == {"image", "conv1", "maxpool"}
    np.testing.assert_array_equal(kept["image"], image)
    with pytest.raises(ValueError, match=r"layer must be one of .* not 'nothing'"):
        run(part, parameters, image, arithmetic=BIT_EXACT, keep=["nothing"])
