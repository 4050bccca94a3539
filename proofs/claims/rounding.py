"""Claims about binary32: how far the training form and the fused form may drift apart."""

from fractions import Fraction

import numpy as np

from proofs.article import ours
from proofs.claim import claim
from proofs.claims.branches import bias, norm
from proofs.domain import grid
from proofs.rings import Array, exact_root
from refimpl import (
    BatchNorm,
    conv2d,
    shift_product,
    xvolution,
    xvolution_fused,
)
from refimpl.fuse import Branch, merge


def _float_branch(
    rng: np.random.Generator, channels: int, kernel: tuple[int, int], offset: float
) -> Branch:
    """A float32 branch whose means and biases are ``offset`` times larger than its weights."""

    def drawn(*shape: int) -> Array:
        return rng.standard_normal(shape).astype(np.float32)

    roots = rng.integers(2, 9, 2) / np.float32(4)
    var = (roots * roots - np.float32(0.25)).astype(np.float32)  # exact: quarters, squared
    bn = BatchNorm(drawn(2), drawn(2), drawn(2) * np.float32(offset), var)
    return Branch(
        w=drawn(2, channels, *kernel), b=drawn(2) * np.float32(offset), bn=bn, eps=np.float32(0.25)
    )


def exact(array: Array) -> Array:
    """Read floats as the rationals they are."""
    return np.asarray(np.frompyfunc(lambda each: Fraction(float(each)), 1, 1)(array), object)


def magnitude(branch: Branch, z: Array) -> Array:
    """|s|·(|w| ∗ |z| + |b| + |μ|) + |β|, exactly, for one branch."""
    bn = norm(branch)
    s = np.array(
        [
            gamma / exact_root(var + Fraction(1, 4))
            for gamma, var in zip(exact(bn.gamma), exact(bn.var), strict=True)
        ],
        object,
    )
    inside = conv2d(abs(z), abs(exact(branch.w)), abs(exact(bias(branch))), padding=branch.reach)
    scaled = abs(s)[:, None, None] * (inside + abs(exact(bn.mean))[:, None, None])
    return np.asarray(scaled + abs(exact(bn.beta))[:, None, None])


def float32_forms(
    image: tuple[int, ...],
    kernels: tuple[tuple[int, int], tuple[int, int]],
    offset: float,
    seed: int,
) -> tuple[Array, Array, Array, Branch, Branch]:
    """Image, training form, fused form and the two branches, in float32."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(image).astype(np.float32)
    conv, attention = (
        _float_branch(rng, channels, kernel, offset)
        for channels, kernel in zip((image[1], 4 * image[1]), kernels, strict=True)
    )
    trained = xvolution(
        x,
        conv.w,
        attention.w,
        norm(conv),
        norm(attention),
        bias(conv),
        bias(attention),
        eps=conv.eps,
    )
    merged = merge(conv, attention)
    return x, trained, xvolution_fused(x, merged.w, merged.b), conv, attention


@claim(
    source=ours("A4"),
    status="bounded",
    evidence="exact rationals",
    why="Each form rounds every term at most k times on its way to the output, so each is within "
    "γ_k·M of the exact value.",
    over=grid(
        image=((1, 1, 1, 1), (1, 2, 5, 4)),
        kernels=(((3, 3), (3, 3)), ((3, 3), (1, 1))),
        offset=(1.0, 1000.0),
        seed=range(8),
    ),
)
def float32_forms_differ_by_rounding_only(
    image: tuple[int, ...],
    kernels: tuple[tuple[int, int], tuple[int, int]],
    offset: float,
    seed: int,
) -> bool:
    """In float32 training and fused form differ by at most 2·γ_k·M, at every output pixel.

    M = Σ |s|·(|w| ∗ |z| + |b| + |μ|) + |β| over both branches, z being x and T(x);
    γ_k = k·u/(1 − k·u), u = 2⁻²⁴, k = (1 + (1 + D)·C)·K² + 10. Underflow apart.
    """
    x, trained, fused, conv, attention = float32_forms(image, kernels, offset, seed)
    assert trained.dtype == fused.dtype == np.float32  # noqa: S101 - or the bound is of another type
    taps = max(kernels[0][0], kernels[1][0]) * max(kernels[0][1], kernels[1][1])
    k = (1 + 5 * image[1]) * taps + 10
    gamma = Fraction(k, 2**24 - k)
    z = exact(x)
    most = magnitude(conv, z) + magnitude(attention, shift_product(z))
    return bool(np.all(abs(exact(trained) - exact(fused)) <= 2 * gamma * most))
