"""X-volution (SA): the convolution plus global attention, each normalised."""

from fractions import Fraction

import numpy as np
import pytest

from proofs.rings import duals, rationals, same, values
from refimpl import BatchNorm, conv2d, global_attention, xvolution_global

EPS = Fraction(1, 9)


def norm(channels, seed):
    gamma, beta, mean, roots = rationals(4, channels, seed=seed)
    roots = np.abs(roots) + Fraction(1, 2)
    return BatchNorm(gamma, beta, mean, duals(roots * roots - EPS)), roots


def affine(y, bn, roots):
    scale, mean, beta = (a[:, None, None] for a in (bn.gamma / roots, bn.mean, bn.beta))
    return (y - mean) * scale + beta


@pytest.mark.parametrize("sides", [(1, 1), (3, 4), (5, 2)], ids=str)
@pytest.mark.parametrize("stride", [1, (2, 3)], ids=str)
@pytest.mark.parametrize("dilation", [1, 2])
def test_it_is_the_sum_of_its_branches_and_only_the_convolution_dilates(sides, stride, dilation):
    x, w_c, b_c = (
        rationals(1, 2, *sides, seed=1),
        rationals(3, 2, 1, 3, seed=2),
        rationals(3, seed=3),
    )
    (w_q, w_k), w_v = rationals(2, 4, 2, seed=4), rationals(3, 2, seed=5)
    norms = [norm(3, seed) for seed in (6, 7)]
    conv = conv2d(x, w_c, b_c, padding=(0, dilation), stride=stride, dilation=dilation)
    options = {"normalise": "none", "scale": Fraction(1, 2), "stride": stride}
    attention = global_attention(x, w_q, w_k, w_v, **options)
    expected = affine(conv, *norms[0]) + affine(attention, *norms[1])
    options |= {"bn_c": norms[0][0], "bn_a": norms[1][0], "dilation": dilation, "eps": EPS}
    assert same(values(xvolution_global(x, w_c, w_q, w_k, w_v, b_c=b_c, **options)), expected)


def merged(x, w_c, matrices, norms):
    """Kernels and bias of the one convolution of x that X-volution (SA) is for this image."""
    (bn_c, roots_c), (bn_a, roots_a) = norms
    w_q, w_k, w_v = matrices
    pixels = x[0].reshape(x.shape[1], -1)
    mixing = (w_v @ pixels) @ (w_k @ pixels).T @ w_q
    scale_c, scale_a = bn_c.gamma / roots_c, bn_a.gamma / roots_a
    kernels = w_c * scale_c[:, None, None, None]
    middle = w_c.shape[2] // 2, w_c.shape[3] // 2
    kernels[:, :, middle[0], middle[1]] += mixing * scale_a[:, None]
    return kernels, bn_c.beta - bn_c.mean * scale_c + bn_a.beta - bn_a.mean * scale_a


@pytest.mark.parametrize("stride", [1, 2])
def test_unnormalised_it_is_one_convolution_whose_weights_depend_on_the_image(stride):
    """w_c + δ₀·G(x)·W_q with the normalisations folded in: the SA form."""
    x, w_c = rationals(1, 2, 3, 4, seed=1), rationals(3, 2, 3, 3, seed=2)
    matrices = [*rationals(2, 4, 2, seed=4), rationals(3, 2, seed=5)]
    norms = [norm(3, seed) for seed in (6, 7)]
    options = {"normalise": "none", "stride": stride, "eps": EPS}
    bns = norms[0][0], norms[1][0]
    y = values(xvolution_global(x, w_c, *matrices, *bns, **options))
    w, b = merged(x, w_c, matrices, norms)
    assert same(y, conv2d(x, w, b, padding=1, stride=stride))
    other = rationals(1, 2, 3, 4, seed=8)
    y = values(xvolution_global(other, w_c, *matrices, *bns, **options))
    assert not same(y, conv2d(other, w, b, padding=1, stride=stride))


def test_an_even_kernel_is_refused():
    one, bn = np.ones((1, 1)), BatchNorm(*np.ones((4, 1)))
    with pytest.raises(ValueError, match=r"^kernel sides must be odd for 'same' padding"):
        xvolution_global(np.ones((1, 1, 4, 4)), np.ones((1, 1, 3, 2)), one, one, one, bn, bn)
