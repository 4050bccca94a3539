"""Run a network, node by node, in one of two arithmetics; calibrate it; fuse it.

``DEFINITIONS`` are the operators of ``refimpl`` (the caller's number type, BLAS inside);
``BIT_EXACT`` are binary32 operations in declared order, whose activations may feed golden vectors.
The same walk serves both: a table from a node's kind to a function of weights, attributes, inputs.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

import numpy as np

import refimpl as ref
from refimpl.arrays import Array
from refimpl.bitexact.accumulate import channel_statistics, sum_float32
from refimpl.bitexact.operators import PIPELINES, affine_fp32
from refimpl.fuse import Branch, fold_batch_norm, merge
from refimpl.nets.graph import EPS, Network, Node, Parameters
from refimpl.ops.batch_norm import BatchNorm

Weights: TypeAlias = Mapping[str, Any]
Evaluate: TypeAlias = Callable[..., Array]
Arithmetic: TypeAlias = Mapping[str, Evaluate]
Progress: TypeAlias = Callable[[str], None]


def run(
    network: Network,
    parameters: Parameters,
    image: Array,
    *,
    arithmetic: Arithmetic,
    keep: Collection[str] = (),
    progress: Progress = lambda _: None,
) -> dict[str, Array]:
    """Evaluate every node; return the outputs of the last one and of those named in ``keep``.

    ``image`` is (n, 3, h, w). Outputs no longer needed are dropped on the way.

    Raises
    ------
    ValueError
        If ``keep`` names a node that the network does not have.
    """
    for name in keep:
        if name != "image":
            network.node(name)
    last_use = {name: node.name for node in network.nodes for name in node.inputs}
    kept = {*keep, network.nodes[-1].name}
    alive: dict[str, Array] = {"image": image}
    for node in network.nodes:
        inputs = [alive[name] for name in node.inputs]
        weights = parameters.get(node.name, {})
        alive[node.name] = arithmetic[node.kind](weights, node.attributes, *inputs)
        for name in node.inputs:
            if last_use[name] == node.name and name not in kept:
                alive.pop(name, None)
        progress(node.name)
    return {name: alive[name] for name in kept}


def calibrate(
    network: Network, parameters: Parameters, image: Array, *, progress: Progress = lambda _: None
) -> Parameters:
    """Set every running mean and variance to what one image gives: a training step with momentum 1.

    Bit-exact binary32 activations, statistics summed in order in binary64, stored as binary32.
    """
    calibrated = {name: dict(weights) for name, weights in parameters.items()}

    def observing(kind: str) -> Evaluate:
        observe = _OBSERVE.get(kind)

        def evaluate(weights: Weights, attributes: Mapping[str, Any], *inputs: Array) -> Array:
            if observe is not None:
                observe(weights, attributes, *inputs)
            return BIT_EXACT[kind](weights, attributes, *inputs)

        return evaluate

    table = {kind: observing(kind) for kind in BIT_EXACT}
    run(network, calibrated, image, arithmetic=table, progress=progress)
    return calibrated


def fuse_network(network: Network, parameters: Parameters) -> tuple[Network, Parameters]:
    """Fold every batch normalisation and merge every X-volution into its feature form.

    Folding is done in binary64 and rounded once, to the weights' own type.
    """
    folded: Parameters = {}
    nodes: list[Node] = []
    replaced: dict[str, str] = {}
    norms = {node.inputs[0]: node for node in network.nodes if node.kind == "batch_norm"}
    for node in network.nodes:
        inputs = tuple(replaced.get(name, name) for name in node.inputs)
        if node.kind == "batch_norm":
            continue
        kind = node.kind
        weights: dict[str, Any] = dict(parameters.get(node.name, {}))
        if node.name in norms:
            norm = norms[node.name]
            bn = _wide(parameters[norm.name]["bn"])
            w = weights["w"]
            merged = fold_batch_norm(w.astype(np.float64), None, bn, eps=EPS)
            weights = {name: array.astype(w.dtype) for name, array in merged._asdict().items()}
            replaced[norm.name] = node.name
        elif kind == "xvolution":
            kind, weights = "xvolution_fused", _fused_weights(node, weights)
        if weights:
            folded[node.name] = weights
        shapes = {name: array.shape for name, array in weights.items()}
        nodes.append(
            Node(
                name=node.name,
                kind=kind,
                inputs=inputs,
                attributes=node.attributes,
                shapes=shapes,
            )
        )
    return Network(name=f"{network.name}, fused", nodes=tuple(nodes)), folded


def _fused_weights(node: Node, weights: Weights) -> dict[str, Any]:
    stride, dtype = node.attributes["stride"], weights["w_c"].dtype
    conv, attention = (
        Branch(
            w=weights[f"w_{which}"].astype(np.float64),
            bn=_wide(weights[f"bn_{which}"]),
            eps=EPS,
            stride=stride,
        )
        for which in "ca"
    )
    merged = merge(conv, attention)
    return {"w": merged.w.astype(dtype), "b": merged.b.astype(dtype)}


def affine_of(bn: BatchNorm, dtype: Any) -> tuple[Array, Array]:
    """Inference-mode normalisation as (s, t): s = γ/√(σ² + ε), t = β − μ·s, from binary64."""
    wide = _wide(bn)
    scale = wide.gamma / np.sqrt(wide.var + EPS)
    return scale.astype(dtype), (wide.beta - wide.mean * scale).astype(dtype)


def _wide(bn: BatchNorm) -> BatchNorm:
    return BatchNorm(*(each.astype(np.float64) for each in bn))


def _observe_batch_norm(weights: Weights, _: Mapping[str, Any], x: Array) -> None:
    _record(weights, "bn", x)


def _observe_xvolution(weights: Weights, attributes: Mapping[str, Any], x: Array) -> None:
    for which, operator in (("c", "conv2d"), ("a", "pssa")):
        tensors = {"x": x, "w": weights[f"w_{which}"]}
        _record(weights, f"bn_{which}", PIPELINES[operator, "fp32"](tensors, attributes)["output"])


def _record(weights: Weights, name: str, x: Array) -> None:
    mean, var = channel_statistics(x)
    bn = weights[name]._replace(mean=mean.astype(np.float32), var=var.astype(np.float32))
    assert isinstance(weights, dict)  # noqa: S101 - calibrate made it
    weights[name] = bn


_OBSERVE: dict[str, Callable[..., None]] = {
    "batch_norm": _observe_batch_norm,
    "xvolution": _observe_xvolution,
}


def _conv2d_exact(weights: Weights, attributes: Mapping[str, Any], x: Array) -> Array:
    return PIPELINES["conv2d", "fp32"]({"x": x, **weights}, attributes)["output"]


def _batch_norm_exact(weights: Weights, _: Mapping[str, Any], x: Array) -> Array:
    return affine_fp32(x, *affine_of(weights["bn"], np.float32))


def _xvolution_exact(weights: Weights, attributes: Mapping[str, Any], x: Array) -> Array:
    return PIPELINES["xvolution", "fp32"](xvolution_tensors(x, weights), attributes)["output"]


def _xvolution_fused_exact(weights: Weights, attributes: Mapping[str, Any], x: Array) -> Array:
    return PIPELINES["xvolution_fused", "fp32"]({"x": x, **weights}, attributes)["output"]


def _avg_pool_exact(_: Weights, __: Mapping[str, Any], x: Array) -> Array:
    pixels = x.reshape(*x.shape[:2], -1).transpose(0, 2, 1)
    ones = np.ones((1, pixels.shape[1]), np.float32)
    return sum_float32(ones, pixels)[:, 0] / np.float32(pixels.shape[1])


def _linear_exact(weights: Weights, _: Mapping[str, Any], x: Array) -> Array:
    return sum_float32(weights["w"], x[:, :, None])[:, :, 0] + weights["b"]


def xvolution_tensors(x: Array, weights: Weights) -> dict[str, Array]:
    """Inputs of the bit-exact two-branch X-volution: normalisation as s and t per branch."""
    tensors = {"x": x, "w_c": weights["w_c"], "w_a": weights["w_a"]}
    for which in "ca":
        affine = affine_of(weights[f"bn_{which}"], np.float32)
        tensors[f"s_{which}"], tensors[f"t_{which}"] = affine
    return tensors


def _xvolution(weights: Weights, attributes: Mapping[str, Any], x: Array) -> Array:
    return ref.xvolution(x, **weights, **attributes, eps=EPS)


_SHARED: dict[str, Evaluate] = {
    "relu": lambda _, __, x: ref.relu(x),
    "add": lambda _, __, x, shortcut: x + shortcut,
    "max_pool2d": lambda _, attributes, x: ref.max_pool2d(x, **attributes),
}
DEFINITIONS: Arithmetic = {
    **_SHARED,
    "conv2d": lambda weights, attributes, x: ref.conv2d(x, **weights, **attributes),
    "batch_norm": lambda weights, _, x: ref.batch_norm(x, *weights["bn"], eps=EPS),
    "xvolution": _xvolution,
    "xvolution_fused": lambda weights, attributes, x: ref.xvolution_fused(
        x, **weights, **attributes
    ),
    "global_avg_pool": lambda _, __, x: ref.global_avg_pool(x),
    "linear": lambda weights, _, x: ref.linear(x, weights["w"], weights["b"]),
}
BIT_EXACT: Arithmetic = {
    **_SHARED,
    "conv2d": _conv2d_exact,
    "batch_norm": _batch_norm_exact,
    "xvolution": _xvolution_exact,
    "xvolution_fused": _xvolution_fused_exact,
    "global_avg_pool": _avg_pool_exact,
    "linear": _linear_exact,
}
