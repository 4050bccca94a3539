"""The two steps of the article's argument, measured apart.

Local-linear step. A pixel is replaced by a combination of its four neighbours, Σ α_i x_i, α by
least squares on the training images (the same for all channels and pixels):

    neighbours              rms(x − Σ α_i x_i) / rms(x)     the Markov property
    neighbours, attention   rms(y − Σ α_i y_i) / rms(y)     what attention makes of it

y being global attention. Without softmax the second is what the linear map G W_q makes of the
first (the claim about the query's linearity); with softmax it need not be.

Truncation step. Global attention is replaced by attention to a 3×3 window, same projections:

    truncation              rms(y − y_window) / rms(y)

Pixels at the border are left out. Neighbours and windows are the shipped operators'.
"""

from typing import Any

import numpy as np

from proofs.approximation.populations import Array, Sample
from proofs.approximation.predict import TARGETS, Projections
from refimpl import FOUR_DIRECTIONS, global_attention, local_attention, shift

INNER = np.s_[:, :, 1:-1, 1:-1]


def measured(sample: Sample, weights: Projections) -> dict[tuple[str, str], float]:
    """Relative root mean squares on the test images, by (step, normalisation)."""
    alpha = _fit(sample.train)
    found = {("neighbours", ""): _relative(sample.test, _combined(sample.test, alpha))}
    for target in TARGETS:
        attended = global_attention(sample.test, *weights, normalise=target)
        window = local_attention(sample.test, *weights, normalise=target)
        found["neighbours, attention", target] = _relative(attended, _combined(attended, alpha))
        found["truncation", target] = _relative(attended, window)
    return found


def _neighbours(x: Array) -> list[Array]:
    return [shift(x, offset=each, boundary="zero")[INNER] for each in FOUR_DIRECTIONS]


def _fit(x: Array) -> Array:
    columns = np.stack([each.ravel() for each in _neighbours(x)], axis=1)
    solved: Any = np.linalg.lstsq(columns, x[INNER].ravel(), rcond=None)
    return np.asarray(solved[0])


def _combined(x: Array, alpha: Array) -> Array:
    whole = np.zeros_like(x)
    for factor, each in zip(alpha, _neighbours(x), strict=True):
        whole[INNER] = whole[INNER] + factor * each
    return whole


def _relative(wanted: Array, found: Array) -> float:
    missed = (wanted - found)[INNER]
    return float(np.sqrt(np.square(missed).sum() / np.square(wanted[INNER]).sum()))
