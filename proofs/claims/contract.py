"""Claims about plug and play: a network sees of X-volution what it sees of a convolution."""

from itertools import product
from typing import Any

import numpy as np

from proofs.article import PLUG_AND_PLAY
from proofs.claim import claim
from proofs.domain import grid
from refimpl import conv2d, xvolution_fused


@claim(
    source=PLUG_AND_PLAY,
    status="identity",
    evidence="exhaustive search",
    why="The augmented input has the image's sides, and the convolution pads “same”.",
    over=grid(
        sides=tuple(product((1, 2, 3, 7), repeat=2)),
        channels=((1, 1), (3, 2)),
        kernel=((1, 1), (3, 3), (5, 3)),
        stride=(1, 2, (1, 3)),
        dilation=(1, 2),
        dtype=("float32", "float64", "object"),
    ),
)
def x_volution_keeps_the_contract_of_a_convolution(
    sides: tuple[int, int],
    channels: tuple[int, int],
    kernel: tuple[int, int],
    stride: Any,
    dilation: int,
    dtype: str,
) -> bool:
    """X-volution has the output shape, strides and number type of a “same” convolution."""
    x = np.ones((2, channels[0], *sides), dtype)
    w = np.ones((channels[1], 5 * channels[0], *kernel), dtype)
    padding = (dilation * (kernel[0] - 1) // 2, dilation * (kernel[1] - 1) // 2)
    steps: dict[str, Any] = {"stride": stride, "dilation": dilation}
    plain = conv2d(x, w[:, : channels[0]], padding=padding, **steps)
    fused = xvolution_fused(x, w, **steps)
    return (fused.shape, fused.dtype) == (plain.shape, plain.dtype)
