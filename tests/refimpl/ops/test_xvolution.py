"""X-volution is the sum of its parts: two branches, each written out and normalised."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs.rings import duals, rationals, same, values
from refimpl import FOUR_DIRECTIONS, BatchNorm, xvolution
from refimpl.arrays import ShapeError

exactly = settings(deadline=None, derandomize=True, max_examples=40)
EPS = Fraction(1, 9)
steps = st.integers(-2, 2)


@st.composite
def layers(draw):
    """Exact arrays of both branches, kernels of different sizes, and options; tiny images."""
    directions = draw(st.lists(st.tuples(steps, steps).filter(any), min_size=1, max_size=3))
    c, o, seed = draw(st.integers(1, 2)), draw(st.integers(1, 2)), draw(st.integers(0, 99))
    kernels = [draw(st.tuples(*[st.sampled_from([1, 3])] * 2)) for _ in range(2)]
    arrays = {
        "x": rationals(1, c, draw(st.integers(1, 4)), draw(st.integers(1, 3)), seed=seed),
        "w_c": rationals(o, c, *kernels[0], seed=seed + 1),
        "w_a": rationals(o, len(directions) * c, *kernels[1], seed=seed + 2),
        "b_c": rationals(o, seed=seed + 3),
        "b_a": rationals(o, seed=seed + 4),
    }
    options = {
        "directions": directions,
        "length": draw(st.integers(1, 2)),
        "boundary": draw(st.sampled_from(["circular", "zero"])),
        "stride": (draw(st.integers(1, 3)), draw(st.integers(1, 2))),
        "dilation": (draw(st.integers(1, 2)), draw(st.integers(1, 2))),
    }
    return arrays, options


def maps(x, directions, length, boundary):
    """T(x), pixel by pixel."""
    height, width = x.shape[2:]
    z = np.zeros((len(x), len(directions) * x.shape[1], height, width), object)
    for (n, m, i, j), _ in np.ndenumerate(z):
        d, c = divmod(m, x.shape[1])
        row, col = i + length * directions[d][0], j + length * directions[d][1]
        if boundary == "circular":
            row, col = row % height, col % width
        if 0 <= row < height and 0 <= col < width:
            z[n, m, i, j] = x[n, c, i, j] * x[n, c, row, col]
    return z


def same_convolution(z, w, b, stride, dilation):
    """The convolution with "same" zero padding, written out: an odd kernel's middle is at p."""
    height, width = z.shape[2:]
    y = np.empty((len(z), len(w), -(-height // stride[0]), -(-width // stride[1])), object)
    for n, o, i, j in np.ndindex(y.shape):
        total = b[o]
        for c, u, v in product(*map(range, w.shape[1:])):
            row = i * stride[0] + dilation[0] * (u - w.shape[2] // 2)
            col = j * stride[1] + dilation[1] * (v - w.shape[3] // 2)
            if 0 <= row < height and 0 <= col < width:
                total += w[o, c, u, v] * z[n, c, row, col]
        y[n, o, i, j] = total
    return y


def branches(arrays, options):
    shifts = {key: options[key] for key in ("directions", "length", "boundary")}
    grid = options["stride"], options["dilation"]
    products = maps(arrays["x"], **shifts)
    return (
        same_convolution(arrays["x"], arrays["w_c"], arrays["b_c"], *grid),
        same_convolution(products, arrays["w_a"], arrays["b_a"], *grid),
    )


def norm(channels, seed):
    """Normalisation whose deviations are the rationals returned with it."""
    gamma, beta, mean, roots = rationals(4, channels, seed=seed)
    roots = np.abs(roots) + Fraction(1, 2)
    return BatchNorm(gamma, beta, mean, duals(roots * roots - EPS)), roots


def affine(y, bn, roots):
    scale, mean, beta = (a[:, None, None] for a in (bn.gamma / roots, bn.mean, bn.beta))
    return (y - mean) * scale + beta


@exactly
@given(layers())
def test_inference_adds_the_two_branches_each_normalised(layer):
    arrays, options = layer
    norms = [norm(len(arrays["b_c"]), seed) for seed in (7, 8)]
    parts = branches(arrays, options)
    expected = sum(affine(y, *each) for y, each in zip(parts, norms, strict=True))
    (bn_c, _), (bn_a, _) = norms
    y = xvolution(**arrays, bn_c=bn_c, bn_a=bn_a, eps=EPS, **options)
    assert same(values(y), expected)


@exactly
@given(layers())
def test_biases_left_out_are_biases_of_zero(layer):
    arrays, options = layer
    norms = [norm(len(arrays["b_c"]), seed)[0] for seed in (7, 8)]
    zero = {name: 0 * arrays[name] for name in ("b_c", "b_a")}
    rest = {name: arrays[name] for name in ("x", "w_c", "w_a")}
    options |= {"bn_c": norms[0], "bn_a": norms[1], "eps": EPS}
    assert same(xvolution(**rest, **options), xvolution(**rest, **zero, **options))


def test_x_volution_is_neither_even_nor_odd():
    """The convolution is odd, pixel-shift self-attention even: their sum is neither."""
    x, w_c = rationals(1, 2, 3, 3, seed=1), rationals(1, 2, 3, 3, seed=2)
    w_a = rationals(1, 8, 3, 3, seed=3)
    one, none = np.full(1, Fraction(1), object), np.full(1, Fraction(0), object)
    bn = BatchNorm(one, none, none, duals(one - EPS))
    there, back = (xvolution(sign * x, w_c, w_a, bn, bn, eps=EPS) for sign in (1, -1))
    odd = same_convolution(x, w_c, none, (1, 1), (1, 1))
    even = same_convolution(maps(x, FOUR_DIRECTIONS, 1, "circular"), w_a, none, (1, 1), (1, 1))
    assert same(values(there - back), 2 * odd)
    assert same(values(there + back), 2 * even)


def shapes(w_c=(2, 3, 3, 3), w_a=(2, 12, 3, 3), bn=2):
    bns = BatchNorm(*np.ones((4, bn))), BatchNorm(*np.ones((4, bn)))
    return (np.ones((1, 3, 4, 5)), np.ones(w_c), np.ones(w_a), *bns)


@pytest.mark.parametrize("branch", ["w_c", "w_a"])
@pytest.mark.parametrize("kernel", [(2, 2), (3, 4)], ids=str)
def test_an_even_kernel_in_either_branch_is_refused(branch, kernel):
    channels = {"w_c": 3, "w_a": 12}[branch]
    sentence = rf"^kernel sides must be odd for 'same' padding, not \({kernel[0]}, {kernel[1]}\)$"
    with pytest.raises(ValueError, match=sentence):
        xvolution(*shapes(**{branch: (2, channels, *kernel)}))


@pytest.mark.parametrize("w_a", [(2, 3, 3, 3), (2, 15, 3, 3)], ids=str)
def test_attention_kernels_must_take_a_map_per_direction_and_channel(w_a):
    with pytest.raises(ValueError, match=rf"must have {w_a[1]} channels, .* not 12$"):
        xvolution(*shapes(w_a=w_a))


@pytest.mark.parametrize("bad", [{"w_a": (3, 12, 3, 3)}, {"bn": 1}, {"bn": 3}], ids=str)
def test_both_branches_and_their_normalisations_must_have_the_same_outputs(bad):
    with pytest.raises(ShapeError, match="must be given"):
        xvolution(*shapes(**bad))
