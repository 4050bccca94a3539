"""Gradient of the loss of a network with respect to every weight, in reverse mode.

    L = cross_entropy(network(x), labels)

    forward: keep each node's pullback;  ∂(last) = ∂L/∂logits;  backwards: pull, and add up

Source: Griewank and Walther, "Evaluating Derivatives", SIAM (2008), section 3.2.
"""

from typing import NamedTuple

import refimpl.fast
from refimpl.arrays import Array
from refimpl.nets.graph import Network, Parameters
from refimpl.ops.batch_norm import Normalised
from refimpl.ops.cross_entropy import cross_entropy, cross_entropy_backward
from refimpl.train.flat import Flat
from refimpl.train.rules import Operators, Traced, trace


class Gradient(NamedTuple):
    """Loss, scores, gradient by key, and the batch statistics by the key of their normalisation."""

    loss: Array
    logits: Array
    arrays: Flat
    norms: dict[str, Normalised]


def gradient(
    network: Network,
    parameters: Parameters,
    images: Array,
    labels: Array,
    *,
    operators: Operators = refimpl.fast,
) -> Gradient:
    """Loss of a batch in training mode, and its gradient with respect to every trained array.

    ``operators`` is a module that has the operators by name: the fast ones, or ``refimpl`` itself.

    Raises
    ------
    ValueError
        If a label is not a class of the network, or a node has no known gradient.
    """
    traces = _forward(operators, network, parameters, images)
    logits = traces[network.nodes[-1].name].y
    loss = cross_entropy(logits, labels)
    upstream = {network.nodes[-1].name: cross_entropy_backward(1, logits, labels).logits}
    arrays: Flat = {}
    for node in reversed(network.nodes):
        if node.name not in upstream:
            continue
        pulled = traces[node.name].pull(upstream.pop(node.name))
        arrays |= {f"{node.name}/{key}": array for key, array in pulled.arrays.items()}
        for name, dx in zip(node.inputs, pulled.inputs, strict=True):
            upstream[name] = upstream[name] + dx if name in upstream else dx
    norms = {
        f"{name}/{key}": norm for name, each in traces.items() for key, norm in each.norms.items()
    }
    return Gradient(loss, logits, arrays, norms)


def _forward(
    operators: Operators, network: Network, parameters: Parameters, images: Array
) -> dict[str, Traced]:
    traces: dict[str, Traced] = {}
    for node in network.nodes:
        inputs = (images if name == "image" else traces[name].y for name in node.inputs)
        traces[node.name] = trace(operators, node, parameters.get(node.name, {}), *inputs)
    return traces
