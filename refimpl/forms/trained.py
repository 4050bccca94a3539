"""A trained X-volution as data, and what it computes: the multi-branch form.

    pssa               BN_c(conv2d(x, w_c, b_c)) + BN_a(pssa(x, w_a, b_a))
    local_attention    BN_c(conv2d(x, w_c, b_c)) + BN_a(local_attention(x, w_q, w_k, w_v))
    global_attention   BN_c(conv2d(x, w_c, b_c)) + BN_a(global_attention(x, w_q, w_k, w_v, w_o))

Running statistics. A normalisation that is None is the identity.

Source: Chen, Wang and Ni, "X-volution", arXiv:2106.02253 (2021), as its authors' article describes
it (the paragraph on the multi-branch structure).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from refimpl.arrays import Array, Pair
from refimpl.fuse import PaddingMode, Statistics
from refimpl.ops.batch_norm import BatchNorm, batch_norm
from refimpl.ops.conv2d import conv2d, same_padding
from refimpl.ops.global_attention import Normalise, global_attention
from refimpl.ops.local_attention import local_attention
from refimpl.ops.pssa import pssa
from refimpl.ops.shift import Boundary
from refimpl.ops.shift_product import FOUR_DIRECTIONS, Directions

Attention: TypeAlias = Literal["pssa", "local_attention", "global_attention"]
ARRAYS: dict[Attention, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "pssa": (("w_c", "w_a"), ("b_c", "b_a")),
    "local_attention": (("w_c", "w_q", "w_k", "w_v"), ("b_c",)),
    "global_attention": (("w_c", "w_q", "w_k", "w_v"), ("b_c", "w_o")),
}
"""Arrays that an X-volution with each kind of attention needs, and those that it may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class XVolution:
    """Trained parameters of one X-volution, and everything that its arrays do not tell.

    ``arrays`` are w_c, b_c and the attention's, by name; ``ARRAYS`` lists them. ``groups`` are
    those of the convolution branch and of the attention's convolution (pssa); ``window`` is the
    side of local attention's window; ``activation`` names a non-linearity between a branch and the
    sum, if there is one; ``padding_mode`` is that of the convolutions.
    """

    attention: Attention = "pssa"
    arrays: Mapping[str, Array]
    bn_c: BatchNorm | None = None
    bn_a: BatchNorm | None = None
    directions: Directions = FOUR_DIRECTIONS
    length: int = 1
    boundary: Boundary = "circular"
    stride: Pair = 1
    dilation: Pair = 1
    groups: tuple[int, int] = (1, 1)
    window: Pair = 3
    heads: int = 1
    scale: Any = None
    normalise: Normalise = "none"
    eps: Any = 1e-5
    statistics: Statistics = "running"
    padding_mode: PaddingMode = "zero"
    activation: str | None = None

    def __post_init__(self) -> None:
        if self.attention not in ARRAYS:
            raise ValueError(
                f"attention must be one of {', '.join(ARRAYS)}, not {self.attention!r}"
            )
        needed, allowed = ARRAYS[self.attention]
        missing = [name for name in needed if name not in self.arrays]
        strange = sorted(set(self.arrays) - {*needed, *allowed})
        if missing or strange:
            raise ValueError(
                f"an X-volution with {self.attention} must have {', '.join(needed)} and may have "
                f"{', '.join(allowed)}, not {', '.join(sorted(self.arrays))}"
            )


def run_trained(trained: XVolution, x: Array) -> Array:
    """What the trained X-volution computes: both branches, normalised, summed."""
    one = trained
    conv = conv2d(
        x,
        one.arrays["w_c"],
        one.arrays.get("b_c"),
        stride=one.stride,
        padding=same_padding(one.arrays["w_c"].shape[2:], one.dilation),
        dilation=one.dilation,
        groups=one.groups[0],
    )
    branches = (conv, one.bn_c), (_ATTENTION[one.attention](one, x), one.bn_a)
    normalised = [y if bn is None else batch_norm(y, *bn, eps=one.eps) for y, bn in branches]
    return normalised[0] + normalised[1]


def magnitude(trained: XVolution, x: Array) -> Array:
    """M: the trained form on absolute values, which bounds what any form adds up.

        M = Σ_branches |s|·(|w| ∗ |input| + |b| + |μ|) + |β|

    For polynomial forms only: not with softmax.
    """
    return run_trained(_absolute(trained), np.abs(x))


def _absolute(trained: XVolution) -> XVolution:
    norms = [bn and _absolute_norm(bn) for bn in (trained.bn_c, trained.bn_a)]
    return replace(
        trained,
        arrays={name: np.abs(array) for name, array in trained.arrays.items()},
        bn_c=norms[0],
        bn_a=norms[1],
        scale=None if trained.scale is None else abs(trained.scale),
    )


def _absolute_norm(bn: BatchNorm) -> BatchNorm:
    return BatchNorm(np.abs(bn.gamma), np.abs(bn.beta), -np.abs(bn.mean), bn.var)


def _pssa(one: XVolution, x: Array) -> Array:
    return pssa(
        x,
        one.arrays["w_a"],
        one.arrays.get("b_a"),
        directions=one.directions,
        length=one.length,
        boundary=one.boundary,
        stride=one.stride,
        dilation=one.dilation,
        groups=one.groups[1],
    )


def _local_attention(one: XVolution, x: Array) -> Array:
    return local_attention(
        x,
        one.arrays["w_q"],
        one.arrays["w_k"],
        one.arrays["w_v"],
        kernel=one.window,
        scale=one.scale,
        normalise=one.normalise,
        stride=one.stride,
        dilation=one.dilation,
    )


def _global_attention(one: XVolution, x: Array) -> Array:
    return global_attention(
        x,
        one.arrays["w_q"],
        one.arrays["w_k"],
        one.arrays["w_v"],
        one.arrays.get("w_o"),
        heads=one.heads,
        scale=one.scale,
        normalise=one.normalise,
        stride=one.stride,
    )


_ATTENTION = {
    "pssa": _pssa,
    "local_attention": _local_attention,
    "global_attention": _global_attention,
}
