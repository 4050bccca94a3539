"""Bounds of local response normalisation: see refimpl/ops/local_response_norm.py."""

import numpy as np

from tests.oracles.bounds.slack import SLACK


def local_response_norm(case, dy):
    """Every term on absolute values; written out channel by channel."""
    x = case.inputs["x"]
    size, alpha, beta, k = (case.options[name] for name in ("size", "alpha", "beta", "k"))
    channels = np.arange(x.shape[1])
    near = (np.abs(channels[:, None] - channels) <= size // 2).astype(float)
    u = k + alpha * np.einsum("cd,ndhw->nchw", near, x * x)
    through = np.einsum("cd,ndhw->nchw", near, dy * np.abs(x) * u ** (-beta - 1))
    dx = dy * u**-beta + 2 * alpha * beta * np.abs(x) * through
    return SLACK * np.abs(x) * u**-beta, {"x": SLACK * dx}
