"""Cross entropy between the softmax of scores and the true class, averaged over the batch.

    L = −(1/n)·Σ_i log softmax(z_i)[label_i]
      = (1/n)·Σ_i ( log Σ_j exp(z_ij − m_i) − (z_i,label − m_i) ) ,   m_i = max_j z_ij

    ∂z_ij = ∂L·(softmax(z_i)_j − [j = label_i]) / n

The second line is what is computed: no exponential overflows, and the logarithm is of a sum ≥ 1.
Labels are integers, without a gradient. Exponential and logarithm are the number type's own:
``np.exp`` and ``np.log`` on object arrays call ``element.exp()`` and ``element.log()``.

Error. The exponents of two float evaluations differ by at most 4u·max|z_i|, so log Σ does, and its
relative roundings ω add ω to a logarithm and ω·log c; subtraction and mean round the result:

    |ΔL| ≤ (ω/n)·Σ_i (4·max_j|z_ij| + 2·log c + 1)      absolute: L may be near 0, z is not
    |Δ∂z_ij| ≤ |∂L|/n·((e^r − 1)·p_ij + ω·(p_ij + [j = label_i]))      p, r as in ``softmax``

Sources: Goodfellow, Bengio and Courville, "Deep Learning" (2016), section 6.2.2.3; Blanchard,
Higham and Higham, "Accurately computing the log-sum-exp and softmax functions", IMA J. Numer.
Anal. 41 (2021), for the shift by the maximum.
"""

from typing import Any, NamedTuple

import numpy as np

from refimpl.arrays import Array, Shaped, check_upstream, shaped
from refimpl.ops.softmax import softmax


class CrossEntropyGrads(NamedTuple):
    """Gradient of a loss with respect to the only differentiable argument, the scores."""

    logits: Array


@shaped
def cross_entropy(logits: Shaped[Array, "n c"], labels: Shaped[Array, " n"]) -> Shaped[Array, ""]:
    """Mean surprise at the true classes, in nats; an array without axes.

    Raises
    ------
    ValueError
        If a label is not an integer in [0, c), or there is no row to average over.

    Examples
    --------
    >>> round(float(cross_entropy(np.zeros((1, 4)), np.array([2]))), 6)  # log 4
    1.386294
    """
    _check_labels(logits, labels)
    shifted = logits - logits.max(axis=1, keepdims=True)
    surprise = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]
    return np.asarray(surprise.sum() / len(labels))


@shaped
def cross_entropy_backward(
    dy: Any, logits: Shaped[Array, "n c"], labels: Shaped[Array, " n"]
) -> CrossEntropyGrads:
    """Pull ``dy``, one number, back to the scores."""
    _check_labels(logits, labels)
    check_upstream("cross_entropy", np.asarray(dy), ())
    chosen = labels[:, None] == np.arange(logits.shape[1])
    return CrossEntropyGrads(dy * (softmax(logits) - chosen) / len(labels))


def _check_labels(logits: Array, labels: Array) -> None:
    rows, classes = logits.shape
    if not rows:
        raise ValueError("logits must have at least one row to average over, not none")
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"labels must be integers, not {labels.dtype}")
    wrong = labels[(labels < 0) | (labels >= classes)]
    if wrong.size:
        raise ValueError(f"labels must lie in [0, {classes}), not be {wrong[0]}")
