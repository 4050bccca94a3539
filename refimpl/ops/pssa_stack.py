"""A stack of pixel-shift self-attention levels: local context, carried further level by level.

With S levels of shift lengths L_1 … L_S and T_s = shift_product at length L_s:

    weighted     x_s = BN_s(conv2d(T_s(x_{s−1}), w_s))        s < S, C channels in and out
    unweighted   x_s = Σ_d x_{s−1} ⊙ shift(x_{s−1}, L_s·d)    s < S
    output       pssa(x_{S−1}, w, b) at length L_S             weights, stride and bias

    ∂x_{S−1} from the backward of pssa; then level by level down, by the chain rule.

Every level is even, so a stack is even too; without biases and normalisation S levels are
homogeneous of degree 2^S. "Same" zero padding in every convolution; only the last level strides.

Source: Chen, Wang and Ni, "X-volution", arXiv:2106.02253 (2021), "hierarchical stacking" as its
authors' article describes it. Lengths and number of levels are not known from there.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from refimpl.arrays import Array, Pair, Shaped, shaped
from refimpl.ops.batch_norm import BatchNorm, batch_norm, batch_norm_backward
from refimpl.ops.pssa import pssa, pssa_backward
from refimpl.ops.shift import Boundary
from refimpl.ops.shift_product import (
    FOUR_DIRECTIONS,
    Directions,
    shift_product,
    shift_product_backward,
)


class Level(NamedTuple):
    """A weighted level before the last: kernels (c, D·c, k, k), and its normalisation."""

    w: Array
    bn: BatchNorm


class PssaStackGrads(NamedTuple):
    """Gradient with respect to each array argument; ``levels`` one entry per weighted level."""

    x: Array
    w: Array
    b: Array
    levels: tuple[Level, ...]


@shaped
def pssa_stack(
    x: Shaped[Array, "n c h w"],
    w: Shaped[Array, "o dc k_h k_w"],
    b: Shaped[Array, " o"] | None = None,
    levels: Sequence[Level] = (),
    *,
    lengths: Sequence[int] = (1, 1),
    directions: Directions = FOUR_DIRECTIONS,
    boundary: Boundary = "circular",
    stride: Pair = 1,
    eps: Any = 1e-5,
) -> Shaped[Array, "n o i j"]:
    """Run the levels one after another; ``lengths`` gives each level's shift, the last included.

    Without ``levels`` those before the last are unweighted.

    Raises
    ------
    ValueError
        If there are weighted levels, but not one for each length except the last.
    """
    shifts: dict[str, Any] = {"directions": directions, "boundary": boundary}
    *_, last = _inputs(x, levels, lengths, shifts, eps)
    return pssa(last, w, b, length=lengths[-1], stride=stride, **shifts)


@shaped
def pssa_stack_backward(
    dy: Shaped[Array, "n o i j"],
    x: Shaped[Array, "n c h w"],
    w: Shaped[Array, "o dc k_h k_w"],
    levels: Sequence[Level] = (),
    *,
    lengths: Sequence[int] = (1, 1),
    directions: Directions = FOUR_DIRECTIONS,
    boundary: Boundary = "circular",
    stride: Pair = 1,
    eps: Any = 1e-5,
) -> PssaStackGrads:
    """Pull ``dy``, the gradient of the output, back through every level."""
    shifts: dict[str, Any] = {"directions": directions, "boundary": boundary}
    *earlier, last = _inputs(x, levels, lengths, shifts, eps)
    top = pssa_backward(dy, last, w, length=lengths[-1], stride=stride, **shifts)
    upstream, grads = top.x, []
    for number in reversed(range(len(earlier))):
        options = {"length": lengths[number], **shifts}
        if levels:
            upstream, grad = _pull_level(upstream, earlier[number], levels[number], options, eps)
            grads.append(grad)
        else:
            tiled = np.concatenate([upstream] * len(directions), axis=1)
            upstream = shift_product_backward(tiled, earlier[number], **options).q
    return PssaStackGrads(upstream, top.w, top.b, tuple(reversed(grads)))


def _inputs(
    x: Array, levels: Sequence[Level], lengths: Sequence[int], shifts: dict[str, Any], eps: Any
) -> list[Array]:
    """What enters each level, the last one's input at the end."""
    if not isinstance(lengths, Sequence) or not lengths:
        raise ValueError(f"lengths must give the shift of at least one level, not {lengths!r}")
    if levels and len(levels) != len(lengths) - 1:
        raise ValueError(
            f"levels must be one for each of the {len(lengths) - 1} lengths before the last, "
            f"not {len(levels)}"
        )
    entering = [x]
    for number, length in enumerate(lengths[:-1]):
        options = {"length": length, **shifts}
        if levels:
            level = levels[number]
            entering.append(batch_norm(pssa(entering[-1], level.w, **options), *level.bn, eps=eps))
        else:
            products = shift_product(entering[-1], **options)
            entering.append(_sum_directions(products, x.shape[1]))
    return entering


def _sum_directions(products: Array, channels: int) -> Array:
    n, many, h, w = products.shape
    return products.reshape(n, many // channels, channels, h, w).sum(axis=1)


def _pull_level(
    dy: Array, x: Array, level: Level, options: dict[str, Any], eps: Any
) -> tuple[Array, Level]:
    """Pull ``dy`` back through one weighted level: to its input, and to its weights."""
    before = pssa(x, level.w, **options)
    bn = level.bn
    norm = batch_norm_backward(dy, before, bn.gamma, bn.mean, bn.var, eps=eps)
    grads = pssa_backward(norm.x, x, level.w, **options)
    return grads.x, Level(grads.w, BatchNorm(*norm[1:]))
