"""Which keys each query meets: global attention and local attention as batches of products.

    scores[b, p, t] = Σ_d queries[b, p, d] · keys[b, d, t]      attended[b, p, v] = Σ_t a · values

Global: b is an image and a head, p a (strided) pixel, t a pixel. Local: b is an image and a pixel,
p is 0, t a tap of the window; ``inside`` is False where a tap falls outside the image, and what
stands there is 0. Data movement only.

Source: Vaswani et al., arXiv:1706.03762 (2017), 3.2.2, for heads; the article's Eq. 8 for windows.
"""

from typing import NamedTuple

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.call import Attributes
from refimpl.ops.conv2d import ConvGeometry, conv_geometry, same_padding


class Tokens(NamedTuple):
    """Queries (b, p, d), keys (b, d, t), values (b, t, v), inside (·, ·, t); shapes of stages.

    ``scores`` is the shape of scores as a stage, ``rows`` that of what a row has one of.
    """

    queries: Array
    keys: Array
    values: Array
    inside: Array
    scores: tuple[int, ...]
    rows: tuple[int, ...]
    output: tuple[int, ...]
    heads: int

    def image(self, attended: Array) -> Array:
        """What each query gathered (b, p, v), as an image (n, v, i, j)."""
        n, v, i, j = self.output
        if len(attended) == n * self.heads:
            split = attended.reshape(n, self.heads, i * j, v // self.heads)
            return split.swapaxes(2, 3).reshape(self.output)
        return attended.reshape(n, i * j, v).swapaxes(1, 2).reshape(self.output)


def strided(x: Array, attributes: Attributes) -> Array:
    """The pixels at which queries stand."""
    down, right = attributes.get("stride", (1, 1))
    return x[:, :, ::down, ::right]


def global_tokens(q: Array, k: Array, v: Array, attributes: Attributes) -> Tokens:
    """Every query meets every pixel; channels are split among the heads."""
    heads = attributes.get("heads", 1)
    if q.shape[1] % heads or v.shape[1] % heads:
        raise ValueError(
            f"heads must divide the {q.shape[1]} channels of queries and the {v.shape[1]} of "
            f"values, not be {heads}"
        )
    n, places, pixels = len(q), q.shape[2] * q.shape[3], k.shape[2] * k.shape[3]

    def split(image: Array) -> Array:
        return image.reshape(n * heads, image.shape[1] // heads, -1)

    return Tokens(
        split(q).swapaxes(1, 2),
        split(k),
        split(v).swapaxes(1, 2),
        np.ones((1, 1, pixels), bool),
        (n, heads, places, pixels),
        (n, heads, places, 1),
        (n, v.shape[1], *q.shape[2:]),
        heads,
    )


def local_tokens(q: Array, k: Array, v: Array, attributes: Attributes) -> Tokens:
    """Every query meets the taps of a window around it."""
    window = _window(k, attributes)
    n, _, i, j = q.shape
    ones = np.ones((1, 1, *k.shape[2:]), bool)
    inside = np.tile(_taps(ones, window)[0, 0], (n, 1, 1)).reshape(n * i * j, 1, -1)
    keys, values = _taps(k, window), _taps(v, window)  # (n, d, i·j, t)
    return Tokens(
        q.reshape(n, -1, i * j).swapaxes(1, 2).reshape(n * i * j, 1, -1),
        keys.transpose(0, 2, 1, 3).reshape(n * i * j, k.shape[1], -1),
        values.transpose(0, 2, 3, 1).reshape(n * i * j, -1, v.shape[1]),
        inside,
        (n, i, j, inside.shape[2]),
        (n, i, j, 1),
        (n, v.shape[1], i, j),
        0,
    )


def _window(k: Array, attributes: Attributes) -> ConvGeometry:
    sides = tuple(attributes.get("kernel", (3, 3)))
    apart = tuple(attributes.get("dilation", (1, 1)))
    return conv_geometry(
        k.shape,
        (1, k.shape[1], *sides),
        stride=tuple(attributes.get("stride", (1, 1))),
        padding=same_padding((sides[0], sides[1]), apart),
        dilation=apart,
    )


def _taps(image: Array, window: ConvGeometry) -> Array:
    """What each place sees, tap by tap: (n, d, places, taps)."""
    padded = window.pad(image)
    seen = np.stack([padded[place] for _, _, place in window.taps()], axis=-1)
    return seen.reshape(*seen.shape[:2], -1, seen.shape[-1])
