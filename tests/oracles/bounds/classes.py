"""Bounds of softmax and cross entropy: see refimpl/ops/softmax.py and cross_entropy.py."""

import numpy as np

import refimpl as ref
from tests.oracles.bounds.slack import SLACK, TINY


def softmax(case, dy):
    x, axis = case.inputs["x"], case.options["axis"]
    y = ref.softmax(x, axis=axis) + TINY
    r = 2 * SLACK * np.abs(x).max(axis=axis, keepdims=True) + SLACK
    terms = y * (dy + (y * dy).sum(axis=axis, keepdims=True))
    return np.expm1(r) * y, {"x": np.expm1(2 * r + 2 * SLACK) * terms}


def cross_entropy(case, dy):
    z, labels = case.inputs["logits"], case.constants["labels"]
    largest = np.abs(z).max(axis=1)
    loss = SLACK * np.mean(4 * largest + 2 * np.log(z.shape[1]) + 1)
    p, chosen = ref.softmax(z) + TINY, labels[:, None] == np.arange(z.shape[1])
    r = 2 * SLACK * largest[:, None] + SLACK
    return loss, {"logits": dy / len(z) * (np.expm1(r) * p + SLACK * (p + chosen))}
