"""Folding and merging: exact where the conditions hold, refused by name and wrong where not."""

from dataclasses import dataclass, field, replace
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import product
from math import isqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs.rings import duals, rationals, same, values
from refimpl import (
    BatchNorm,
    batch_norm,
    batch_norm_training,
    conv2d,
    relu,
    shift_product,
    xvolution,
    xvolution_fused,
)
from refimpl.fuse import Branch, MergeError, embed, fold_batch_norm, merge

exactly = settings(deadline=None, derandomize=True, max_examples=60)
EPS = Fraction(1, 9)
seeds = st.integers(0, 99)
odd = st.sampled_from([1, 3, 5])
kernels = st.tuples(odd, odd)
sides = st.tuples(st.integers(1, 4), st.integers(1, 4))
steps = st.tuples(st.integers(1, 3), st.integers(1, 2))


def norm(channels, seed):
    """A normalisation whose var + eps is the square of a rational."""
    gamma, beta, mean, roots = rationals(4, channels, seed=seed)
    roots = np.abs(roots) + Fraction(1, 2)
    return BatchNorm(gamma, beta, mean, duals(roots * roots - EPS))


def branch(outputs, channels, kernel, seed, **changes):
    w = rationals(outputs, channels, *kernel, seed=seed)
    b = rationals(outputs, seed=seed + 1)
    return Branch(**({"w": w, "b": b, "bn": norm(outputs, seed + 2), "eps": EPS} | changes))


# Folding


@exactly
@given(sides, kernels, steps, st.booleans(), seeds)
def test_a_convolution_and_its_normalisation_fold_into_one_exactly(
    image, kernel, stride, biased, seed
):
    x, one = rationals(2, 2, *image, seed=seed), branch(3, 2, kernel, seed)
    b = one.b if biased else None
    w, folded_b = fold_batch_norm(one.w, b, one.bn, eps=EPS)
    grid = {"stride": stride, "padding": one.reach}
    expected = batch_norm(conv2d(x, one.w, b, **grid), *one.bn, eps=EPS)
    assert same(values(conv2d(x, w, folded_b, **grid)), values(expected))


def test_folding_scales_every_kernel_by_gamma_over_the_deviation():
    w, b = rationals(2, 1, 1, 1, seed=1), np.array([Fraction(5), Fraction(-1)], object)
    gamma, beta, mean, var = np.array([[6, 1], [7, 8], [2, 3], [8, 15]], object)
    bn = BatchNorm(gamma, beta, mean, duals(var))
    folded = fold_batch_norm(w, b, bn, eps=1)
    assert list(values(folded.w).flat) == [w[0, 0, 0, 0] * 2, w[1, 0, 0, 0] / 4]
    assert list(values(folded.b)) == [(5 - 2) * 2 + 7, (-1 - 3) * Fraction(1, 4) + 8]


def far_from_zero(seed):
    """A float32 bias and normalisation with |μ| ≫ σ, as after a layer with a large offset."""
    rng = np.random.default_rng(seed)
    mean = rng.uniform(1e5, 2e5, 64) * rng.choice([-1, 1], 64)
    b = mean + rng.standard_normal(64)
    parts = rng.uniform(0.5, 2, 64), rng.standard_normal(64), mean, rng.uniform(1e-4, 1e-2, 64)
    bn = BatchNorm(*(each.astype(np.float32) for each in parts))
    return rng.standard_normal((64, 3, 3, 3)).astype(np.float32), b.astype(np.float32), bn


def decimals(array):
    """The numbers of a float array, to the last digit."""
    return [Decimal(float(each)) for each in array.flat]


def folding_errors(bias, b, bn, eps):
    """|bias − exact| over 2⁻²⁴·(|b − μ|·|s| + |β|) per channel, to 50 digits."""
    errors = []
    with localcontext(prec=50):
        for got, b_, gamma, beta, mean, var in zip(*map(decimals, (bias, b, *bn)), strict=True):
            scale = gamma / (var + Decimal(eps)).sqrt()
            exact = (b_ - mean) * scale + beta
            unit = Decimal(2) ** -24 * (abs(b_ - mean) * abs(scale) + abs(beta))
            errors.append(float(abs(got - exact) / unit))
    return errors


@pytest.mark.parametrize("seed", range(3))
def test_a_float32_bias_folds_with_six_roundings_however_far_the_mean(seed):
    """Roundings: + ε (under the root: ½), √, ÷, −, ×, +. At most 6u/(1 − 6u), so 6.001u."""
    w, b, bn = far_from_zero(seed)
    eps = 2.0**-13
    folded = fold_batch_norm(w, b, bn, eps=eps)
    assert folded.b.dtype == np.float32
    assert max(folding_errors(folded.b, b, bn, eps)) <= 6.001


@pytest.mark.parametrize("seed", range(3))
def test_the_other_order_of_the_bias_would_lose_most_of_its_digits(seed):
    """b·s + (β − μ·s) cancels twice where |μ| ≫ σ: that is why it is not the one used."""
    w, b, bn = far_from_zero(seed)
    eps = 2.0**-13
    scale = bn.gamma / np.sqrt(bn.var + np.float32(eps))
    cancelling = b * scale + (bn.beta - bn.mean * scale)
    assert cancelling.dtype == np.float32
    errors = folding_errors(cancelling, b, bn, eps)
    assert np.median(errors) > 1000 * max(
        folding_errors(fold_batch_norm(w, b, bn, eps=eps).b, b, bn, eps)
    )


def test_float32_kernels_fold_with_four_roundings():
    w, b, bn = far_from_zero(0)
    eps = 2.0**-13
    folded = fold_batch_norm(w, b, bn, eps=eps).w
    with localcontext(prec=50):
        scales = [
            gamma / (var + Decimal(eps)).sqrt()
            for gamma, var in zip(decimals(bn.gamma), decimals(bn.var), strict=True)
        ]
        for kernels_of, got, scale in zip(w, folded, scales, strict=True):
            for before, after in zip(decimals(kernels_of), decimals(got), strict=True):
                bound = Decimal("4.001") * Decimal(2) ** -24 * abs(before * scale)
                assert abs(after - before * scale) <= bound


# Embedding


@exactly
@given(kernels, sides, seeds)
def test_an_embedded_kernel_stands_in_the_middle_of_zeros(kernel, growth, seed):
    w = rationals(2, 1, *kernel, seed=seed)
    rows, cols = growth
    large = embed(w, (kernel[0] + 2 * rows, kernel[1] + 2 * cols))
    assert large.shape == (2, 1, kernel[0] + 2 * rows, kernel[1] + 2 * cols)
    for (o, c, u, v), value in np.ndenumerate(large):
        inside = 0 <= u - rows < kernel[0] and 0 <= v - cols < kernel[1]
        assert value == (w[o, c, u - rows, v - cols] if inside else 0)


def test_a_kernel_embedded_in_its_own_size_is_itself():
    w = rationals(2, 3, 3, 1, seed=1)
    assert same(embed(w, (3, 1)), w)


@pytest.mark.parametrize("support", [(1, 1), (3, 1), (4, 3), (5, 4)], ids=str)
def test_a_kernel_that_has_no_centred_place_is_refused(support):
    with pytest.raises(MergeError) as error:
        embed(rationals(1, 1, 3, 3, seed=1), support)
    sentence = f"a kernel (3, 3) must have a centred place in {support}: odd, and no larger"
    assert error.value.condition == "common support"
    assert str(error.value) == f"common support: {sentence}"


# Merging where the conditions hold


@exactly
@given(
    sides,
    st.tuples(odd, odd),
    steps,
    steps,
    st.sampled_from(["circular", "zero"]),
    st.lists(st.sampled_from([(0, 1), (-1, 0), (2, -1)]), min_size=1, max_size=2),
    st.integers(1, 2),
    seeds,
)
def test_the_merged_convolution_is_x_volution_exactly(
    image, kernel_sides, stride, dilation, boundary, directions, length, seed
):
    """Kernels K_c and K_a of 1, 3 and 5 in every combination; var + ε of each a rational square."""
    x, (k_c, k_a) = rationals(1, 2, *image, seed=seed), kernel_sides
    grid = {"stride": stride, "dilation": dilation}
    shifts = {"directions": directions, "length": length, "boundary": boundary}
    conv = branch(2, 2, (k_c, k_c), seed + 1, **grid)
    attention = branch(2, 2 * len(directions), (k_a, k_a), seed + 5, **grid)
    arrays = (x, conv.w, attention.w, conv.bn, attention.bn, conv.b, attention.b)
    expected = xvolution(*arrays, eps=EPS, **grid, **shifts)
    w, b = merge(conv, attention)
    assert w.shape == (2, 2 + 2 * len(directions), max(k_c, k_a), max(k_c, k_a))
    assert same(values(xvolution_fused(x, w, b, **grid, **shifts)), values(expected))


@exactly
@given(kernels, kernels, sides, seeds)
def test_the_common_support_is_the_larger_side_each_way(kernel_c, kernel_a, image, seed):
    x, z = rationals(1, 1, *image, seed=seed), rationals(1, 3, *image, seed=seed + 1)
    branches = branch(2, 1, kernel_c, seed + 2), branch(2, 3, kernel_a, seed + 6)
    w, b = merge(*branches)
    support = max(kernel_c[0], kernel_a[0]), max(kernel_c[1], kernel_a[1])
    assert w.shape[2:] == support
    padding = (support[0] // 2, support[1] // 2)
    merged = conv2d(np.concatenate([x, z], axis=1), w, b, padding=padding)
    expected = sum(run(*each) for each in zip(branches, (x, z), strict=True))
    assert same(values(merged), values(expected))


def test_branches_without_bias_or_normalisation_merge_as_they_are():
    conv, attention = (Branch(w=rationals(2, 2, 3, 3, seed=seed)) for seed in (1, 2))
    w, b = merge(conv, attention)
    assert same(w, np.concatenate([conv.w, attention.w], axis=1))
    assert list(b) == [0, 0]


def test_each_branch_folds_with_its_own_epsilon():
    conv, attention = branch(1, 1, (1, 1), 1), branch(1, 1, (1, 1), 5)
    other = replace(attention, eps=EPS - 1, bn=attention.bn._replace(var=attention.bn.var + 1))
    assert same(values(merge(conv, other).w), values(merge(conv, attention).w))
    assert same(values(merge(conv, other).b), values(merge(conv, attention).b))


@pytest.mark.parametrize(
    ("paddings", "kernel_sides"), [((0, 0), (3, 3)), ((2, 1), (3, 1)), ((1, 3), (1, 5))], ids=str
)
def test_paddings_that_centre_both_kernels_on_one_grid_merge(paddings, kernel_sides):
    """Valid convolutions, or both padded by the same amount beyond "same"."""
    z = rationals(1, 1, 4, 5, seed=1)
    conv, attention = (
        branch(1, 1, (side, side), seed, padding=padding)
        for side, padding, seed in zip(kernel_sides, paddings, (1, 5), strict=True)
    )
    w, b = merge(conv, attention)
    expected = run(conv, z) + run(attention, z)
    merged = conv2d(np.concatenate([z, z], axis=1), w, b, padding=max(paddings))
    assert same(values(merged), values(expected))


def test_a_stride_may_be_written_as_a_number_or_a_pair():
    conv, attention = branch(1, 1, (3, 3), 1, stride=2), branch(1, 1, (1, 1), 5, stride=(2, 2))
    assert merge(conv, attention).w.shape == (1, 2, 3, 3)


# Merging where a condition fails: refused, and the merged convolution would be another function


def run(one, z):
    """What a branch computes, with everything that may stand in the way of merging."""
    (rows, cols), z = one.reach, z + 0
    if one.padding_mode == "circular":
        z = np.pad(z, ((0, 0), (0, 0), (rows, rows), (cols, cols)), mode="wrap")
        rows = cols = 0
    options = {"stride": one.stride, "dilation": one.dilation, "groups": one.groups}
    y = conv2d(z, one.w, one.b, padding=(rows, cols), **options)
    if one.bn is not None and one.statistics == "batch":
        y = batch_norm_training(duals(y), one.bn.gamma, one.bn.beta, eps=one.eps).y
    elif one.bn is not None:
        y = batch_norm(duals(y), *one.bn, eps=one.eps)
    return y if one.activation is None else relu(y)


@dataclass(frozen=True, kw_only=True)
class Violation:
    """Changes that break one condition in a branch, and what merging would take them to be.

    Image and kernels are chosen so that the branches' outputs still have one shape: only then can
    one speak of a sum.
    """

    condition: str
    changes: dict[str, Any]
    taken_for: dict[str, Any]
    sentence: str
    image: tuple[int, int] = (4, 4)
    stride: int = 1
    kernels: tuple[tuple[int, int], tuple[int, int]] = field(default=((3, 3), (3, 3)))


VIOLATIONS = (
    Violation(
        condition="running statistics",
        changes={"statistics": "batch"},
        taken_for={"statistics": "running"},
        sentence="batch normalisation of the {name} branch must use running statistics; with the "
        "batch's own it is not an affine map of its input",
    ),
    Violation(
        condition="no non-linearity",
        changes={"activation": "relu"},
        taken_for={"activation": None},
        sentence="the {name} branch must reach the sum without relu; put it after",
    ),
    Violation(
        condition="zero padding",
        changes={"padding_mode": "circular"},
        taken_for={"padding_mode": "zero"},
        sentence="the {name} branch must pad its convolution with zeros, not circular (the "
        "boundary of the shift is free)",
    ),
    Violation(
        condition="equal stride",
        changes={"stride": 3},
        taken_for={"stride": 2},
        stride=2,
        sentence="stride must be the same in both branches, not {left} and {right}",
    ),
    Violation(
        condition="equal dilation",
        changes={"dilation": (1, 2)},
        taken_for={"dilation": 1},
        sentence="dilation must be the same in both branches, not {left} and {right}",
    ),
    Violation(
        condition="common grid",
        changes={"padding": 2},
        taken_for={"padding": None},
        stride=3,
        sentence="padding beyond 'same' must be the same in both branches, not {left} and {right}",
    ),
)
VALUES = {"equal stride": ((2, 2), (3, 3)), "equal dilation": ((1, 1), (1, 2))}
VALUES["common grid"] = (0, 0), (1, 1)
every_violation = pytest.mark.parametrize("violation", VIOLATIONS, ids=lambda each: each.condition)
in_either_branch = pytest.mark.parametrize("place", [0, 1], ids=["convolution", "attention"])


def with_rational_roots(one, z):
    """Choose ε so that both the batch's and the running deviation are rational, and differ."""
    y = conv2d(z, one.w, one.b, padding=one.reach)
    mean = y.sum() / y.size
    var = ((y - mean) ** 2).sum() / y.size
    root = isqrt(int(var)) + 1
    running = np.array([(root + 1) ** 2 - root**2 + var], object)
    return replace(one, eps=root**2 - var, bn=one.bn._replace(var=duals(running)))


def broken(violation, place):
    """Both branches, one of them violating, and their inputs x and T(x)."""
    x = rationals(1, 2, *violation.image, seed=1)
    inputs = [x, shift_product(x)]
    branches = [
        branch(1, z.shape[1], kernel, seed, stride=violation.stride)
        for z, kernel, seed in zip(inputs, violation.kernels, (2, 6), strict=True)
    ]
    if violation.condition == "running statistics":
        branches[place] = with_rational_roots(branches[place], inputs[place])
    branches[place] = replace(branches[place], **violation.changes)
    return branches, inputs


@every_violation
@in_either_branch
def test_a_branch_that_breaks_a_condition_is_refused_by_its_name(violation, place):
    branches, _ = broken(violation, place)
    with pytest.raises(MergeError) as error:
        merge(*branches)
    values_there = VALUES.get(violation.condition, (None, None))
    left, right = values_there if place else reversed(values_there)
    name = ("convolution", "attention")[place]
    sentence = violation.sentence.format(name=name, left=left, right=right)
    assert error.value.condition == violation.condition
    assert str(error.value) == f"{violation.condition}: {sentence}"


@every_violation
@in_either_branch
def test_to_merge_it_anyway_would_give_another_function(violation, place):
    branches, inputs = broken(violation, place)
    true = sum(run(*each) for each in zip(branches, inputs, strict=True))
    branches[place] = replace(branches[place], **violation.taken_for)
    w, b = merge(*branches)
    z = np.concatenate(inputs, axis=1)
    merged = conv2d(z, w, b, stride=violation.stride, padding=(w.shape[2] // 2, w.shape[3] // 2))
    assert merged.shape == true.shape
    assert not same(values(merged), values(true))


@every_violation
@in_either_branch
def test_without_the_violation_the_same_branches_do_merge(violation, place):
    """So that it is the violation, and nothing else in the example, that makes the difference."""
    branches, inputs = broken(violation, place)
    branches[place] = replace(branches[place], **violation.taken_for)
    true = sum(run(*each) for each in zip(branches, inputs, strict=True))
    w, b = merge(*branches)
    z = np.concatenate(inputs, axis=1)
    merged = conv2d(z, w, b, stride=violation.stride, padding=(w.shape[2] // 2, w.shape[3] // 2))
    assert same(values(merged), values(true))


@in_either_branch
def test_one_group_is_required_and_the_sentence_says_what_expanding_costs(place):
    branches = [branch(2, 4, (3, 3), 1), branch(2, 4, (3, 3), 5)]
    branches[place] = replace(branches[place], w=branches[place].w[:, :2], groups=2)
    with pytest.raises(MergeError) as error:
        merge(*branches)
    name = ("convolution", "attention")[place]
    assert error.value.condition == "one group"
    assert str(error.value) == (
        f"one group: the {name} branch must have groups=1, not 2; expanded with zeros it takes "
        f"2 times the multiplications"
    )


def test_kernels_in_groups_have_no_place_beside_the_others_until_expanded():
    """Merged as they are they take too few channels; with zeros for the others they are exact."""
    x, z = rationals(1, 2, 3, 3, seed=1), rationals(1, 4, 3, 3, seed=2)
    conv = branch(2, 2, (3, 3), 3)
    grouped = branch(2, 2, (3, 3), 7, groups=2)
    true = run(conv, x) + run(grouped, z)
    both = np.concatenate([x, z], axis=1)
    w, b = merge(conv, replace(grouped, groups=1))
    with pytest.raises(ValueError, match="x must have 4 channels"):
        conv2d(both, w, b, padding=1)
    expanded = np.zeros((2, 4, 3, 3), object)
    expanded[0, :2], expanded[1, 2:] = grouped.w
    w, b = merge(conv, replace(grouped, w=expanded, groups=1))
    assert same(values(conv2d(both, w, b, padding=1)), values(true))


@in_either_branch
@pytest.mark.parametrize("kernel", [(2, 2), (3, 2), (4, 3)], ids=str)
def test_a_kernel_without_a_middle_is_refused(place, kernel):
    branches = [branch(1, 1, (3, 3), 1), branch(1, 1, (3, 3), 5)]
    branches[place] = branch(1, 1, kernel, 3, padding=1)
    with pytest.raises(MergeError) as error:
        merge(*branches)
    name = ("convolution", "attention")[place]
    assert error.value.condition == "common support"
    assert str(error.value) == (
        f"common support: kernel sides of the {name} branch must be odd, not {kernel}"
    )


def test_an_even_kernel_without_stride_never_has_the_grid_of_an_odd_one():
    """K even: H + 2p − K + 1 has the parity of H + 1, K odd: of H. There is no sum to merge."""
    for height, pad, even, odd_side in product(range(4, 9), range(3), (2, 4), (1, 3, 5)):
        image = rationals(1, 1, height, height, seed=1)
        rows = [
            conv2d(image, rationals(1, 1, k, k, seed=2), padding=p).shape[2]
            for k, p in ((even, pad), (odd_side, odd_side // 2))
        ]
        assert rows[0] != rows[1]


def test_the_conditions_are_sufficient_an_even_kernel_may_merge_off_centre_and_is_refused():
    """With stride 2 and no padding a 2×2 kernel reads what a 3×3 corner reads with padding 1."""
    x, even = rationals(1, 1, 4, 6, seed=1), branch(1, 1, (2, 2), 5, bn=None, stride=2, padding=0)
    corner = np.zeros((1, 1, 3, 3), object)
    corner[:, :, 1:, 1:] = even.w
    assert same(run(even, x), run(replace(even, w=corner, padding=1), x))
    with pytest.raises(MergeError, match=r"^common support: "):
        merge(branch(1, 1, (3, 3), 1, stride=2), even)


def test_branches_of_different_outputs_are_refused():
    with pytest.raises(MergeError) as error:
        merge(branch(3, 1, (1, 1), 1), branch(2, 4, (1, 1), 5))
    assert error.value.condition == "equal outputs"
    assert str(error.value) == (
        "equal outputs: output channels must be the same in both branches, not 3 and 2"
    )


def test_one_output_does_not_stand_for_several():
    """NumPy would add one channel to each of three; a convolution does not."""
    with pytest.raises(MergeError, match=r"^equal outputs: "):
        merge(branch(3, 1, (1, 1), 1), branch(1, 4, (1, 1), 5))


def test_statistics_do_not_matter_where_there_is_no_normalisation():
    conv, attention = branch(1, 1, (3, 3), 1, bn=None, statistics="batch"), branch(1, 4, (1, 1), 5)
    assert merge(conv, attention).w.shape == (1, 5, 3, 3)


def test_a_merge_error_can_be_caught_as_a_value_error():
    assert issubclass(MergeError, ValueError)
