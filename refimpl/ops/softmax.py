"""Softmax: exponentials divided by their sum, along one axis.

    y_i  = exp(x_i − m) / Σ_j exp(x_j − m) ,   m = max_j x_j

    ∂x_i = y_i·(∂y_i − Σ_j y_j ∂y_j)

m cancels from the quotient, so its derivative does not matter; with it no exponential overflows and
the sum is at least 1. The exponential is the number type's own: ``np.exp`` on object arrays calls
``element.exp()``.

Error. Let two float evaluations read x that differ by at most δ. Their exponents then differ by at
most D = δ + 4u·max|x|, u the unit roundoff: m cancels, the rounding of x − m does not. Exponentials
and their sums differ by factors within e^{±D}. With ω for the relative roundings of both (at most
2(c + 4)u, c numbers along the axis) and r = 2D + ω,

    |Δy_i| ≤ (e^r − 1)·y_i        |Δ∂x_i| ≤ (e^{2r+2ω} − 1)·y_i·(|∂y_i| + Σ_j y_j|∂y_j|)

because every term of ∂x has at most two factors y. So each y_i keeps its relative accuracy, however
small, until it underflows.

Sources: Bridle, "Probabilistic interpretation of feedforward classification network outputs", NATO
ASI Series F 68 (1990), where it gets its name; Blanchard, Higham and Higham, "Accurately computing
the log-sum-exp and softmax functions", IMA J. Numer. Anal. 41 (2021), for the shift by the maximum.
"""

from typing import NamedTuple

import numpy as np

from refimpl.arrays import Array, Shaped, check_upstream, is_integer, shaped


class SoftmaxGrads(NamedTuple):
    """Gradient of a loss with respect to each array argument of ``softmax``."""

    x: Array


@shaped
def softmax(x: Shaped[Array, "*s"], *, axis: int = -1) -> Shaped[Array, "*s"]:
    """Turn the numbers along ``axis`` into positive ones that add up to 1, larger from larger.

    Raises
    ------
    ValueError
        If ``x`` has no such axis, or nothing along it.

    Examples
    --------
    >>> softmax(np.log(np.array([1.0, 2.0, 5.0]))).round(15)
    array([0.125, 0.25 , 0.625])
    """
    _check_axis(x, axis)
    raised = np.exp(x - x.max(axis=axis, keepdims=True))
    return raised / raised.sum(axis=axis, keepdims=True)


@shaped
def softmax_backward(
    dy: Shaped[Array, "..."], x: Shaped[Array, "..."], *, axis: int = -1
) -> SoftmaxGrads:
    """Pull ``dy``, the gradient of the output, back to ``x``."""
    _check_axis(x, axis)
    check_upstream("softmax", dy, x.shape)
    return SoftmaxGrads(pull_softmax(dy, softmax(x, axis=axis), axis=axis))


def pull_softmax(dy: Array, y: Array, *, axis: int = -1) -> Array:
    """Pull ``dy`` back through a softmax whose output was ``y``."""
    return y * (dy - (y * dy).sum(axis=axis, keepdims=True))


def masked_softmax(scores: Array, inside: Array) -> Array:
    """Softmax over the last axis of the entries that are ``inside``; the others get 0.

    The middle entry of a window is always inside; it stands in for the masked ones, so that they
    cannot be the maximum.
    """
    middle = scores.shape[-1] // 2
    known = np.where(inside, scores, scores[..., middle : middle + 1])
    raised = np.where(inside, np.exp(known - known.max(axis=-1, keepdims=True)), 0)
    return raised / raised.sum(axis=-1, keepdims=True)


def _check_axis(x: Array, axis: int) -> None:
    if not is_integer(axis) or not -x.ndim <= axis < x.ndim:
        raise ValueError(f"axis must be one of the {x.ndim} axes of x, not {axis!r}")
    if not x.shape[axis]:
        raise ValueError(f"x must have at least one number along axis {axis}, not shape {x.shape}")
