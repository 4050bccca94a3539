"""Local response normalisation: a pixel's channels inhibit their neighbours.

    u[c] = k + α·Σ_{|c' − c| ≤ ⌊S/2⌋} x[c']²          S channels around c, those that exist
    y[c] = x[c]·u[c]⁻ᵝ

    ∂x[c] = ∂y[c]·u[c]⁻ᵝ − 2αβ·x[c]·Σ_{|c' − c| ≤ ⌊S/2⌋} ∂y[c']·x[c']·u[c']⁻ᵝ/u[c']

pixel by pixel. The power is exp(−β·log u), both the number type's own. α multiplies the sum, as in
the paper; implementations that divide it by S need α·S.

Error, between two float evaluations that agree to ω: u is a sum of positive terms, so u, u⁻ᵝ and y
agree to ω relative to themselves. The two terms of ∂x may cancel, and agree to ω times

    |∂y|·u⁻ᵝ + 2αβ·|x|·Σ |∂y·x|·u⁻ᵝ/u

Source: Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural
Networks", NIPS 2012, section 3.3 (S = 5, α = 10⁻⁴, β = 3/4, k = 2).
"""

from typing import Any, NamedTuple

import numpy as np

from refimpl.arrays import Array, Shaped, check_upstream, is_integer, shaped


class LocalResponseNormGrads(NamedTuple):
    """Gradient of a loss with respect to each array argument of ``local_response_norm``."""

    x: Array


@shaped
def local_response_norm(
    x: Shaped[Array, "n c h w"], *, size: int = 5, alpha: Any = 1e-4, beta: Any = 0.75, k: Any = 2
) -> Shaped[Array, "n c h w"]:
    """Divide every number by a power of the squares in ``size`` channels around it.

    Raises
    ------
    ValueError
        If ``size`` is not odd, ``alpha`` is negative, or ``k`` is not positive.

    Examples
    --------
    >>> x = np.array([3.0, 0.0, 4.0]).reshape(1, 3, 1, 1)
    >>> local_response_norm(x, size=3, alpha=1, beta=0.5, k=16).ravel().round(15)
    array([0.6       , 0.        , 0.70710678])
    """
    scale, _ = _scales(x, size, alpha, beta, k)
    return x * scale


@shaped
def local_response_norm_backward(
    dy: Shaped[Array, "n c h w"],
    x: Shaped[Array, "n c h w"],
    *,
    size: int = 5,
    alpha: Any = 1e-4,
    beta: Any = 0.75,
    k: Any = 2,
) -> LocalResponseNormGrads:
    """Pull ``dy`` back to ``x``: directly, and through the neighbours' normalisation."""
    check_upstream("local_response_norm", dy, x.shape)
    scale, u = _scales(x, size, alpha, beta, k)
    inhibited = neighbour_sum(dy * x * scale / u, size)
    return LocalResponseNormGrads(dy * scale - x * inhibited * (2 * alpha * beta))


def neighbour_sum(array: Array, size: int) -> Array:
    """Sum over ``size`` channels around each, from the first to the last, of those that exist."""
    channels, reach = array.shape[1], size // 2
    shape = (len(array), channels + 2 * reach, *array.shape[2:])
    padded = np.zeros(shape, array.dtype)
    padded[:, reach : reach + channels] = array
    total = padded[:, :channels]
    for first in range(1, size):
        total = total + padded[:, first : first + channels]
    return total


def _scales(x: Array, size: int, alpha: Any, beta: Any, k: Any) -> tuple[Array, Array]:
    """u⁻ᵝ and u."""
    if not is_integer(size) or size < 1 or size % 2 == 0:
        raise ValueError(f"size must be an odd number of channels, not {size!r}")
    if not alpha >= 0:
        raise ValueError(f"alpha must be at least 0, not {alpha!r}")
    if not k > 0:
        raise ValueError(f"k must be positive, not {k!r}")
    u = neighbour_sum(x * x, size) * alpha + k
    return np.exp(np.log(u) * -beta), u
