"""Linear layer.

    y[n,o] = b[o] + Σ_c w[o,c]·x[n,c]        ∂x = ∂y w    ∂w = ∂yᵀ x    ∂b = Σ_n ∂y

Source: He et al., "Deep Residual Learning", arXiv:1512.03385 (2015), Table 1 (the 1000-way layer).
"""

from typing import NamedTuple

import numpy as np

from refimpl.arrays import Array, Shaped, shaped


class LinearGrads(NamedTuple):
    """Gradient of a loss with respect to each array argument of ``linear``."""

    x: Array
    w: Array
    b: Array


@shaped
def linear(
    x: Shaped[Array, "n c"], w: Shaped[Array, "o c"], b: Shaped[Array, " o"] | None = None
) -> Shaped[Array, "n o"]:
    """Mix the features of every row of ``x`` by ``w`` (outputs, inputs)."""
    y = np.matmul(x, w.T)
    return y if b is None else y + b


@shaped
def linear_backward(
    dy: Shaped[Array, "n o"], x: Shaped[Array, "n c"], w: Shaped[Array, "o c"]
) -> LinearGrads:
    """Pull ``dy``, the gradient of the output, back to every array argument."""
    return LinearGrads(np.matmul(dy, w), np.matmul(dy.T, x), dy.sum(axis=0))
