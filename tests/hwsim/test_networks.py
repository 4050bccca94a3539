from itertools import pairwise

import pytest

from hwsim.lowering import FORMS
from hwsim.networks import NETWORKS, STAGES, network
from hwsim.workload import Convolution


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
@pytest.mark.parametrize("name", NETWORKS)
def test_both_paths_of_every_block_end_in_the_same_shape(name, size):
    layers = {layer.name: layer for layer in network(name, height=size[0], width=size[1]).layers}
    for layer_name, layer in layers.items():
        if layer_name.endswith("downsample"):
            conv, total = layer.primitives[0], layers[f"{layer_name[:7]}.add"].primitives[0]
            assert conv.out_elements == total.elements


@pytest.mark.parametrize("name", NETWORKS)
def test_every_number_read_from_a_convolution_is_what_the_one_before_wrote(name):
    """Along the residual path each convolution's input is the size of the previous output."""
    for stage, blocks in zip("2345", NETWORKS[name].blocks, strict=True):
        for block in range(1, blocks + 1):
            prefix = f"conv{stage}_{block}.conv"
            path = [x.primitives[0] for x in network(name).layers if x.name.startswith(prefix)]
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
    assert len(changed.sites) == {"conv2_x": 3, "conv3_x": 4, "conv4_x": 6, "conv5_x": 3}[stage]
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
        ({"name": "resnet5"}, r"network must be one of resnet34, resnet50, not 'resnet5' \(did"),
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
