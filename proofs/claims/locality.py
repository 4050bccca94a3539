"""Claims about the article's argument: global attention by local attention and convolution.

Two steps. *Local-linear*: a pixel is nearly a combination of its neighbours, so its attention is
nearly the same combination of theirs. *Truncation*: pixels far away are left out. The first has an
exact error and a bound; the second has an exact error on white noise, and no bound without a
hypothesis on what is far away. How large both are on images is measured (``approximation``).
"""

from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from proofs.article import GLOBAL_BY_LOCAL, ours
from proofs.claim import Hypothesis, Rung, claim
from proofs.domain import Grid, grid
from proofs.exact import Numbers, drawer, false_accept
from proofs.rings import Array, duals, rationals, same
from refimpl import global_attention, local_attention
from refimpl.forms import per_image_weights


def _query_grid(normalise: str, numbers: Numbers = "rationals") -> Grid:
    images = ((1, 1, 1, 5), (2, 2, 2, 3)) if numbers != "variables" else ((1, 1, 1, 5),)
    return grid(numbers=(numbers,), image=images, normalise=(normalise,))


def _residual(draw: Any, x: Array) -> tuple[Array, Array]:
    """Weights of every other pixel, and what of the first one they do not explain (n, c)."""
    flat = x.reshape(*x.shape[:2], -1)
    alpha = draw(flat.shape[2] - 1, seed=9)
    return alpha, flat[:, :, 0] - (flat[:, :, 1:] * alpha).sum(axis=2)


def attention_matrix(x: Array, w_q: Array, w_k: Array, w_v: Array) -> Array:
    """M(x) with y_p = M(x)·x_p: unnormalised global attention of each image as a matrix."""
    nothing = np.full((len(w_v), x.shape[1], 1, 1), Fraction(0), object)
    return per_image_weights(x, nothing, w_q, w_k, w_v)[..., 0, 0]


@claim(
    source=GLOBAL_BY_LOCAL,
    status="conditional",
    evidence="exact rationals",
    why="Without softmax the output is linear in the query: y_p = M(x)·x_p with one matrix for all "
    "pixels.",
    proof="y_0 − Σ α_i y_i = M(x)·(x_0 − Σ α_i x_i), since y_p = (Σ_t v_t k_tᵀ) W_q x_p.",
    over=_query_grid("none"),
    hypotheses=(
        Hypothesis(text="the scores are not normalised by softmax", without=_query_grid("softmax")),
    ),
    rungs=(
        Rung(
            evidence="symbolic polynomial identity",
            over=_query_grid("none", "variables"),
            note="For all pixels, projections and α at this shape.",
        ),
        Rung(
            evidence="Schwartz–Zippel modulo 2⁶¹ − 1",
            over=_query_grid("none", "residues"),
            note=false_accept(8),
        ),
    ),
)
def the_local_linear_step_misses_what_attention_makes_of_the_residual(
    numbers: Numbers, image: tuple[int, ...], normalise: Any
) -> bool:
    """If x₀ = Σ α_i x_i + r, global attention misses exactly M(x)·r: y₀ − Σ α_i y_i = M(x)·r.

    M(x) = (Σ_t v_t k_tᵀ) W_q. No Markov property is needed: it only makes r small.
    """
    draw = drawer(numbers, room=80)
    x = draw(*image, seed=1)
    weights = [draw(2, image[1], seed=seed) for seed in (2, 3, 4)]
    alpha, rest = _residual(draw, x)
    lift = duals if numbers == "rationals" else lambda array: array
    y = global_attention(*map(lift, (x, *weights)), normalise=normalise, scale=1)
    flat = y.reshape(*y.shape[:2], -1)
    missed = flat[:, :, 0] - (flat[:, :, 1:] * alpha).sum(axis=2)
    return same(missed, (attention_matrix(x, *weights) @ rest[..., None])[..., 0])


@claim(
    source=ours("A1"),
    status="bounded",
    evidence="exact rationals",
    why="A matrix lengthens a vector by at most its Frobenius norm.",
    over=grid(image=((1, 1, 1, 5), (2, 2, 2, 3), (1, 3, 2, 2)), seed=range(8)),
)
def the_local_linear_step_errs_by_at_most_its_residual_times_a_norm(
    image: tuple[int, ...], seed: int
) -> bool:
    """‖y₀ − Σ α_i y_i‖ ≤ ‖M(x)‖_F·‖x₀ − Σ α_i x_i‖, compared squared, without softmax."""
    x = rationals(*image, seed=seed)
    weights = [rationals(2, image[1], seed=seed + each) for each in (1, 2, 3)]
    alpha, rest = _residual(lambda *shape, seed: rationals(*shape, seed=seed), x)
    y = global_attention(x, *weights, normalise="none")
    flat = y.reshape(*y.shape[:2], -1)
    missed = flat[:, :, 0] - (flat[:, :, 1:] * alpha).sum(axis=2)
    matrix = attention_matrix(x, *weights)
    bound = (matrix * matrix).sum(axis=(1, 2)) * (rest * rest).sum(axis=1)
    return bool(np.all((missed * missed).sum(axis=1) <= bound))


def gaussian_mean(polynomial: Any) -> Fraction:
    """Expectation of a polynomial in independent N(0, 1) variables.

    E xᵏ = (k − 1)·(k − 3)⋯1 for even k, and 0 for odd.
    """
    total = Fraction(0)
    for powers, coefficient in polynomial.flint.to_dict().items():
        if not any(power % 2 for power in powers):
            moment = prod(each for power in powers for each in range(1, power, 2))
            total += Fraction(int(coefficient.p), int(coefficient.q)) * moment
    return total


def truncation_error_squared(pixels: int, far: int, channels: int) -> Fraction:
    """E‖far part‖² / E‖whole‖² of unnormalised attention on white noise: the formula.

    m(m + C + 1) / [(n − 1)(n + C) + 2(n − 1)(C + 2) + (C + 2)(C + 4)], m pixels being far.

    Source: derived in ``white_noise_truncation_error``.
    """
    n, m, c = pixels, far, channels
    return Fraction(m * (m + c + 1), (n - 1) * (n + c) + 2 * (n - 1) * (c + 2) + (c + 2) * (c + 4))


@claim(
    source=ours("A1"),
    status="identity",
    evidence="exact expectation of polynomials",
    why="The far pixels make a Wishart matrix S of m degrees of freedom that is independent of the "
    "query, and E S² = m(m + C + 1)·I.",
    proof="Given q = x_p, the error is S q, S = Σ_far x xᵀ, so E‖S q‖² = m(m + C + 1)·C. The whole "
    "is (S' + q qᵀ) q with n − 1 degrees of freedom: E‖S' q‖² + 2 E‖q‖² qᵀS' q + E‖q‖⁶ = "
    "(n − 1)(n + C)C + 2(n − 1)C(C + 2) + C(C + 2)(C + 4). Divide, and C cancels.",
    over=grid(image=((1, 4), (1, 5), (2, 3), (3, 3)), channels=(1, 2), window=((1, 1), (1, 3))),
)
def white_noise_truncation_error(
    image: tuple[int, int], channels: int, window: tuple[int, int]
) -> bool:
    """On iid N(0, I_C) pixels truncation to a window costs a relative rms error known exactly.

    Its square is m(m + C + 1) / [(n − 1)(n + C) + 2(n − 1)(C + 2) + (C + 2)(C + 4)], where n pixels
    are seen by global and n − m by local attention; identity projections, no softmax. Both shipped
    operators are run on variables, and the polynomials' expectations taken exactly.
    """
    from proofs.polynomials import variables  # noqa: PLC0415 - an extra

    if channels * prod(image) > 10:  # the expansion grows with the sixth power
        channels = 1
    (x,) = variables((1, channels, *image))
    eye = np.eye(channels, dtype=int).astype(object)
    whole = global_attention(x, eye, eye, eye, normalise="none")
    near = local_attention(x, eye, eye, eye, kernel=window)
    middle = np.s_[0, :, image[0] // 2, image[1] // 2]
    far = prod(image) - min(window[1], image[1])
    error, size = (
        sum(gaussian_mean(each * each) for each in vector)
        for vector in (whole[middle] - near[middle], whole[middle])
    )
    return Fraction(error, size) == truncation_error_squared(prod(image), far, channels)


@claim(
    source=ours("A1"),
    status="bounded",
    evidence="exact rationals",
    why="For C ≪ n the sums of squares of the far pixels dominate; for C ≫ n the query's own term "
    "does, since ‖q‖² = C.",
    over=grid(side=(7, 14, 28, 56), channels=(1, 2, 64, 4096, 2**20), window=(9, 49)),
)
def white_noise_truncation_loses_nearly_everything(side: int, channels: int, window: int) -> bool:
    """The error is within 2(C + 4)/n of 1 − window/n, so nearly 1 for C ≪ n; it is at most √(n/C).

    On white noise, n = side² pixels: truncation is useless there, unless there are far more
    channels than pixels.
    """
    n = side * side
    squared = truncation_error_squared(n, n - window, channels)
    share, slack = 1 - Fraction(window, n), Fraction(2 * (channels + 4), n)
    low = max(share - slack, Fraction(0))
    return low**2 <= squared <= (share + slack) ** 2 and squared <= Fraction(n, channels)


@claim(
    source=ours("A1"),
    status="false",
    evidence="exhaustive search",
    why="A far pixel's part grows with its square, and locality says nothing of it.",
    over=grid(bound=(1, 10, 100, 1000), far=range(1, 64)),
    order="the bound, then a far pixel's value upwards from 1",
    explain=lambda bound, far: (
        f"in the row 1, 0, {far} the first pixel's global attention is {1 + far * far}, of which a "
        f"1×3 window sees 1: the error is {far * far} times that, more than {bound}"
    ),
)
def truncation_errs_by_a_bounded_factor(bound: int, far: int) -> bool:
    """What truncation leaves out is at most a constant times what it keeps."""
    x = np.array([1, 0, far], object).reshape(1, 1, 1, 3)
    one = np.ones((1, 1), int).astype(object)
    whole = global_attention(x, one, one, one, normalise="none")[0, 0, 0, 0]
    near = local_attention(x, one, one, one, kernel=(1, 3))[0, 0, 0, 0]
    return bool(abs(whole - near) <= bound * abs(near))


def _sides_of_truncation(
    image: tuple[int, int], window: tuple[int, int], seed: int
) -> tuple[Array, Array]:
    """Global less local softmax attention at the first pixel; far mass times far less near mean."""
    from proofs.balls import balls  # noqa: PLC0415 - an extra

    x = balls(rationals(1, 2, *image, seed=seed))
    weights = [balls(rationals(2, 2, seed=seed + each)) for each in (1, 2, 3)]
    options: dict[str, Any] = {"normalise": "softmax", "scale": Fraction(1, 2)}
    whole = global_attention(x, *weights, **options)[0, :, 0, 0]
    near = local_attention(x, *weights, kernel=window, **options)[0, :, 0, 0]
    pixels = x[0].reshape(2, -1)
    keys, value = weights[1] @ pixels, weights[2] @ pixels
    raised = np.exp((weights[0] @ pixels[:, 0] @ keys) * options["scale"])
    far = (np.array(list(np.ndindex(image))) > np.array(window) // 2).any(axis=1)
    mass = raised[far].sum()
    far_mean = (value[:, far] * raised[far]).sum(axis=1) / mass
    return whole - near, (far_mean - near) * (mass / raised.sum())


@claim(
    source=ours("A1"),
    status="identity",
    evidence="rigorous enclosure",
    why="Softmax over all pixels is a mean of softmax over the near and softmax over the far ones, "
    "weighted by how much attention each gets.",
    proof="Σ_t e_t v_t / Σ_t e_t splits into near and far; the common factor is the near share "
    "1 − A. So the error is at most A times the diameter of the values.",
    over=grid(image=((1, 5), (3, 3), (4, 3)), window=((1, 3), (3, 3), (1, 1)), seed=(1, 2)),
)
def truncating_softmax_costs_the_far_mass(
    image: tuple[int, int], window: tuple[int, int], seed: int
) -> bool:
    """With softmax the error of truncation is A·(far mean − near mean), A the attention paid far.

    A is known only after looking at all pixels. Both sides are computed in balls, with exp itself:
    they overlap, and no radius exceeds 2⁻¹⁵⁰.
    """
    from proofs.balls import equal  # noqa: PLC0415 - an extra

    return equal(*_sides_of_truncation(image, window, seed), within=2.0**-150)
