"""Where a convolution reads and writes, as ``product`` wants it."""

import numpy as np

from refimpl.arrays import Array
from refimpl.ops.conv2d import ConvGeometry
from refimpl.panels.product import Grid

PLAIN = np.zeros((1, 2), np.int64)  # the offset of a source that is no product


def tap_offsets(geometry: ConvGeometry) -> Array:
    """Where each tap of the kernel reads, (taps, 2), from the output's position times stride."""
    rows, cols = (
        np.arange(side) * apart - pad
        for side, apart, pad in zip(
            geometry.kernel, geometry.dilation, geometry.padding, strict=True
        )
    )
    return np.stack(np.broadcast_arrays(rows[:, None], cols), axis=-1).reshape(-1, 2)


def forward_grid(channels: int, geometry: ConvGeometry, at: int = 0, used: int = 0) -> Grid:
    """Every output pixel of ``channels`` maps, in ``used`` of them from ``at``; 0 is all."""
    (rows, cols), (down, right) = geometry.output, geometry.stride
    return Grid(rows, cols, channels, rows, cols, at, used or channels, 0, 1, 0, 1, down, right)
