"""X-volution in training, kernels larger than a pixel: its backward is that of its parts."""

import numpy as np

from refimpl import (
    batch_norm_training_backward,
    conv2d,
    conv2d_backward,
    pssa,
    pssa_backward,
    xvolution_training_backward,
)


def test_the_backward_pads_and_strides_as_the_branches_do():
    rng = np.random.default_rng(1)
    x, dy = rng.standard_normal((2, 3, 5, 6)), rng.standard_normal((2, 4, 3, 3))
    w_c, w_a = rng.standard_normal((4, 3, 3, 3)), rng.standard_normal((4, 12, 3, 1))
    gamma_c, gamma_a = rng.standard_normal((2, 4))
    grads = xvolution_training_backward(dy, x, w_c, w_a, gamma_c, gamma_a, stride=2)

    norm_c = batch_norm_training_backward(dy, conv2d(x, w_c, stride=2, padding=1), gamma_c)
    norm_a = batch_norm_training_backward(dy, pssa(x, w_a, stride=2), gamma_a)
    conv = conv2d_backward(norm_c.x, x, w_c, stride=2, padding=1)
    attention = pssa_backward(norm_a.x, x, w_a, stride=2)
    assert np.array_equal(grads.x, conv.x + attention.x)
    assert np.array_equal(grads.w_c, conv.w)
    assert np.array_equal(grads.w_a, attention.w)
    assert np.array_equal(grads.gamma_a, norm_a.gamma)
