"""The small network: what its operator changes, what its sides change, and what is refused."""

import pytest

from refimpl.nets.graph import initialise, parameter_count
from refimpl.nets.sites import OPERATORS, X_VOLUTIONS
from refimpl.nets.small import linear_on_pixels, small

CLASSES = 7
SITES = ("conv2_1.conv1", "conv2_1.conv2")


def count(network):
    return parameter_count(initialise(network))


def shapes(network, name):
    return dict(network.node(name).shapes)


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_operator_stands_at_both_sites_of_the_second_stage_and_nowhere_else(operator):
    plain, network = small("conv2d", classes=CLASSES), small(operator, classes=CLASSES)
    assert [network.node(name).kind for name in SITES] == [operator] * 2
    elsewhere = [
        [node for node in each.nodes if not node.name.startswith("conv2_1")]
        for each in (plain, network)
    ]
    assert elsewhere[0] == elsewhere[1]
    assert len(elsewhere[0]) == 14


@pytest.mark.parametrize("operator", OPERATORS)
def test_at_three_by_three_no_network_exceeds_forty_thousand_parameters(operator):
    assert 10_000 < count(small(operator, classes=16)) < 40_000


def test_a_plain_network_has_the_parameters_its_table_says():
    stem, stage_2 = 16 * 9 + 32, 2 * (16 * 16 * 9 + 32)
    stage_3 = 32 * 16 * 9 + 64 + 32 * 32 * 9 + 64 + 32 * 16 + 64
    assert count(small("conv2d", classes=CLASSES)) == stem + stage_2 + stage_3 + 33 * CLASSES


@pytest.mark.parametrize("operator", X_VOLUTIONS)
def test_the_kernel_is_that_of_the_convolution_alone(operator):
    narrow, wide = (small(operator, classes=CLASSES, kernel=side) for side in (1, 5))
    for name in SITES:
        before, after = shapes(narrow, name), shapes(wide, name)
        assert (before.pop("w_c"), after.pop("w_c")) == ((16, 16, 1, 1), (16, 16, 5, 5))
        assert before == after


def test_the_window_is_that_of_the_attention_alone():
    network = small("xvolution", classes=CLASSES, kernel=1, window=7)
    assert shapes(network, SITES[0])["w_a"] == (16, 64, 7, 7)
    assert shapes(network, SITES[0])["w_c"] == (16, 16, 1, 1)
    local = small("local_attention", classes=CLASSES, window=5).node(SITES[1])
    assert local.attributes["kernel"] == 5
    assert shapes(small("conv2d", classes=CLASSES, window=7), SITES[0])["w"] == (16, 16, 3, 3)


def test_softmax_regression_has_one_weight_per_pixel_and_class_and_one_bias_per_class():
    assert count(linear_on_pixels(CLASSES)) == CLASSES * (32 * 32 + 1)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"operator": "convolution"}, "operator must be one of conv2d, .*, not 'convolution'"),
        ({"kernel": 2}, "kernel must be a positive odd side, not 2"),
        ({"window": -1}, "window must be a positive odd side, not -1"),
        ({"classes": 1}, "classes must be at least 2, not 1"),
    ],
)
def test_what_cannot_be_built_is_refused_in_a_sentence(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        small(**{"classes": CLASSES, **wrong})
