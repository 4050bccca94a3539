from itertools import pairwise

import pytest

from hwsim.lowering import FORMS
from hwsim.networks import STAGES, network
from hwsim.networks.maps import Map, pooled
from hwsim.workload import Convolution

BLOCKS = {"conv2_x": 3, "conv3_x": 4, "conv4_x": 6, "conv5_x": 3}
residual = pytest.mark.parametrize("name", ["resnet34", "resnet50", "resnet50-fpn"])


def convolutions(net):
    return [p for layer in net.layers for p in layer.primitives if isinstance(p, Convolution)]


@pytest.mark.parametrize(
    ("name", "giga_macs", "parameters"),
    [
        # torchvision's model pages: GFLOPS (multiply-accumulates) and number of parameters
        ("resnet34", "3.66", 21_797_672),
        ("resnet50", "4.09", 25_557_032),
    ],
)
def test_networks_have_the_published_macs_and_parameters(name, giga_macs, parameters):
    net = network(name)
    convs = convolutions(net)
    weights = sum(c.out_channels * c.in_channels // c.groups * c.taps for c in convs)
    normalisations = 2 * sum(c.out_channels for c in convs[:-1])
    assert f"{net.macs / 1e9:.2f}" == giga_macs
    assert weights + normalisations + convs[-1].out_channels == parameters


@pytest.mark.parametrize(
    ("name", "conv_millions", "fc_millions"),
    [
        # MACs of Sze et al., "Efficient Processing of Deep Neural Networks", arXiv:1703.09039
        # (2017), Table II
        ("alexnet", 666, 58.6),
        ("vgg16", 15_347, 123.6),  # 15.3 G and 124 M there
    ],
)
def test_sequential_networks_have_the_published_macs(name, conv_millions, fc_millions):
    layers = network(name).layers
    products = sum(layer.macs for layer in layers if layer.form == "matrix product")
    assert round((network(name).macs - products) / 1e6) == conv_millions
    assert round(products / 1e6, 1) == fc_millions


@pytest.mark.parametrize(
    ("layer", "macs"),
    [
        # Chen et al., "Eyeriss", IEEE JSSC 52(1), 2017, Table I: E²·M·R²·C of CONV1 … CONV5
        ("conv1", 55**2 * 96 * 11**2 * 3),
        ("conv2", 27**2 * 256 * 5**2 * 48),
        ("conv3", 13**2 * 384 * 3**2 * 256),
        ("conv4", 13**2 * 384 * 3**2 * 192),
        ("conv5", 13**2 * 256 * 3**2 * 192),
    ],
)
def test_alexnets_convolutions_are_those_of_the_eyeriss_table(layer, macs):
    (only,) = network("alexnet").only(layer).layers
    assert only.macs == macs
    assert [each.kind for each in only.primitives[1:]] == ["relu"]


def test_alexnet_normalises_what_a_relu_gives_and_pools_that():
    layers = {layer.name: layer.primitives[0] for layer in network("alexnet", batch=2).layers}
    assert layers["conv1.norm"].kind == "response_norm"
    assert layers["conv1.norm"].elements == layers["conv1.pool"].inputs == 2 * 96 * 55 * 55
    assert layers["conv1.pool"].outputs == 2 * 96 * 27 * 27
    assert layers["conv5.pool"].outputs == 2 * 9216


def test_the_pyramid_adds_a_coarser_map_to_a_finer_one_and_halves_the_coarsest():
    net = network("resnet50-fpn")
    assert (net.height, net.width) == (800, 1333)
    layers = {layer.name: layer.primitives for layer in net.layers}
    for level, pixels in ((2, 200 * 334), (3, 100 * 167), (4, 50 * 84)):
        (total,) = layers[f"merge{level}"]
        assert (total.kind, total.elements, total.inputs) == ("add", 256 * pixels, 2)
    assert "merge5" not in layers
    (halved,) = layers["p6"]
    assert (halved.inputs, halved.outputs) == (256 * 25 * 42, 256 * 13 * 21)
    assert halved.operations == halved.outputs


def test_the_first_version_strides_on_the_first_1x1():
    net = network("resnet50", version="1")
    assert net.macs == 3_857_973_248
    striding = [c for c in convolutions(net) if c.stride == 2]
    assert [c.kernel_h for c in striding] == [7, 1, 1, 1, 1, 1, 1]
    assert (net.name, network("resnet50").name) == ("resnet50 v1", "resnet50")
    assert network("resnet34", version="1").layers == network("resnet34").layers


@pytest.mark.parametrize(("side", "left"), [(55, 27), (56, 27), (57, 28), (3, 1)])
def test_a_window_that_does_not_fit_is_left_out(side, left):
    assert pooled(Map(1, 5, side, 3), kernel=3, stride=2) == Map(1, 5, left, 1)


def test_resnet50_is_the_version_that_strides_in_the_3x3():
    assert network("resnet50").macs == 4_089_184_256
    striding = [c for c in convolutions(network("resnet50")) if c.stride == 2]
    assert [c.kernel_h for c in striding] == [7, 3, 1, 3, 1, 3, 1]


def test_layers_are_named_by_stage_block_and_part():
    assert [layer.name for layer in network("resnet50").layers][:11] == [
        "conv1",
        "maxpool",
        "conv2_1.conv1",
        "conv2_1.conv2",
        "conv2_1.conv3",
        "conv2_1.downsample",
        "conv2_1.add",
        "conv2_2.conv1",
        "conv2_2.conv2",
        "conv2_2.conv3",
        "conv2_2.add",
    ]
    small = [layer.name for layer in network("resnet34").layers]
    assert small[2:8] == [f"conv2_{b}.{p}" for b in (1, 2) for p in ("conv1", "conv2", "add")]
    assert small[-2:] == ["avgpool", "fc"]
    assert [n for n in small if n.endswith("downsample")] == [
        f"conv{stage}_1.downsample" for stage in (3, 4, 5)
    ]


@pytest.mark.parametrize("size", [(224, 224), (65, 97), (33, 1), (800, 1333)])
@residual
def test_both_paths_of_every_block_end_in_the_same_shape(name, size):
    layers = {layer.name: layer for layer in network(name, height=size[0], width=size[1]).layers}
    for layer_name, layer in layers.items():
        if layer_name.endswith("downsample"):
            conv, total = layer.primitives[0], layers[f"{layer_name[:7]}.add"].primitives[0]
            assert conv.out_elements == total.elements


@residual
def test_every_number_read_from_a_convolution_is_what_the_one_before_wrote(name):
    """Along the residual path each convolution's input is the size of the previous output."""
    layers = network(name).layers
    for stage, blocks in BLOCKS.items():
        for block in range(1, blocks + 1):
            prefix = f"{stage.removesuffix('x')}{block}.conv"
            path = [layer.primitives[0] for layer in layers if layer.name.startswith(prefix)]
            assert len(path) in {2, 3}
            for before, after in pairwise(path):
                assert before.out_elements == after.in_channels * after.height * after.width


def test_pooling_looks_at_nine_numbers_per_output_and_then_at_a_whole_map():
    layers = {layer.name: layer.primitives[0] for layer in network("resnet50", batch=2).layers}
    assert layers["maxpool"].inputs == 2 * 64 * 112 * 112
    assert layers["maxpool"].operations == 2 * 64 * 56 * 56 * 3 * 3
    assert layers["avgpool"].operations == layers["avgpool"].inputs == 2 * 2048 * 7 * 7
    assert layers["avgpool"].outputs == 2 * 2048


@pytest.mark.parametrize("batch", [1, 8])
def test_macs_grow_with_the_batch(batch):
    assert network("resnet34", batch=batch).macs == batch * network("resnet34").macs


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("form", FORMS)
def test_a_form_changes_the_3x3_convolutions_of_its_stage_and_nothing_else(stage, form):
    plain, changed = network("resnet50"), network("resnet50", stage=stage, form=form)
    assert len(changed.sites) == BLOCKS[stage]
    for before, after in zip(plain.layers, changed.layers, strict=True):
        assert (before.name, after.form) == (
            after.name,
            form if after.name in changed.sites else before.form,
        )
        if after.name not in changed.sites or form == "convolution":
            assert before == after
        else:
            assert before.primitives != after.primitives


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"name": "resnet5"}, r"network must be one of resnet34, .*, not 'resnet5' \(did you mean"),
        ({"version": "2"}, r"version must be one of 1\.5, 1, not '2'"),
        ({"name": "alexnet", "stage": "conv3_x"}, "alexnet must come without a stage or version"),
        ({"name": "vgg16", "version": "1"}, "vgg16 must come without a stage or version"),
        (
            {"name": "alexnet", "height": 62},
            "pooling windows 3x3 must fit in the padded image, not",
        ),
        ({"stage": "conv9_x"}, r"stage must be one of conv2_x, .*, not 'conv9_x'"),
        ({"stage": "conv3_x", "form": "atention"}, r"form must .* \(did you mean attention\?\)"),
        ({"form": "attention"}, r"form attention must come with a stage, one of conv2_x"),
        ({"batch": 0}, r"batch must be an integer of at least 1, not 0"),
        ({"height": 0}, r"input height must be an integer of at least 1, not 0"),
    ],
)
def test_a_network_that_does_not_exist_is_refused_in_one_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}"):
        network(**({"name": "resnet50"} | arguments))


def test_an_unknown_layer_is_told_the_nearest_one():
    with pytest.raises(ValueError, match=r"not 'conv3_1\.con2' \(did you mean conv3_1\.conv2\?\)$"):
        network("resnet34").only("conv3_1.con2")
