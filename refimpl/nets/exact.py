"""What each kind of node computes to the bit: binary32 operations in declared order.

Attention needs an exponential, or sums whose order nobody has declared: its kinds are not here, and
a network that has one is refused by name.

A response normalisation with β = 3/4 takes two square roots, which IEEE 754 rounds correctly:
u = fl(fl(Σ·α) + k), Σ from the first channel to the last; y = fl(x / fl(√u · √√u)).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulate import sum_float32
from refimpl.bitexact.operators import PIPELINES, affine_fp32
from refimpl.nets.definitions import MOVES, Arithmetic, Evaluate, Weights
from refimpl.nets.graph import EPS
from refimpl.ops.batch_norm import BatchNorm
from refimpl.ops.local_response_norm import neighbour_sum


def affine_of(bn: BatchNorm, dtype: Any) -> tuple[Array, Array]:
    """Inference-mode normalisation as (s, t): s = γ/√(σ² + ε), t = β − μ·s, from binary64."""
    wide = BatchNorm(*(each.astype(np.float64) for each in bn))
    scale = wide.gamma / np.sqrt(wide.var + EPS)
    return scale.astype(dtype), (wide.beta - wide.mean * scale).astype(dtype)


def xvolution_tensors(x: Array, weights: Weights) -> dict[str, Array]:
    """Inputs of the bit-exact two-branch X-volution: normalisation as s and t per branch."""
    tensors = {"x": x, "w_c": weights["w_c"], "w_a": weights["w_a"]}
    for which in "ca":
        affine = affine_of(weights[f"bn_{which}"], np.float32)
        tensors[f"s_{which}"], tensors[f"t_{which}"] = affine
    return tensors


def _pipeline(operator: str) -> Evaluate:
    run = PIPELINES[operator, "fp32"]
    return lambda weights, attributes, x: run({"x": x, **weights}, attributes)["output"]


def _batch_norm(weights: Weights, _: Mapping[str, Any], x: Array) -> Array:
    return affine_fp32(x, *affine_of(weights["bn"], np.float32))


def _xvolution(weights: Weights, attributes: Mapping[str, Any], x: Array) -> Array:
    return PIPELINES["xvolution", "fp32"](xvolution_tensors(x, weights), attributes)["output"]


def _avg_pool(_: Weights, __: Mapping[str, Any], x: Array) -> Array:
    pixels = x.reshape(*x.shape[:2], -1).transpose(0, 2, 1)
    ones = np.ones((1, pixels.shape[1]), np.float32)
    return sum_float32(ones, pixels)[:, 0] / np.float32(pixels.shape[1])


def _linear(weights: Weights, _: Mapping[str, Any], x: Array) -> Array:
    return sum_float32(weights["w"], x[:, :, None])[:, :, 0] + weights["b"]


def _response_norm(_: Weights, attributes: Mapping[str, Any], x: Array) -> Array:
    if attributes["beta"] != 0.75:
        raise ValueError(f"beta must be 3/4 to be computed to the bit, not {attributes['beta']!r}")
    alpha, k = np.float32(attributes["alpha"]), np.float32(attributes["k"])
    u = neighbour_sum(x * x, attributes["size"]) * alpha + k
    root = np.sqrt(u)
    return np.asarray(x / (root * np.sqrt(root)))


BIT_EXACT: Arithmetic = {
    **MOVES,
    "conv2d": _pipeline("conv2d"),
    "pssa": _pipeline("pssa"),
    "xvolution": _xvolution,
    "xvolution_fused": _pipeline("xvolution_fused"),
    "batch_norm": _batch_norm,
    "global_avg_pool": _avg_pool,
    "linear": _linear,
    "local_response_norm": _response_norm,
}
