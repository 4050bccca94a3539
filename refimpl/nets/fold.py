"""Fuse a network: every normalisation folded, every X-volution merged that can be.

    conv2d, pssa          normalisation into kernels and bias
    local_attention,      into the value projection, of which the output is linear, and a bias:
    global_attention      s·Σ a·(W_v x) + t = Σ a·((s·W_v) x) + t
    xvolution             one convolution of [x; T(x)]: the feature form
    xvolution_local,      a convolution and an attention, both folded, and their sum: their weights
    xvolution_global      depend on the image, so no one convolution with fixed weights equals them

Folding is done in binary64 and rounded once, to the weights' own type.

Source: ``refimpl.fuse``.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from refimpl.fuse import Branch, fold_batch_norm, merge
from refimpl.nets.branches import ATTENTION, branches
from refimpl.nets.graph import EPS, Network, Node, Parameters
from refimpl.ops.batch_norm import BatchNorm

Arrays: TypeAlias = dict[str, Any]
FOLDABLE = ("conv2d", "pssa", "local_attention", "global_attention")


def fuse_network(network: Network, parameters: Parameters) -> tuple[Network, Parameters]:
    """Fold every batch normalisation, and merge every X-volution with pixel shifts.

    A normalisation after anything but a convolution or an attention stays.
    """
    kinds = {node.name: node.kind for node in network.nodes}
    norms = {
        node.inputs[0]: node.name
        for node in network.nodes
        if node.kind == "batch_norm" and kinds.get(node.inputs[0]) in FOLDABLE
    }
    replaced = {norm: source for source, norm in norms.items()}
    folded: Parameters = {}
    nodes: list[Node] = []
    for node in network.nodes:
        if node.name in replaced:
            continue
        bn = parameters[norms[node.name]]["bn"] if node.name in norms else None
        moved = replace(node, inputs=tuple(replaced.get(name, name) for name in node.inputs))
        for made, weights in _fused(moved, parameters.get(node.name, {}), bn):
            nodes.append(replace(made, shapes=_shapes(weights)))
            if weights:
                folded[made.name] = weights
    outputs = tuple(replaced.get(name, name) for name in network.outputs)
    return Network(name=f"{network.name}, fused", nodes=tuple(nodes), outputs=outputs), folded


def _fused(
    node: Node, weights: Mapping[str, Any], bn: BatchNorm | None
) -> list[tuple[Node, Arrays]]:
    """The nodes, with their weights, that take the place of one node."""
    if bn is not None:
        return [(node, folded_weights(weights, bn))]
    if node.kind == "xvolution":
        return [(replace(node, kind="xvolution_fused"), _merged(node, weights))]
    if node.kind in ATTENTION:
        return _side_by_side(node, weights)
    return [(node, dict(weights))]


def folded_weights(weights: Mapping[str, Any], bn: BatchNorm) -> Arrays:
    """Weights of a convolution, or of an attention, with the normalisation after it folded in."""
    name = "w_v" if "w_v" in weights else "w"
    w, b = weights[name], weights.get("b")
    kernels = w.reshape(*w.shape, *[1] * (4 - w.ndim)).astype(np.float64)
    bias = None if b is None else b.astype(np.float64)
    merged = fold_batch_norm(kernels, bias, _wide(bn), eps=EPS)
    new = {name: merged.w.reshape(w.shape).astype(w.dtype), "b": merged.b.astype(w.dtype)}
    return dict(weights) | new


def _merged(node: Node, weights: Mapping[str, Any]) -> Arrays:
    conv, attention = (
        Branch(
            w=weights[f"w_{of}"].astype(np.float64),
            bn=_wide(weights[f"bn_{of}"]),
            eps=EPS,
            stride=node.attributes["stride"],
        )
        for of in "ca"
    )
    merged, dtype = merge(conv, attention), weights["w_c"].dtype
    return {"w": merged.w.astype(dtype), "b": merged.b.astype(dtype)}


def _side_by_side(node: Node, weights: Mapping[str, Any]) -> list[tuple[Node, Arrays]]:
    """Convolution, attention and their sum, which keeps the node's name."""
    made: list[tuple[Node, Arrays]] = []
    for branch in branches(node.kind, weights, node.attributes):
        part = Node(
            name=f"{node.name}.{'convolution' if branch.of == 'c' else 'attention'}",
            kind=branch.kind,
            inputs=node.inputs,
            attributes=branch.attributes,
        )
        made.append((part, folded_weights(branch.weights, weights[f"bn_{branch.of}"])))
    both = tuple(part.name for part, _ in made)
    return [*made, (Node(name=node.name, kind="add", inputs=both), {})]


def _shapes(weights: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Shapes of the weights; of a normalisation that stays, its channels."""
    return {
        name: array.gamma.shape if isinstance(array, BatchNorm) else array.shape
        for name, array in weights.items()
    }


def _wide(bn: BatchNorm) -> BatchNorm:
    return BatchNorm(*(each.astype(np.float64) for each in bn))
