"""How forms grow is read off their graphs, and is what the formulas say."""

import pytest

from hwsim.lowering import FORMS, Options
from hwsim.study import crossings, crossover, growth
from hwsim.workload import Convolution

SITE = Convolution(
    in_channels=64, out_channels=64, height=28, width=28, kernel_h=3, kernel_w=3, padding=1
)
QUADRATIC = {
    "attention",
    "attention-scores",
    "aa-convolution",
    "aa-convolution-position",
    "xvolution-training-sa",
}
STORED = {"xvolution-kernel-stored"}


@pytest.mark.parametrize("form", FORMS)
def test_only_scores_over_the_image_are_n_by_n_and_only_stored_kernels_c2k2n(form):
    grows = growth(form, SITE)
    assert (grows.quadratic is not None) is (form in QUADRATIC)
    assert (grows.kernels is not None) is (form in STORED)


@pytest.mark.parametrize("form", ["convolution", "pssa", "xvolution-fused", "xvolution-tied"])
def test_convolutions_grow_with_the_pixels_and_the_square_of_the_channels(form):
    assert growth(form, SITE)[:2] == (1, 2)


def test_attention_grows_faster_in_its_pixels_and_slower_in_its_channels():
    softmax, linear = growth("attention", SITE), growth("attention-unnormalised", SITE)
    assert softmax.macs_pixels > 1.5
    assert softmax.macs_channels < 1.6
    assert linear[:2] == (1, 2)


@pytest.mark.parametrize("channels", [8, 64, 256])
def test_operators_cross_where_the_formulas_say(channels):
    """n ≤ (D·K² − 3)·C/2 and n ≤ C, on square images: the largest side whose square is no more."""
    against_pssa, against_linear, linear_pssa = crossings(channels)
    assert against_pssa.side == int((33 * channels / 2) ** 0.5)
    assert against_linear.side == int(channels**0.5)
    assert linear_pssa.side is None


def test_pointwise_pssa_in_four_directions_takes_less_than_any_attention():
    crossed = crossings(64, kernel=1, options=Options(directions=((0, 1), (1, 0))))
    assert [each.side for each in crossed] == [0, 8, 0]


def test_a_broken_bisection_is_seen_to_fail(monkeypatch):
    assert crossings(64)[1].side == 8
    monkeypatch.setattr(crossover, "LARGEST", 4)
    assert crossings(64)[1].side is None
