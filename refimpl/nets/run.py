"""Run a network, node by node, in one of two arithmetics; calibrate it.

``DEFINITIONS`` are the operators of ``refimpl`` (the caller's number type, BLAS inside);
``BIT_EXACT`` are binary32 operations in declared order, whose activations may feed golden vectors.
The same walk serves both: a table from a node's kind to a function of weights, attributes, inputs.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

from refimpl.arrays import Array
from refimpl.bitexact.accumulate import channel_statistics
from refimpl.nets.branches import ATTENTION, branches
from refimpl.nets.definitions import DEFINITIONS, Arithmetic, Evaluate, Weights
from refimpl.nets.exact import BIT_EXACT, affine_of, xvolution_tensors
from refimpl.nets.fold import fuse_network
from refimpl.nets.graph import Network, Parameters

__all__ = [
    "BIT_EXACT",
    "DEFINITIONS",
    "Arithmetic",
    "affine_of",
    "calibrate",
    "fuse_network",
    "run",
    "xvolution_tensors",
]

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
    """Evaluate every node; return the network's answers and the outputs of those in ``keep``.

    ``image`` is (n, c, h, w). Outputs no longer needed are dropped on the way.

    Raises
    ------
    ValueError
        If ``keep`` names a node that the network does not have, or the arithmetic lacks a kind.
    """
    for name in keep:
        if name != "image":
            network.node(name)
    _check_kinds(network, arithmetic)
    last_use = {name: node.name for node in network.nodes for name in node.inputs}
    kept = {*keep, *network.answers}
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
    network: Network,
    parameters: Parameters,
    image: Array,
    *,
    arithmetic: Arithmetic = BIT_EXACT,
    progress: Progress = lambda _: None,
) -> Parameters:
    """Set every running mean and variance to what one image gives: a training step with momentum 1.

    Statistics are summed in order in binary64, and stored in the type of the weights.
    """
    calibrated = {name: dict(weights) for name, weights in parameters.items()}

    def observing(kind: str) -> Evaluate:
        def evaluate(weights: Weights, attributes: Mapping[str, Any], *inputs: Array) -> Array:
            if kind == "batch_norm":
                _record(weights, "bn", inputs[0])
            elif kind in ATTENTION:
                for branch in branches(kind, weights, attributes):
                    y = arithmetic[branch.kind](branch.weights, branch.attributes, *inputs)
                    _record(weights, f"bn_{branch.of}", y)
            return arithmetic[kind](weights, attributes, *inputs)

        return evaluate

    table = {kind: observing(kind) for kind in arithmetic}
    run(network, calibrated, image, arithmetic=table, progress=progress)
    return calibrated


def _record(weights: Weights, name: str, x: Array) -> None:
    mean, var = channel_statistics(x)
    old = weights[name]
    assert isinstance(weights, dict)  # noqa: S101 - calibrate made it
    weights[name] = old._replace(
        mean=mean.astype(old.mean.dtype, copy=False), var=var.astype(old.var.dtype, copy=False)
    )


def _check_kinds(network: Network, arithmetic: Arithmetic) -> None:
    for node in network.nodes:
        if node.kind not in arithmetic:
            known = ", ".join(arithmetic)
            raise ValueError(
                f"{node.name} must be of a kind that this arithmetic has ({known}), not {node.kind}"
            )
