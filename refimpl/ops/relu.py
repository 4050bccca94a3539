"""Rectified linear unit.

    y = max(x, 0)        ∂x = ∂y where x > 0, else 0 (the subgradient at 0 is 0)

Source: Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML 2010.
"""

from typing import NamedTuple

import numpy as np

from refimpl.arrays import Array, Shaped, shaped


class ReluGrads(NamedTuple):
    """Gradient of a loss with respect to each array argument of ``relu``."""

    x: Array


@shaped
def relu(x: Shaped[Array, "..."]) -> Shaped[Array, "..."]:
    """Replace negative values by zero.

    Examples
    --------
    >>> relu(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """
    return np.asarray(np.maximum(x, 0))


@shaped
def relu_backward(dy: Shaped[Array, "*s"], x: Shaped[Array, "*s"]) -> ReluGrads:
    """Pull ``dy``, the gradient of the output, back to ``x``."""
    return ReluGrads(np.where(x > 0, dy, 0))
