"""Every form of a trained X-volution is the trained X-volution, with ==, normalisations folded."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import refimpl as ref
from proofs.rings import duals, rationals, same, values
from refimpl.forms import FORMS, fuse_xvolution, run_fused, run_trained
from refimpl.fuse import MergeError
from tests.refimpl.forms.layers import (
    EPS,
    attending,
    image,
    kernels,
    norm,
    norms,
    shifted,
    shifts,
    sides,
    steps,
)

exactly = settings(deadline=None, derandomize=True, max_examples=25)
UNTIED = [form for form in FORMS["pssa"] if form != "tied"]


def agrees(trained, x, expected, **choices):
    fused = fuse_xvolution(trained, **choices)
    assert same(values(run_trained(trained, x)), values(expected))
    assert same(values(run_fused(fused, x)), values(expected))
    return fused


@pytest.mark.parametrize("form", UNTIED)
@given(size=sides, k_c=kernels, k_a=kernels, grid=steps, moved=shifts, biased=st.booleans())
@exactly
def test_a_form_with_pixel_shifts_is_the_training_form(form, size, k_c, k_a, grid, moved, biased):
    trained, x = shifted(k_c, k_a, biased=biased, **grid, **moved), image(size)
    expected = ref.xvolution(
        x, bn_c=trained.bn_c, bn_a=trained.bn_a, eps=EPS, **trained.arrays, **grid, **moved
    )
    agrees(trained, x, expected, form=form)


@given(size=sides, k_c=kernels, grid=steps, moved=shifts)
@exactly
def test_the_tied_form_is_the_training_form_where_folded_kernels_are_tied(size, k_c, grid, moved):
    """w_a is made so that s_a·w_a is s_c·w_c up to a factor per input channel and direction."""
    plain, x = shifted(k_c, k_c, **grid, **moved), image(size)
    w_c, alpha = plain.arrays["w_c"], rationals(len(moved["directions"]), 2, seed=5)
    gamma = np.where(plain.bn_a.gamma == 0, 1, plain.bn_a.gamma)
    bn_a = plain.bn_a._replace(gamma=gamma)
    s_c, s_a = (values(bn.gamma / np.sqrt(bn.var + EPS)) for bn in (plain.bn_c, bn_a))
    ratio = (s_c / s_a)[:, None, None, None]
    w_a = np.concatenate([w_c * each[:, None, None] * ratio for each in alpha], axis=1)
    trained = replace(plain, bn_a=bn_a, arrays={**plain.arrays, "w_a": w_a})
    expected = ref.xvolution(
        x, bn_c=trained.bn_c, bn_a=bn_a, eps=EPS, **trained.arrays, **grid, **moved
    )
    fused = agrees(trained, x, expected, form="tied")
    assert fused.arrays["w"].shape == w_c.shape


@pytest.mark.parametrize("normalise", ["none", "softmax"])
@given(size=sides, k_c=kernels, window=kernels, grid=steps)
@exactly
def test_the_kernel_form_is_the_training_form_of_local_attention(
    normalise, size, k_c, window, grid
):
    """Softmax included: for every exponential there is, so for the one of real numbers."""
    trained = attending("local_attention", k_c, window=window, normalise=normalise, scale=2, **grid)
    x = duals(image(size))
    options = {"kernel": window, "normalise": normalise, "scale": 2, **grid}
    expected = ref.xvolution_local(
        x, bn_c=trained.bn_c, bn_a=trained.bn_a, eps=EPS, **trained.arrays, **options
    )
    agrees(trained, x, expected)


@given(size=sides, k_c=kernels, grid=steps)
@exactly
def test_the_per_image_form_is_the_training_form_of_unnormalised_global_attention(size, k_c, grid):
    trained, x = attending("global_attention", k_c, scale=3, **grid), image(size)
    expected = ref.xvolution_global(
        x,
        bn_c=trained.bn_c,
        bn_a=trained.bn_a,
        eps=EPS,
        scale=3,
        normalise="none",
        **trained.arrays,
        **grid,
    )
    agrees(trained, x, expected)


@given(size=sides, heads=st.sampled_from([1, 2]), output=st.booleans(), grid=steps)
@exactly
def test_heads_and_the_output_projection_fold_into_the_kernels_of_an_image(
    size, heads, output, grid
):
    many = 4 if output else 2
    trained = attending(
        "global_attention", values=many, depth=4, heads=heads, output=output, **grid
    )
    x, arrays = image(size), trained.arrays
    padding = ref.ops.conv2d.same_padding(arrays["w_c"].shape[2:], grid["dilation"])
    conv = ref.conv2d(x, arrays["w_c"], arrays["b_c"], padding=padding, **grid)
    names = ("w_q", "w_k", "w_v", "w_o") if output else ("w_q", "w_k", "w_v")
    projections = [arrays[name] for name in names]
    options = {"heads": heads, "normalise": "none", "stride": grid["stride"]}
    attention = ref.global_attention(x, *projections, **options)
    expected = ref.batch_norm(conv, *trained.bn_c, eps=EPS) + ref.batch_norm(
        attention, *trained.bn_a, eps=EPS
    )
    agrees(trained, x, expected)


@pytest.mark.parametrize("groups", [(2, 1), (1, 2), (2, 2)])
@pytest.mark.parametrize("form", ["feature", "two-pass"])
def test_kernels_in_groups_merge_once_they_are_written_out(groups, form):
    plain = shifted()
    arrays = dict(plain.arrays)
    arrays["w_c"] = arrays["w_c"][:, : 2 // groups[0]]
    arrays["w_a"] = arrays["w_a"][:, : 4 // groups[1]]
    trained = replace(plain, arrays=arrays, groups=groups)
    with pytest.raises(MergeError, match="takes 2 times the multiplications"):
        fuse_xvolution(trained, form=form)
    x = image((3, 4))
    assert same(
        values(run_fused(fuse_xvolution(trained, form=form, expand=True), x)),
        values(run_trained(trained, x)),
    )


@pytest.mark.parametrize("kind", FORMS)
def test_an_empty_batch_gives_an_empty_result(kind):
    trained = shifted() if kind == "pssa" else attending(kind)
    x = image((3, 3))[:0]
    for form in FORMS[kind]:
        if form != "tied":
            assert run_fused(fuse_xvolution(trained, form=form), x).shape == (0, 2, 3, 3)


@pytest.mark.parametrize(
    ("changes", "condition", "sentence"),
    [
        ({"statistics": "batch"}, "running statistics", "must use running statistics"),
        ({"activation": "relu"}, "no non-linearity", "must reach the sum without relu"),
        ({"padding_mode": "circular"}, "zero padding", "must pad its convolution with zeros"),
        ({"groups": (2, 1)}, "one group", "must have groups=1, not 2"),
    ],
)
@pytest.mark.parametrize("kind", FORMS)
def test_every_form_refuses_what_does_not_merge_by_name(kind, changes, condition, sentence):
    trained = replace(shifted() if kind == "pssa" else attending(kind), **changes)
    for form in FORMS[kind]:
        with pytest.raises(MergeError, match=sentence) as error:
            fuse_xvolution(trained, form=form)
        assert error.value.condition == condition


def test_even_kernels_and_different_outputs_are_refused_by_name():
    plain = shifted()
    even = plain.arrays | {"w_c": plain.arrays["w_c"][:, :, :2, :2]}
    with pytest.raises(MergeError, match=r"^common support: .* must be odd, not \(2, 2\)"):
        fuse_xvolution(replace(plain, arrays=even))
    fewer = plain.arrays | {"w_a": plain.arrays["w_a"][:1], "b_a": plain.arrays["b_a"][:1]}
    with pytest.raises(MergeError, match=r"^equal outputs: .* not 2 and 1"):
        fuse_xvolution(replace(plain, arrays=fewer))


def test_softmax_over_all_pixels_has_no_form_and_says_why():
    with pytest.raises(MergeError, match=r"no softmax: .* softmax is not linear in the query"):
        fuse_xvolution(attending("global_attention", normalise="softmax"))


def test_a_form_of_another_attention_is_refused():
    with pytest.raises(MergeError, match=r"form of the attention: .* into one of kernel, not 'tie"):
        fuse_xvolution(attending("local_attention"), form="tied")


def test_one_even_channel_of_untied_kernels_is_refused():
    with pytest.raises(MergeError, match=r"^tied kernels: the attention kernel"):
        fuse_xvolution(shifted(), form="tied")


def test_normalisations_that_scale_outputs_differently_untie_kernels():
    """w_a = w_c in every direction is tied; not once s_a/s_c differs from output to output."""
    plain = shifted()
    tied = plain.arrays | {"w_a": np.concatenate([plain.arrays["w_c"]] * 2, axis=1)}
    bare = replace(plain, arrays=tied, bn_c=None, bn_a=None)
    assert fuse_xvolution(bare, form="tied").form == "tied"
    with pytest.raises(MergeError, match="tied kernels"):
        fuse_xvolution(replace(bare, bn_c=norm(3), bn_a=norm(4)), form="tied")


def test_tied_kernels_within_a_tolerance_are_taken():
    plain = shifted(biased=False, bn_c=None, bn_a=None)
    w_c = plain.arrays["w_c"].astype(float)
    w_a = np.concatenate([w_c, 3 * w_c], axis=1)
    w_a[0, 0, 0, 0] += 1e-9
    trained = replace(plain, arrays={"w_c": w_c, "w_a": w_a})
    with pytest.raises(MergeError, match="tied kernels"):
        fuse_xvolution(trained, form="tied")
    found = fuse_xvolution(trained, form="tied", tolerance=1e-6).arrays["alpha"]
    np.testing.assert_allclose(found, [[1, 1], [3, 3]], rtol=1e-8)


def test_an_x_volution_of_other_arrays_is_refused():
    with pytest.raises(ValueError, match="with pssa must have w_c, w_a and may have b_c, b_a, not"):
        replace(shifted(), arrays={"w_c": np.ones((1, 1, 1, 1))})
    with pytest.raises(ValueError, match="attention must be one of pssa, local_attention, global"):
        replace(shifted(), attention="softmax")


def test_a_normalisation_that_is_none_is_the_identity():
    one = norms()["bn_c"]
    unit = one._replace(gamma=one.gamma * 0 + 1, beta=one.beta * 0, mean=one.mean * 0)
    unit = unit._replace(var=duals(np.array([1 - EPS, 1 - EPS], object)))
    x = image((2, 3))
    bare, unity = shifted(bn_c=None, bn_a=None), shifted(bn_c=unit, bn_a=unit)
    assert same(values(run_trained(unity, x)), run_trained(bare, x))
    assert same(run_fused(fuse_xvolution(bare), x), run_trained(bare, x))
