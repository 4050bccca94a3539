"""An image as the columns that a matrix unit multiplies, and back: im2col, its order named.

    columns[n, k, p] = padded[n, c, i·s + u·δ, j·s + v·δ]        p = i·W_o + j

    order "cuv"   k = (c·K_h + u)·K_w + v          order "uvc"   k = (u·K_w + v)·C + c

In groups, the columns of one group follow those of another: k = g·taps + the k above, of the
channels of the group alone.

A permutation with repetition: an element is read once per tap that reaches it. ``from_columns`` is
the inverse wherever every element is reached, and finds columns that contradict each other.
"""

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulation import Order
from refimpl.ops.conv2d import ConvGeometry

FORMULAS = {
    "cuv": "column (c*KH + u)*KW + v of output p = i*WO + j holds padded[n, c, i*s+u*d, j*s+v*d]",
    "uvc": "column (u*KW + v)*C + c of output p = i*WO + j holds padded[n, c, i*s+u*d, j*s+v*d]",
}


def to_columns(padded: Array, geometry: ConvGeometry, order: Order, groups: int = 1) -> Array:
    """Columns (n, taps, outputs) of a padded image (n, c, h, w), group after group."""
    if groups > 1:
        parts = np.split(padded, groups, axis=1)
        return np.concatenate([to_columns(each, geometry, order) for each in parts], axis=1)
    seen = np.stack([padded[window] for _, _, window in geometry.taps()], axis=1)
    ordered = seen.swapaxes(1, 2) if order == "cuv" else seen
    return np.ascontiguousarray(ordered).reshape(len(padded), -1, seen.shape[-2] * seen.shape[-1])


def from_columns(
    columns: Array, shape: tuple[int, ...], geometry: ConvGeometry, order: Order, groups: int = 1
) -> Array:
    """The padded image (n, c, h, w) that columns came from.

    Raises
    ------
    ValueError
        If two columns disagree about an element, or no column holds it.
    """
    if groups > 1:
        part = (shape[0], shape[1] // groups, *shape[2:])
        each = np.split(columns, groups, axis=1)
        return np.concatenate([from_columns(own, part, geometry, order) for own in each], axis=1)
    n, c = shape[:2]
    taps = geometry.kernel[0] * geometry.kernel[1]
    split = (n, c, taps) if order == "cuv" else (n, taps, c)
    ordered = columns.reshape(*split, *geometry.output)
    seen = ordered.swapaxes(1, 2) if order == "cuv" else ordered
    padded, known = np.zeros(shape, columns.dtype), np.zeros(shape, bool)
    for at, (_, _, window) in enumerate(geometry.taps()):
        bits = f"u{columns.dtype.itemsize}"
        before = np.ascontiguousarray(padded[window]).view(bits)
        now = np.ascontiguousarray(seen[:, at]).view(bits)
        if ((before != now) & known[window]).any():
            raise ValueError(f"columns must agree about every element; those of tap {at} do not")
        padded[window] = seen[:, at]
        known[window] = True
    if not known.all():
        index = tuple(int(step) for step in np.argwhere(~known)[0])
        raise ValueError(f"some column must hold every element, and none holds {index}")
    return padded
