"""A computation as nodes and tensors, plain values that know no file format.

A tensor is its name; ``Graph.shapes`` has the sizes of those that are known. A node is *constant*
if all it reads is, so that it can be computed before the network runs.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, TypeAlias

Shape: TypeAlias = tuple[int, ...]

MOST_NODES = 100_000
"""Nodes a graph may have: ours, so that no input takes time without limit."""
MOST_ELEMENTS = 2**40
"""Numbers a tensor may have: ours, far beyond any network and within exact machine integers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One operator: what it reads and writes; an empty name is an input left out."""

    name: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    domain: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Nodes in an order in which they can run, and what is known of their tensors.

    ``constants`` are the tensors that are there before it runs, ``inputs`` what it is given then.

    Raises ``ValueError`` for a node that reads what nobody writes or what is written later, for
    nodes that depend on themselves, for a tensor written twice, and for sizes beyond reason.
    """

    name: str
    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    constants: frozenset[str]
    shapes: Mapping[str, Shape]

    def __post_init__(self) -> None:
        if len(self.nodes) > MOST_NODES:
            raise ValueError(f"nodes must be at most {MOST_NODES}, not {len(self.nodes)}")
        _check_order(self)
        for name, shape in self.shapes.items():
            if any(size < 1 for size in shape) or prod(shape) > MOST_ELEMENTS:
                raise ValueError(
                    f"tensor {name} must have sizes of at least 1 and at most {MOST_ELEMENTS} "
                    f"numbers, not {shape}"
                )

    def elements(self, tensor: str) -> int | None:
        """Numbers in a tensor; ``None`` if its shape is not known."""
        shape = self.shapes.get(tensor)
        return None if shape is None else prod(shape)


def constant_tensors(graph: Graph) -> frozenset[str]:
    """Tensors that are there before the network runs, or can be computed then.

    A constant node reads only such tensors; a Shape reads only sizes, which are known.
    """
    known = {*graph.constants, ""}
    for node in graph.nodes:
        sizes = node.operator in {"Shape", "Size"} and set(node.inputs) <= graph.shapes.keys()
        if sizes or known.issuperset(node.inputs):
            known.update(node.outputs)
    return frozenset(known)


def readers(graph: Graph) -> Counter[str]:
    """How often each tensor is read, by nodes and as a result of the whole."""
    read = Counter(name for node in graph.nodes for name in set(node.inputs) if name)
    read.update(graph.outputs)
    return read


def writers(graph: Graph) -> dict[str, Node]:
    """The node that writes each tensor."""
    return {name: node for node in graph.nodes for name in node.outputs if name}


def _check_order(graph: Graph) -> None:
    written: dict[str, str] = {}
    for node in graph.nodes:
        for name in node.outputs:
            if name and name in written:
                raise ValueError(
                    f"tensor {name} must be written by one node, not by {written[name]} and "
                    f"{node.name}"
                )
            written[name] = node.name
    there = {*graph.inputs, *graph.constants, ""}
    for node in graph.nodes:
        for name in node.inputs:
            if name not in there:
                raise ValueError(_out_of_order(graph, node, name, written.get(name)))
        there.update(node.outputs)


def _out_of_order(graph: Graph, node: Node, tensor: str, writer: str | None) -> str:
    if writer is None:
        return (
            f"tensor {tensor}, which node {node.name} reads, must be an input, a constant or "
            "written by a node"
        )
    cycle = _cycle(graph.nodes)
    if cycle:
        return f"nodes must not depend on themselves, as {' -> '.join(cycle)} do"
    return f"node {node.name} must come after {writer}, which writes the {tensor} that it reads"


def _cycle(nodes: Sequence[Node]) -> list[str]:
    """Names of nodes that feed one another in a circle, the first one twice; none if none do."""
    writer = {name: node for node in nodes for name in node.outputs if name}
    state: dict[str, int] = {}
    for start in nodes:
        path: list[tuple[Node, Iterator[str]]] = []
        if start.name not in state:
            state[start.name] = 1
            path.append((start, iter(start.inputs)))
        while path:
            node, pending = path[-1]
            feeder = next((writer[name] for name in pending if name in writer), None)
            if feeder is None:
                state[node.name] = 2
                path.pop()
            elif state.get(feeder.name) == 1:
                names = [each.name for each, _ in path]
                return [*names[names.index(feeder.name) :][::-1], names[-1]]
            elif feeder.name not in state:
                state[feeder.name] = 1
                path.append((feeder, iter(feeder.inputs)))
    return []
