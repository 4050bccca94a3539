from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hwsim.lowering import DIRECTIONS, FORMS, lower, write
from hwsim.workload import Convolution, Elementwise, Shift

size = st.integers(1, 20)
sites = st.builds(
    Convolution,
    batch=size,
    in_channels=size,
    out_channels=size,
    height=size,
    width=size,
    kernel_h=st.just(3),
    kernel_w=st.just(3),
    stride=st.integers(1, 2),
    padding=st.just(1),
)


def macs(primitives):
    return sum(p.macs for p in primitives if isinstance(p, Convolution))


def named(primitives, label):
    (found,) = [p for p in primitives if p.label == label]
    return found


WIDER = {"convolution-wide"}  # the one form with other output channels than the site


def fits(form, site):
    return not form.startswith("aa-convolution") or site.out_channels > 8


@settings(deadline=None)
@given(sites, st.sampled_from([form for form in FORMS if form not in WIDER]), st.booleans())
def test_every_form_writes_the_output_of_the_site(site, form, relu):
    assume(fits(form, site))
    graph = write(form, site)
    shape = (site.batch, site.out_channels, site.out_height, site.out_width)
    assert graph.shape_of(graph.results["y"]) == shape
    primitives = lower(form, site, relu=relu)
    assert primitives == graph.primitives + ((relu_of(site),) if relu else ())


@given(sites)
def test_attention_beside_convolution_leaves_a_channel_to_the_convolution(site):
    assume(not fits("aa-convolution", site))
    with pytest.raises(ValueError, match=r"^output channels of an augmented convolution must"):
        write("aa-convolution", site)


def relu_of(site):
    return Elementwise(kind="relu", elements=site.out_elements, fused=True)


@settings(deadline=None)
@given(sites)
def test_the_x_volution_forms_do_one_plus_d_times_the_plain_work(site):
    plain = macs(lower("convolution", site, relu=False))
    for form in ("xvolution-training", "xvolution-fused"):
        assert macs(lower(form, site, relu=False)) == (1 + DIRECTIONS) * plain


@settings(deadline=None)
@given(sites)
def test_fusing_leaves_one_convolution_and_the_shift_products(site):
    *shifts, product, conv = lower("xvolution-fused", site, relu=False)
    assert [type(each) for each in shifts] == [Shift] * DIRECTIONS
    assert conv == replace(site, in_channels=(1 + DIRECTIONS) * site.in_channels)
    assert product.elements == DIRECTIONS * site.batch * site.in_channels * site.height * site.width
    assert product.inputs == 2
    assert product in lower("xvolution-training", site, relu=False)


@settings(deadline=None)
@given(sites)
def test_the_training_form_normalises_both_branches_and_adds_them(site):
    made = lower("xvolution-training", site, relu=False)
    kinds = ["array" if isinstance(p, Convolution) else p.kind for p in made if p.kind != "shift"]
    assert kinds == ["array", "affine", "multiply", "array", "affine", "add"]


@settings(deadline=None)
@given(sites)
def test_attention_scores_every_query_against_every_key_of_its_image(site):
    primitives = lower("attention", site, relu=False)
    queries, keys = site.out_height * site.out_width, site.height * site.width
    pairs = site.batch * queries * keys
    assert named(primitives, "softmax").operations == pairs
    assert named(primitives, "scores").macs == pairs * site.out_channels
    assert named(primitives, "weighted sum").macs == pairs * site.out_channels
    projections = site.batch * site.in_channels * site.out_channels * (queries + 2 * keys)
    assert macs(primitives) == projections + 2 * pairs * site.out_channels


@settings(deadline=None)
@given(sites)
def test_attention_without_softmax_is_linear_in_the_pixels(site):
    primitives = lower("attention-unnormalised", site, relu=False)
    queries, keys = site.out_height * site.out_width, site.height * site.width
    through = site.batch * site.out_channels**2 * (queries + keys)
    projections = site.batch * site.in_channels * site.out_channels * (queries + 2 * keys)
    assert macs(primitives) == projections + through


def test_an_unknown_form_is_refused():
    site = Convolution(in_channels=1, height=3, width=3, out_channels=1)
    with pytest.raises(ValueError, match=r"^form must be one of convolution, convolution-wide, "):
        lower("dense", site, relu=False)
