"""Claims about binary32: how far the training form and the fused form may drift apart.

A term that is rounded k times on its way to the output carries a factor within 1 ± γ_k, and a sum
of N terms, in any order, rounds each at most N − 1 times. Who rounds what, besides the sum:

    training form   x ⊙ shift(x), w·z, + b, − μ, · s, + β, sum of both branches; s: σ² + ε, √, γ/√
    fused form      x ⊙ shift(x), w'·z, + b'; w' = w·s; s: σ² + ε, √, γ/√

(b' is rounded no more often than w': − μ, · s, + β, the sum of both.) The training form sums the
taps of one branch, at least one fewer than the fused form's; ``roundings`` is the larger count.

Source: Higham, "Accuracy and Stability of Numerical Algorithms" (2002), Lemma 3.1 and section 3.1.
"""

from fractions import Fraction

import numpy as np

from proofs.article import ours
from proofs.claim import claim
from proofs.claims.branches import bias, norm
from proofs.domain import Grid, grid
from proofs.rings import Array, exact_root
from refimpl import BatchNorm, conv2d, shift_product, xvolution, xvolution_fused
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


SCALE = ("σ² + ε", "√", "γ / √")
TRAINED = ("x ⊙ shift(x)", "w · z", "+ b", "− μ", *SCALE, "· s", "+ β", "sum of branches")
FUSED = ("x ⊙ shift(x)", "w' · z", "+ b'", "w' = w · s", *SCALE)
FOLDED_BIAS = ("− μ", *SCALE, "· s", "+ β", "sum of biases", "+ b'")


def roundings(channels: int, kernels: tuple[tuple[int, int], tuple[int, int]]) -> int:
    """Most roundings of any term of either form: k taps, and c more."""
    (rows_c, cols_c), (rows_a, cols_a) = kernels
    branch = channels * max(rows_c * cols_c, 4 * rows_a * cols_a)
    merged = 5 * channels * max(rows_c, rows_a) * max(cols_c, cols_a)
    return max(branch - 1 + len(TRAINED), merged - 1 + len(FUSED), len(FOLDED_BIAS))


def _float_grid(offset: tuple[float, ...], seed: range) -> Grid:
    return grid(
        image=((1, 1, 1, 1), (1, 2, 5, 4)),
        kernels=(((3, 3), (3, 3)), ((3, 3), (1, 1))),
        offset=offset,
        seed=seed,
    )


@claim(
    source=ours("A4"),
    status="bounded",
    evidence="exact rationals",
    why="Each form rounds every term at most k times on its way to the output, so each is within "
    "γ_k·M of the exact value.",
    proof="The lemma on products of 1 + δ, and the count of roundings at the head of the file: "
    "(1 + D)·C·K² taps, and c = 6 for the fused form; the taps of one branch, and c = 9 for the "
    "training form.",
    over=_float_grid((1.0, 1000.0), range(8)),
)
def float32_forms_differ_by_rounding_only(
    image: tuple[int, ...],
    kernels: tuple[tuple[int, int], tuple[int, int]],
    offset: float,
    seed: int,
) -> bool:
    """In float32 training and fused form differ by at most 2·γ_k·M, at every output pixel.

    M = Σ |s|·(|w| ∗ |z| + |b| + |μ|) + |β| over both branches, z being x and T(x);
    γ_k = k·u/(1 − k·u), u = 2⁻²⁴, k the larger of (1 + D)·C·K² + 6 and one branch's taps + 9.
    Compared exactly. Underflow apart.
    """
    x, trained, fused, conv, attention = float32_forms(image, kernels, offset, seed)
    assert trained.dtype == fused.dtype == np.float32  # noqa: S101 - or the bound is of another type
    z = exact(x)
    most = magnitude(conv, z) + magnitude(attention, shift_product(z))
    return bool(np.all(apart(trained, fused) <= 2 * gamma(image[1], kernels) * most))


def gamma(channels: int, kernels: tuple[tuple[int, int], tuple[int, int]]) -> Fraction:
    """γ_k = k·u/(1 − k·u) for all roundings of both forms, u = 2⁻²⁴."""
    k = roundings(channels, kernels)
    return Fraction(k, 2**24 - k)


def apart(trained: Array, fused: Array) -> Array:
    """How far two arrays of floats are apart, exactly."""
    return np.asarray(abs(exact(trained) - exact(fused)))


def with_offset(power: int) -> tuple[Fraction, Fraction, Fraction]:
    """One pixel 1, one weight near ⅓, bias and mean both 2^power: both forms' outputs, and |w|·|x|.

    No sums but these, so the bits do not depend on the order of any.
    """
    one, large = np.ones(1, np.float32), np.full(1, 2.0**power, np.float32)
    bn = BatchNorm(one, one * 0, large, one - np.float32(0.25))
    conv = Branch(w=(one / 3).reshape(1, 1, 1, 1), b=large, bn=bn, eps=np.float32(0.25))
    rest = Branch(
        w=np.zeros((1, 4, 1, 1), np.float32), b=one * 0, bn=bn._replace(mean=one * 0), eps=conv.eps
    )
    x = np.ones((1, 1, 1, 1), np.float32)
    trained = xvolution(
        x, conv.w, rest.w, norm(conv), norm(rest), bias(conv), bias(rest), eps=conv.eps
    )
    merged = merge(conv, rest)
    fused = xvolution_fused(x, merged.w, merged.b)
    products = exact(abs(conv.w))[0, 0, 0, 0]
    return exact(trained)[0, 0, 0, 0], exact(fused)[0, 0, 0, 0], products


def _explain_offset(power: int) -> str:
    trained, fused, _ = with_offset(power)
    return (
        f"one pixel 1, w = ⅓, bias and mean 2^{power}: the training form gives {float(trained)}, "
        f"the fused form {float(fused)}"
    )


@claim(
    source=ours("A4"),
    status="false",
    evidence="exhaustive search",
    why="Means and biases far larger than the result cancel, and leave their rounding behind.",
    over=grid(power=range(24)),
    order="a bias and a mean of 2^power, upwards",
    explain=_explain_offset,
)
def float32_forms_agree_to_a_hundred_ulps(power: int) -> bool:
    """In float32 training and fused form differ by at most 100 units in the last place."""
    trained, fused, _ = with_offset(power)
    return abs(trained - fused) <= 100 * Fraction(float(np.spacing(np.float32(trained))))


@claim(
    source=ours("A4"),
    status="false",
    evidence="exhaustive search",
    why="The bias and the mean are rounded too, and may be larger than all products together.",
    over=grid(power=range(24)),
    order="a bias and a mean of 2^power, upwards",
    explain=_explain_offset,
)
def products_alone_bound_the_rounding(power: int) -> bool:
    """In float32 the forms differ by at most 2·γ_k·Σ |s|·(|w| ∗ |z|): biases and means left out."""
    trained, fused, products = with_offset(power)
    return abs(trained - fused) <= 2 * gamma(1, ((1, 1), (1, 1))) * products
