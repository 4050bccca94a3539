"""All forms of a merged X-volution give the same numbers, exactly."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import refimpl as ref
from proofs.cases import square_bn
from proofs.rings import duals, rationals, values
from refimpl.forms import (
    dynamic_conv2d,
    dynamic_kernel,
    per_image_conv2d,
    per_image_weights,
    square,
    tie,
    tied,
    two_pass,
)
from refimpl.fuse import Branch, MergeError, embed, fold_batch_norm, fold_branch, merge

exactly = settings(deadline=None, max_examples=25)
layers = st.fixed_dictionaries(
    {
        "h": st.integers(1, 4),
        "w": st.integers(1, 4),
        "k_c": st.sampled_from([1, 3]),
        "k_a": st.sampled_from([1, 3]),
        "stride": st.integers(1, 2),
        "dilation": st.integers(1, 2),
        "length": st.integers(1, 2),
        "boundary": st.sampled_from(["circular", "zero"]),
    }
)


def layer(drawn, *, k_a=None):
    """Image, branches, and the options all forms share."""
    x = rationals(2, 2, drawn["h"], drawn["w"], seed=1)
    w_c = rationals(3, 2, drawn["k_c"], drawn["k_c"], seed=2)
    side = drawn["k_a"] if k_a is None else k_a
    w_a = rationals(3, 8, side, side, seed=3)
    options = {key: drawn[key] for key in ("stride", "dilation", "length", "boundary")}
    return x, w_c, w_a, rationals(3, seed=4), options


def feature(x, w_c, w_a, b, options):
    steps = {key: options[key] for key in ("stride", "dilation")}
    merged = merge(Branch(w=w_c, b=b, **steps), Branch(w=w_a, **steps))
    return ref.xvolution_fused(x, merged.w, merged.b, **options)


@given(drawn=layers)
@exactly
def test_two_passes_equal_one(drawn):
    x, w_c, w_a, b, options = layer(drawn)
    assert (two_pass(x, w_c, w_a, b, **options) == feature(x, w_c, w_a, b, options)).all()


@given(drawn=layers)
@exactly
def test_differences_of_squares_equal_products(drawn):
    x, w_c, w_a, b, options = layer(drawn)
    assert (square(x, w_c, w_a, b, **options) == feature(x, w_c, w_a, b, options)).all()


@given(drawn=layers)
@exactly
def test_a_kernel_per_pixel_equals_the_feature_form(drawn):
    x, w_c, w_a, b, options = layer(drawn, k_a=drawn["k_c"])
    kernels = dynamic_kernel(x, w_c, w_a, **options)
    steps = {key: options[key] for key in ("stride", "dilation")}
    y = dynamic_conv2d(x, kernels, b, **steps)
    assert (y == feature(x, w_c, w_a, b, options)).all()


@given(drawn=layers)
@exactly
def test_tied_kernels_need_one_gated_convolution(drawn):
    x, w_c, _, b, options = layer(drawn)
    alpha = rationals(4, 2, seed=5)
    w_a = np.concatenate([w_c * each[:, None, None] for each in alpha], axis=1)
    found = tie(w_c, w_a, b)
    used = w_c.any(axis=(0, 2, 3))
    assert (found.alpha[:, used] == alpha[:, used]).all()
    assert (tied(x, *found, **options) == feature(x, w_c, w_a, b, options)).all()


def test_kernels_that_are_not_tied_are_refused_by_name():
    w_c = rationals(2, 1, 3, 3, seed=1)
    w_a = np.concatenate([w_c, 2 * w_c], axis=1)
    w_a[1, 1, 2, 2] += 1
    with pytest.raises(MergeError, match="tied kernels: the attention kernel of every direction"):
        tie(w_c, w_a, rationals(2, seed=2))
    with pytest.raises(MergeError, match="tied kernels: both kernels must have one size"):
        tie(w_c, w_a[:, :, :1, :1], rationals(2, seed=2))


@given(h=st.integers(1, 4), w=st.integers(1, 4), stride=st.integers(1, 2))
@exactly
def test_unnormalised_global_attention_becomes_one_kernel_per_image(h, w, stride):
    """BN of both branches folded in; the whole is a convolution of x, image by image."""
    x = duals(rationals(2, 2, h, w, seed=1))
    w_c, w_q, w_k, w_v = (
        duals(rationals(*shape, seed=2)) for shape in ((3, 2, 3, 3), (2, 2), (2, 2), (3, 2))
    )
    bn_c, bn_a = (ref.BatchNorm(*map(duals, square_bn(3, seed))) for seed in (1, 4))
    eps = Fraction(1, 4)
    expected = ref.xvolution_global(
        x, w_c, w_q, w_k, w_v, bn_c, bn_a, normalise="none", stride=stride, eps=eps
    )
    conv = fold_batch_norm(w_c, None, bn_c, eps=eps)
    unit = np.full((3, 1, 1, 1), duals(rationals(1, seed=1) * 0 + 1)[0], object)
    attention = fold_batch_norm(unit, None, bn_a, eps=eps)
    kernels = per_image_weights(x, conv.w, w_q, w_k, w_v, scale=attention.w[:, 0, 0, 0])
    y = per_image_conv2d(x, kernels, conv.b + attention.b, stride=stride)
    assert (values(y) == values(expected)).all()


def test_a_folded_branch_without_normalisation_or_bias_is_itself():
    w = rationals(2, 3, 3, 3, seed=1)
    folded = fold_branch(Branch(w=w))
    assert (folded.w == w).all()
    assert (folded.b == 0).all()


def test_the_two_pass_form_saves_what_embedding_would_waste():
    """K_a = 1 beside K_c = 3, four directions: 13/9 of the products, where embedding takes 45/9."""
    w_c, w_a = rationals(3, 2, 3, 3, seed=2), rationals(3, 8, 1, 1, seed=3)
    assert Fraction(w_c.size + w_a.size, w_c.size) == Fraction(13, 9)
    embedded = np.concatenate([w_c, embed(w_a, (3, 3))], axis=1)
    assert Fraction(embedded.size, w_c.size) == 5
