"""X-volution, Eq. 9: the convolution plus local attention, each normalised."""

from fractions import Fraction

import numpy as np
import pytest

from proofs.rings import duals, rationals, same, values
from refimpl import BatchNorm, conv2d, local_attention, xvolution_local

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
@pytest.mark.parametrize("kernel", [1, 3, (5, 3)], ids=str)
def test_it_is_the_sum_of_its_branches_whatever_their_windows(sides, stride, dilation, kernel):
    x, w_c, b_c = (
        rationals(1, 2, *sides, seed=1),
        rationals(3, 2, 3, 1, seed=2),
        rationals(3, seed=3),
    )
    (w_q, w_k), w_v = rationals(2, 4, 2, seed=4), rationals(3, 2, seed=5)
    norms = [norm(3, seed) for seed in (6, 7)]
    steps = {"stride": stride, "dilation": dilation}
    conv = conv2d(x, w_c, b_c, padding=(dilation, 0), **steps)
    attention = local_attention(x, w_q, w_k, w_v, kernel=kernel, **steps)
    expected = affine(conv, *norms[0]) + affine(attention, *norms[1])
    bns = {"bn_c": norms[0][0], "bn_a": norms[1][0]}
    y = xvolution_local(x, w_c, w_q, w_k, w_v, b_c=b_c, kernel=kernel, eps=EPS, **bns, **steps)
    assert same(values(y), expected)


@pytest.mark.parametrize("bad", ["convolution", "window"])
def test_an_even_kernel_in_either_branch_is_refused(bad):
    w_c = np.ones((1, 1, 2 if bad == "convolution" else 3, 3))
    one, bn = np.ones((1, 1)), BatchNorm(*np.ones((4, 1)))
    kernel = 2 if bad == "window" else 3
    with pytest.raises(ValueError, match=r"^kernel sides must be odd for 'same' padding"):
        xvolution_local(np.ones((1, 1, 4, 4)), w_c, one, one, one, bn, bn, kernel=kernel)
