"""From the nodes of a graph to the layers of a network.

A layer is a node with those that follow it on its way out: a batch normalisation behind a
convolution is folded into it, a rectification is applied to what leaves, as long as nobody else
reads in between. What can be computed before the network runs, and views, take nothing; the network
says which those are.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from hwsim.importers.geometry import UnmodelledError
from hwsim.importers.graph import Graph, Node, Shape, constant_tensors, readers, writers
from hwsim.importers.operators import FOLLOWERS, primitives_of
from hwsim.networks import Network
from hwsim.workload import Elementwise, Layer, Primitive, Unmodelled

FOLDED_INTO = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
NO_WORK = {
    "constant": "computed beforehand from constants",
    "view": "the same numbers under another shape",
    "folded": "folded into the weights before it",
}
"""Why a node takes nothing."""


def network_of(graph: Graph, *, batch: int) -> Network:
    """The network a graph is; ``ValueError`` names the node whose shapes contradict each other."""
    constant = constant_tensors(graph)
    read, written = readers(graph), writers(graph)
    parts: dict[str, Layer] = {}
    home: dict[str, str] = {}
    free: dict[str, str] = {}
    for node in graph.nodes:
        if constant.issuperset(node.outputs):
            free[node.name] = NO_WORK["constant"]
            continue
        before = _only_before(node, read, written)
        into = home.get(before.name) if before is not None else None
        if before is not None and into is not None and _folds(node, before):
            free[node.name] = NO_WORK["folded"]
            home[node.name] = into
            continue
        primitives = _primitives(graph, node, constant)
        if not primitives:
            free[node.name] = NO_WORK["view"]
            continue
        fused = _fused(primitives) if node.operator in FOLLOWERS else None
        if into is not None and fused is not None:
            host = parts[into]
            followed, nodes = (*host.primitives, *fused), (*host.nodes, node.name)
            parts[into] = replace(host, primitives=followed, nodes=nodes)
            home[node.name] = into
            continue
        form = node.operator
        parts[node.name] = Layer(
            name=node.name, form=form, primitives=primitives, nodes=(node.name,)
        )
        home[node.name] = node.name
    shapes = {name: graph.shapes[name] for name in graph.inputs if name in graph.shapes}
    height, width = _image(shapes)
    return Network(
        name=graph.name,
        layers=tuple(parts.values()),
        batch=batch,
        height=height,
        width=width,
        inputs=shapes,
        free=free,
    )


def _primitives(graph: Graph, node: Node, constants: frozenset[str]) -> tuple[Primitive, ...]:
    try:
        return primitives_of(graph, node, constants)
    except UnmodelledError as error:
        return (Unmodelled(reason=str(error), label=node.name),)
    except (ValueError, IndexError, TypeError) as error:
        raise ValueError(f"node {node.name} ({node.operator}): {error}") from error


def _only_before(node: Node, read: Counter[str], written: Mapping[str, Node]) -> Node | None:
    """The node whose one output only this one reads, as its first input."""
    first = node.inputs[0] if node.inputs else ""
    return written.get(first) if read[first] == 1 else None


def _folds(node: Node, before: Node) -> bool:
    return node.operator == "BatchNormalization" and before.operator in FOLDED_INTO


def _fused(primitives: tuple[Primitive, ...]) -> tuple[Primitive, ...] | None:
    """The same applied on the way out of what is before; ``None`` if it reads anything else."""
    made = [replace(p, fused=True) for p in primitives if isinstance(p, Elementwise)]
    alone = len(made) == len(primitives) and all(each.inputs == 1 for each in made)
    return tuple(made) if alone else None


def _image(inputs: Mapping[str, Shape]) -> tuple[int, int]:
    """Height and width of the first input that is an image; ones if there is none."""
    images = [shape[2:] for shape in inputs.values() if len(shape) == 4]
    return (images[0][0], images[0][1]) if images else (1, 1)
