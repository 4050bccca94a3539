"""Global attention through its scores, without storing them: a block of queries at a time.

Each of 64 queries meets all pixels at once: scores, softmax, sum of values, on BLAS; then the next
64. Memory: 64·n numbers a head instead of n². Backward computes the scores again.

Source: Rabe and Staats, "Self-attention Does Not Need O(n²) Memory", arXiv:2112.05682 (2021).
"""

from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.ops.global_attention import Normalise, Tokens
from refimpl.ops.softmax import pull_softmax, softmax

QUERIES = 64  # ours: of a block


def attend_by_scores(tokens: Tokens, factor: Any, normalise: Normalise) -> Array:
    """What each query gathers (n, heads, v, queries)."""
    queries, keys, values = tokens
    n, heads, _, count = queries.shape
    out = np.empty((n, heads, values.shape[2], count), queries.dtype)
    for first in range(0, count, QUERIES):
        block = slice(first, first + QUERIES)
        weights = _weights(queries[..., block], keys, factor, normalise)
        np.matmul(values, weights.swapaxes(2, 3), out=out[..., block])
    return out


def pull_by_scores(upstream: Array, tokens: Tokens, factor: Any, normalise: Normalise) -> Tokens:
    """Gradients of queries, keys and values."""
    queries, keys, values = tokens
    dq, dk, dv = (np.zeros_like(each) for each in tokens)
    for first in range(0, queries.shape[3], QUERIES):
        block = slice(first, first + QUERIES)
        asked, back = queries[..., block], upstream[..., block]
        weights = _weights(asked, keys, factor, normalise)
        d_scores = np.matmul(back.swapaxes(2, 3), values)
        if normalise == "softmax":
            d_scores = pull_softmax(d_scores, weights)
        d_scores *= factor
        dq[..., block] = np.matmul(keys, d_scores.swapaxes(2, 3))
        dk += np.matmul(asked, d_scores)
        dv += np.matmul(back, weights)
    return dq, dk, dv


def _weights(queries: Array, keys: Array, factor: Any, normalise: Normalise) -> Array:
    scores = np.matmul(queries.swapaxes(2, 3), keys)
    scores *= factor
    return scores if normalise == "none" else softmax(scores)
