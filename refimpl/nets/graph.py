"""A network as data: nodes in the order of computation, and weights for them.

Weights are seeded He initialisation (variance 2/fan-in, bell-shaped), the same bytes everywhere:
see ``refimpl.bitexact.random``.

Source: He et al., arXiv:1502.01852 (2015), Eq. 10.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import sqrt
from typing import Any, TypeAlias

import numpy as np

from refimpl.bitexact.random import bell
from refimpl.ops.batch_norm import BatchNorm

Parameters: TypeAlias = dict[str, dict[str, Any]]
EPS = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One operator of a network: its kind, where its inputs come from, and its attributes.

    ``shapes`` gives the shape of each weight array the node needs.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Nodes in the order of computation; the first reads "image", the last is the answer.

    ``outputs`` names the answers where there are several, as of a pyramid of feature maps.
    """

    name: str
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...] = ()

    @property
    def answers(self) -> tuple[str, ...]:
        """Names of the nodes that the network is run for."""
        return self.outputs or (self.nodes[-1].name,)

    def node(self, name: str) -> Node:
        """Look a node up.

        Raises
        ------
        ValueError
            If there is none of that name; the sentence names the nearest.
        """
        for node in self.nodes:
            if node.name == name:
                return node
        names = [node.name for node in self.nodes]
        near = get_close_matches(name, names, n=3, cutoff=0.4)
        hint = f"such as {', '.join(near)}" if near else f"from {names[0]} to {names[-1]}"
        raise ValueError(f"layer must be one of {self.name}'s, {hint}, not {name!r}")


def initialise(network: Network, *, seed: str = "0") -> Parameters:
    """Seeded He initialisation, binary32: variance 2/fan-in; γ = 1, β = 0, μ = 0, σ² = 1; no bias.

    The same bytes everywhere: see ``refimpl.bitexact.random``.
    """
    return {
        node.name: {name: _initial(node, name, shape, seed) for name, shape in node.shapes.items()}
        for node in network.nodes
        if node.shapes
    }


def _initial(node: Node, name: str, shape: tuple[int, ...], seed: str) -> Any:
    if name.startswith("bn"):
        zeros, ones = np.zeros(shape, np.float32), np.ones(shape, np.float32)
        return BatchNorm(gamma=ones, beta=zeros, mean=zeros, var=ones)
    if name == "b":
        return np.zeros(shape, np.float32)
    fan_in = int(np.prod(shape[1:]))
    drawn = bell(f"resnet-{seed}/{node.name}", name, shape)
    return (drawn * sqrt(2.0 / fan_in)).astype(np.float32)


def parameter_count(parameters: Parameters) -> int:
    """Trainable numbers: weights, biases, γ and β; running statistics are not counted."""
    return sum(
        value.gamma.size + value.beta.size if isinstance(value, BatchNorm) else value.size
        for arrays in parameters.values()
        for value in arrays.values()
    )
