"""An ONNX graph under construction: nodes in order, constants, and names that are unique."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from refimpl.arrays import Array

OPSET = 17
IR_VERSION = 8  # the format of files that operator set 17 came with
FLOATS = ("float16", "float32", "float64")


@dataclass(slots=True, kw_only=True)
class Graph:
    """Nodes and constants so far; ``dtype`` is every number's, ``prefix`` the layer's name.

    ``size`` is the image's height and width at ``x`` of the layer under construction, where known.
    """

    dtype: Any
    prefix: str = ""
    nodes: list[Any] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    size: tuple[int, int] | None = None


def require_onnx() -> Any:
    """The onnx package.

    Raises
    ------
    ValueError
        If it is not installed.
    """
    try:
        import onnx  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ValueError(
            "ONNX graphs need the onnx extra: pip install 'xvolution[onnx]'"
        ) from error
    return onnx


def add(
    graph: Graph,
    kind: str,
    inputs: Sequence[str],
    attributes: Mapping[str, Any] | None = None,
    *,
    output: str | None = None,
) -> str:
    """Append a node of one output; return the output's name."""
    name = output or f"{graph.prefix}{kind}_{len(graph.nodes)}"
    helper = require_onnx().helper
    graph.nodes.append(helper.make_node(kind, list(inputs), [name], name, **(attributes or {})))
    return name


def weight(graph: Graph, name: str, array: Array) -> str:
    """Store an array of the layer's, by its own name."""
    key = f"{graph.prefix}{name}"
    graph.constants[key] = np.ascontiguousarray(array, graph.dtype)
    return key


def integers(graph: Graph, values: Sequence[int]) -> str:
    """Store whole numbers, as shapes and places are given; equal ones once."""
    key = "_".join(["ints", *(str(each).replace("-", "m") for each in values)])
    graph.constants[key] = np.array(values, np.int64)
    return key


def number(graph: Graph, value: float) -> str:
    """Store one number."""
    key = f"{graph.prefix}number_{len(graph.constants)}"
    graph.constants[key] = np.array(value, graph.dtype)
    return key


def total(graph: Graph, terms: Sequence[str]) -> str:
    """Add terms up, from the first to the last."""
    result = terms[0]
    for term in terms[1:]:
        result = add(graph, "Add", (result, term))
    return result


def join(graph: Graph, parts: Sequence[str], *, axis: int) -> str:
    """Parts one after the other along an axis; one part is itself."""
    if len(parts) == 1:
        return parts[0]
    return add(graph, "Concat", parts, {"axis": axis})
