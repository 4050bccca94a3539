"""How far two float64 evaluations of one operator may differ: a bound for output and gradients.

For a polynomial operator, and for affine normalisation, it is ω·M, where M is the same expression
on absolute values and ω = 1e-12 covers the roundings of both evaluations. For softmax, attention
with softmax, cross entropy and normalisation in training it is scaled by how the operator amplifies
errors; each formula is derived in the docstring of the operator's own file.
"""

import numpy as np

from proofs.cases import OperatorCase, leaves, with_leaf
from tests.oracles.bounds import attention, classes, normalisation, response
from tests.oracles.bounds.slack import EPS, SLACK

__all__ = ["DERIVED", "EPS", "SLACK", "bounds"]

DERIVED = {
    "aa_conv2d": attention.aa_conv2d,
    "batch_norm_training": normalisation.batch_norm_training,
    "cross_entropy": classes.cross_entropy,
    "global_attention": attention.global_attention,
    "local_attention": attention.local_attention,
    "local_response_norm": response.local_response_norm,
    "softmax": classes.softmax,
    "xvolution_global": attention.xvolution_global,
    "xvolution_local": attention.xvolution_local,
    "xvolution_training": normalisation.xvolution_training,
}
"""Operators whose bound is not ω·M, at least in one of their forms."""


def bounds(case: OperatorCase, dy):
    """Bounds on |difference| of the output and, by path, of every gradient."""
    if case.mixes_images or "exp" in case.inexact:
        y, grads = DERIVED[case.name](case, np.abs(dy))
        return y, dict(leaves(grads))
    y, grads = magnitudes(case, dy)
    return SLACK * y, {path: SLACK * grad for path, grad in grads.items()}


def magnitudes(case: OperatorCase, dy):
    """M: the operator on absolute values. x − μ becomes |x| + |μ|, and variances stay."""
    inputs = case.inputs
    for path, array in leaves(inputs):
        if path[-1] != "var" and not case.piecewise:
            size = np.abs(array)
            inputs = with_leaf(inputs, path, -size if path[-1] == "mean" else size)
    grads = leaves(case.backward(np.abs(dy), inputs))
    return np.abs(case.forward(inputs)), {path: np.abs(grad) for path, grad in grads}
