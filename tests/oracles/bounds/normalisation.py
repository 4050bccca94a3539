"""Bounds of normalisation with batch statistics: see refimpl/ops/batch_norm.py."""

from typing import NamedTuple

import numpy as np

import refimpl as ref
from refimpl.ops.conv2d import same_padding
from tests.oracles.bounds.slack import EPS, SLACK


class Off(NamedTuple):
    """By how much output and gradients of a normalisation may be off."""

    y: np.ndarray
    x: np.ndarray
    gamma: np.ndarray
    beta: np.ndarray


def normalised(dy, x, size, gamma, beta):
    """Bounds where x itself may be off by ω·size; none where σ² + ε may be off by half."""
    gamma, beta = (np.abs(each)[:, None, None] for each in (gamma, beta))
    d = x - mean(x)
    variance = mean(d * d) + EPS
    d, root = np.abs(d), np.sqrt(variance)
    off_d = SLACK * (2 * size + 3 * mean(size))
    tau = (mean((2 * d + off_d) * off_d) + SLACK * mean(d * d)) / variance + SLACK
    if (tau > 0.5).any():
        raise ValueError("x must vary, relative to its size, by more than rounding")
    normal, off = d / root, (off_d + tau * (d + off_d)) / root

    pulled, pulled_off = mean(dy * normal), mean(dy * (off + SLACK * normal))
    terms = dy + mean(dy) + normal * pulled
    dx = (tau + 4 * SLACK) * terms + off * (pulled + pulled_off) + normal * pulled_off
    return Off(
        y=gamma * off + SLACK * (gamma * normal + beta),
        x=(1 + tau) * gamma / root * dx,
        gamma=(dy * (off + SLACK * normal)).sum(axis=(0, 2, 3)),
        beta=SLACK * dy.sum(axis=(0, 2, 3)),
    )


def mean(x):
    return x.mean(axis=(0, 2, 3), keepdims=True)


def batch_norm_training(case, dy):
    x = case.inputs["x"]
    off = normalised(dy, x, np.abs(x), case.inputs["gamma"], case.inputs["beta"])
    return off.y, {"x": off.x, "gamma": off.gamma, "beta": off.beta}


def xvolution_training(case, dy):
    """Each branch enters its normalisation with an error ω·M; what that loses goes on down."""
    y_c, grads_c = branch(case, dy, "c", convolution(case))
    y_a, grads_a = branch(case, dy, "a", attention(case))
    return y_c + y_a, {**grads_c, **grads_a, "x": grads_c["x"] + grads_a["x"]}


def branch(case, dy, suffix, functions):
    run, pull = functions
    given = {name: case.inputs.get(f"{name}_{suffix}") for name in ("w", "b", "gamma", "beta")}
    x, bias = case.inputs["x"], given["b"]
    size_b = None if bias is None else np.abs(bias)
    image, size = run(x, given["w"], bias), run(np.abs(x), np.abs(given["w"]), size_b)
    off = normalised(dy, image, size, given["gamma"], given["beta"])
    pulled = np.abs(ref.batch_norm_training_backward(dy, image, given["gamma"], eps=EPS).x)
    below = pull(off.x + SLACK * pulled, np.abs(x), np.abs(given["w"]))
    grads = {"w": below.w, "gamma": off.gamma, "beta": off.beta}
    grads |= {} if bias is None else {"b": below.b}
    return off.y, {f"{name}_{suffix}": grad for name, grad in grads.items()} | {"x": below.x}


def convolution(case):
    steps = {name: case.options[name] for name in ("stride", "dilation") if name in case.options}
    padding = same_padding(case.inputs["w_c"].shape[2:], steps.get("dilation", 1))
    return (
        lambda x, w, b: ref.conv2d(x, w, b, padding=padding, **steps),
        lambda dy, x, w: ref.conv2d_backward(dy, x, w, padding=padding, **steps),
    )


def attention(case):
    options = {name: value for name, value in case.options.items() if name != "eps"}
    return (
        lambda x, w, b: ref.pssa(x, w, b, **options),
        lambda dy, x, w: ref.pssa_backward(dy, x, w, **options),
    )
