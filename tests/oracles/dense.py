"""Attention written out: every query beside every pixel, and which of them see each other.

The shipped local attention walks over the taps of a window; here it is global attention with a
mask, so that bounds and PyTorch expressions of all attention operators are one.
"""

import numpy as np


def pair(option):
    return option if isinstance(option, tuple) else (option, option)


def displacements(image, stride):
    """Rows and columns from each query (strided, axis 0) to each pixel (axis 1)."""
    down, right = pair(stride)
    places = np.indices(image)
    queries, pixels = places[:, ::down, ::right].reshape(2, -1), places.reshape(2, -1)
    return pixels[:, None, :] - queries[:, :, None]


def inside(image, stride, kernel=None, dilation=1):
    """Which pixels stand in the window around each query; all of them without a window."""
    away = displacements(image, stride)
    if kernel is None:
        return np.ones(away.shape[1:], bool)
    apart, reach = (np.reshape(pair(each), (2, 1, 1)) for each in (dilation, kernel))
    on_grid = away % apart == 0
    near = np.abs(away) <= apart * (reach // 2)
    return (on_grid & near).all(axis=0)
