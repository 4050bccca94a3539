"""Trained branches on exact numbers: what the claims about folding and merging are made of.

Every number is a rational; var + ε of each normalisation is the square of one, so the square root
is exact.
"""

from dataclasses import replace
from fractions import Fraction
from math import isqrt

import numpy as np

from proofs.cases import square_bn
from proofs.rings import Array, duals, rationals
from refimpl import BatchNorm, batch_norm, batch_norm_training, conv2d, relu
from refimpl.fuse import Branch

EPS = Fraction(1, 4)


def trained_branch(outputs: int, channels: int, kernel: tuple[int, int], seed: int) -> Branch:
    """A trained branch on exact numbers, every array its own."""
    return Branch(
        w=rationals(outputs, channels, *kernel, seed=seed),
        b=rationals(outputs, seed=seed + 1),
        bn=root_ready(square_bn(outputs, seed % 3)),
        eps=EPS,
    )


def root_ready(bn: BatchNorm) -> BatchNorm:
    """Give the variance a number type that has square roots."""
    return bn._replace(var=duals(bn.var))


def run(branch: Branch, z: Array) -> Array:
    """Run a branch as it is described, its normalisation and activation included."""
    rows, cols = branch.reach
    if branch.padding_mode == "circular":
        z = np.pad(z, ((0, 0), (0, 0), (rows, rows), (cols, cols)), mode="wrap")
        rows = cols = 0
    y = conv2d(
        z, branch.w, branch.b, stride=branch.stride, padding=(rows, cols), dilation=branch.dilation
    )
    if branch.bn is not None and branch.statistics == "batch":
        y = batch_norm_training(duals(y), branch.bn.gamma, branch.bn.beta, eps=branch.eps).y
    elif branch.bn is not None:
        y = batch_norm(y, *branch.bn, eps=branch.eps)
    return y if branch.activation is None else relu(y)


def bias(branch: Branch) -> Array:
    """Return the bias, which ``trained_branch`` gave it."""
    assert branch.b is not None  # noqa: S101 - trained_branch made it
    return branch.b


def norm(branch: Branch) -> BatchNorm:
    """Return the normalisation, which ``trained_branch`` gave it."""
    assert branch.bn is not None  # noqa: S101 - trained_branch made it
    return branch.bn


def with_batch_statistics(branch: Branch, z: Array) -> Branch:
    """Train the one channel of a branch on ``z``, with ε that makes both roots rational.

    The batch's variance v gives v + ε = r² for the next integer r; the running variance is chosen
    so that it gives (r + 1)².
    """
    y = run(replace(branch, bn=None), z)
    mean = y.sum() / y.size
    var = ((y - mean) * (y - mean)).sum() / y.size
    root = isqrt(int(var)) + 1
    running = duals(np.array([(root + 1) ** 2 - root**2 + var], object))
    return replace(
        branch, statistics="batch", eps=root**2 - var, bn=norm(branch)._replace(var=running)
    )
