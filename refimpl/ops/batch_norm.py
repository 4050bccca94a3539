"""Batch normalisation, at inference and in training.

    y = (x − μ)·s + β,   s = γ/√(σ² + ε)                     per channel

Inference (``batch_norm``): μ and σ² are given (the running statistics); y is affine in x.

    ∂x = ∂y·s   ∂β = Σ ∂y   ∂γ = Σ ∂y·(x − μ)/√(σ² + ε)   ∂μ = −s·Σ ∂y
    ∂σ² = −½·s/(σ² + ε)·Σ ∂y·(x − μ)                          sums over n, h, w

Training (``batch_norm_training``): μ and σ² are the batch's own mean and biased variance over the
m = N·H·W values of a channel. With x̂ = (x − μ)/√(σ² + ε):

    ∂x = s·(∂y − (Σ ∂y)/m − x̂·(Σ ∂y·x̂)/m)

The square root is the number type's own: ``np.sqrt`` on object arrays calls ``element.sqrt()``.

Error, between two float evaluations whose roundings, and inputs, agree to ω relative to |x| (ω is
a small multiple of m·u; ⟨·⟩ is the mean over a channel). Inference is affine: ω·M, where M has
|x| + |μ| for x − μ. In training x − μ cancels, and what is lost is relative to |x|:

    |Δ(x − μ)| ≤ b = ω·(2|x| + 3⟨|x|⟩)        x, the mean's terms, its sum, the subtraction
    |Δσ²| ≤ ⟨(2|x − μ| + b)·b⟩ + ω·σ²          τ = |Δσ²|/(σ² + ε) + ω: so much 1/√ moves, if τ ≤ ½
    |Δx̂| ≤ a = (b + τ·(|x − μ| + b))/√(σ² + ε)
    |Δy| ≤ |γ|·a + ω·(|γ·x̂| + |β|)             |Δ∂γ| ≤ m·Q,  Q = ⟨|∂y|·(a + ω|x̂|)⟩
    |Δ∂x| ≤ |s|·(1 + τ)·((τ + 4ω)·(|∂y| + ⟨|∂y|⟩ + |x̂|·P) + a·(P + Q) + |x̂|·Q),  P = ⟨|∂y·x̂|⟩

All are about ω times the condition number κ = (|x| + ⟨|x|⟩)/√(σ² + ε): an offset of 10⁴ deviations
costs four digits.

Source: Ioffe and Szegedy, "Batch Normalization", arXiv:1502.03167 (2015), Algorithms 1 and 2; the
running variance is the unbiased one, as their section 3.1 has it.
"""

from typing import Any, NamedTuple

import numpy as np

from refimpl.arrays import Array, Shaped, shaped


class BatchNorm(NamedTuple):
    """Parameters of one batch normalisation, each (c,); also holds their gradients."""

    gamma: Array
    beta: Array
    mean: Array
    var: Array


class BatchNormGrads(NamedTuple):
    """Gradient of a loss with respect to each array argument of ``batch_norm``."""

    x: Array
    gamma: Array
    beta: Array
    mean: Array
    var: Array


class BatchNormTrainingGrads(NamedTuple):
    """Gradient of a loss with respect to each array argument of ``batch_norm_training``."""

    x: Array
    gamma: Array
    beta: Array


class Normalised(NamedTuple):
    """Output in training mode, and what a running average is to be fed."""

    y: Array
    mean: Array
    unbiased_var: Array


@shaped
def batch_norm(
    x: Shaped[Array, "n c h w"],
    gamma: Shaped[Array, " c"],
    beta: Shaped[Array, " c"],
    mean: Shaped[Array, " c"],
    var: Shaped[Array, " c"],
    *,
    eps: Any = 1e-5,
) -> Shaped[Array, "n c h w"]:
    """Normalise with given statistics: an affine map per channel.

    Examples
    --------
    >>> one = np.ones(1)
    >>> batch_norm(np.full((1, 1, 1, 1), 5.0), 2 * one, one, 3 * one, 4 * one, eps=0.0).item()
    3.0
    """
    scale = gamma / np.sqrt(var + eps)
    return (x - _wide(mean)) * _wide(scale) + _wide(beta)


@shaped
def batch_norm_backward(
    dy: Shaped[Array, "n c h w"],
    x: Shaped[Array, "n c h w"],
    gamma: Shaped[Array, " c"],
    mean: Shaped[Array, " c"],
    var: Shaped[Array, " c"],
    *,
    eps: Any = 1e-5,
) -> BatchNormGrads:
    """Pull ``dy`` back to the input and to all four parameters, the statistics included."""
    deviation = np.sqrt(var + eps)
    scale = gamma / deviation
    total, against = _channel_sum(dy), _channel_sum(dy * (x - _wide(mean)))
    return BatchNormGrads(
        x=dy * _wide(scale),
        gamma=against / deviation,
        beta=total,
        mean=-scale * total,
        var=-scale * against / ((var + eps) + (var + eps)),
    )


@shaped
def batch_norm_training(
    x: Shaped[Array, "n c h w"],
    gamma: Shaped[Array, " c"],
    beta: Shaped[Array, " c"],
    *,
    eps: Any = 1e-5,
) -> Normalised:
    """Normalise with the batch's own statistics, and return them.

    Raises
    ------
    ValueError
        If N·H·W < 2: one value has no variance to speak of.
    """
    mean, var, count = _statistics(x)
    y = batch_norm(x, gamma, beta, mean, var, eps=eps)
    return Normalised(y, mean, var * count / (count - 1))


@shaped
def batch_norm_training_backward(
    dy: Shaped[Array, "n c h w"],
    x: Shaped[Array, "n c h w"],
    gamma: Shaped[Array, " c"],
    *,
    eps: Any = 1e-5,
) -> BatchNormTrainingGrads:
    """Pull ``dy`` back, the dependence of the statistics on ``x`` included."""
    mean, var, count = _statistics(x)
    deviation = np.sqrt(var + eps)
    normal = (x - _wide(mean)) / _wide(deviation)
    dgamma, dbeta = _channel_sum(dy * normal), _channel_sum(dy)
    centred = dy - _wide(dbeta / count) - normal * _wide(dgamma / count)
    return BatchNormTrainingGrads(centred * _wide(gamma / deviation), dgamma, dbeta)


def _statistics(x: Array) -> tuple[Array, Array, int]:
    """Mean, biased variance and number of values of each channel."""
    count = x.size // x.shape[1] if x.shape[1] else 0
    if count < 2:
        raise ValueError(f"batch statistics must be taken over N·H·W ≥ 2 values, not {count}")
    mean = _channel_sum(x) / count
    deviations = x - _wide(mean)
    return mean, _channel_sum(deviations * deviations) / count, count


def _channel_sum(x: Array) -> Array:
    return x.sum(axis=(0, 2, 3))


def _wide(per_channel: Array) -> Array:
    """Give (c,) the axes that make it broadcast over (n, c, h, w)."""
    return per_channel[:, None, None]
