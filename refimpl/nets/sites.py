"""What stands at one site of a network: a 3×3 convolution, or any operator in its place.

Every operator keeps the contract of the convolution it replaces: channels in, channels out, stride.
X-volution is one node, its two normalisations included; every other operator is a node and a batch
normalisation after it. The ReLU is the network's.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from refimpl.nets.graph import Node
from refimpl.ops.shift_product import FOUR_DIRECTIONS

Shapes: TypeAlias = dict[str, tuple[int, ...]]
SHIFTS: Mapping[str, Any] = {"directions": FOUR_DIRECTIONS, "length": 1, "boundary": "circular"}
X_VOLUTIONS = ("xvolution", "xvolution_local", "xvolution_global")
OPERATORS = ("conv2d", "pssa", "local_attention", "global_attention", *X_VOLUTIONS)


def site(
    operator: str,
    name: str,
    source: str,
    inputs: int,
    outputs: int,
    *,
    stride: int = 1,
    kernel: int = 3,
) -> tuple[Node, ...]:
    """Nodes of ``operator`` between ``inputs`` and ``outputs`` channels; the last is the result.

    ``kernel`` is the side of the attention's kernel or window, and of a plain convolution; the
    convolution branch of an X-volution is 3×3. Queries and keys have the output's channels.

    Raises
    ------
    ValueError
        If there is no such operator.
    """
    if operator not in OPERATORS:
        raise ValueError(f"operator must be one of {', '.join(OPERATORS)}, not {operator!r}")
    if operator == "conv2d":
        return convolution(name, source, inputs, outputs, side=kernel, stride=stride)
    attributes: dict[str, Any] = {"stride": (stride, stride)}
    weights = _attention_shapes(inputs, outputs)
    if operator in {"pssa", "xvolution"}:
        attributes |= SHIFTS
        side = outputs, len(FOUR_DIRECTIONS) * inputs, kernel, kernel
        weights = {"w_a" if operator == "xvolution" else "w": side}
    if operator in {"local_attention", "xvolution_local"}:
        attributes |= {"kernel": kernel, "normalise": "none"}
    if operator in {"global_attention", "xvolution_global"}:
        attributes |= {"normalise": "softmax"}
    if operator in X_VOLUTIONS:
        norms: Shapes = {"bn_c": (outputs,), "bn_a": (outputs,)}
        shapes = {"w_c": (outputs, inputs, 3, 3), **weights, **norms}
        return (_node(operator, name, source, attributes, shapes),)
    return _node(operator, name, source, attributes, weights), batch_norm(name, outputs)


def convolution(
    name: str, source: str, inputs: int, outputs: int, *, side: int, stride: int
) -> tuple[Node, Node]:
    """A "same" convolution without bias and its batch normalisation."""
    pads = {"stride": (stride, stride), "padding": (side // 2, side // 2)}
    conv = _node("conv2d", name, source, pads, {"w": (outputs, inputs, side, side)})
    return conv, batch_norm(name, outputs)


def batch_norm(source: str, channels: int) -> Node:
    """The normalisation of a node's output, by the name ``<source>.bn``."""
    return _node("batch_norm", f"{source}.bn", source, {}, {"bn": (channels,)})


def relu(name: str, source: str | None = None) -> Node:
    """A ReLU by the name ``<name>.relu``, after ``<name>.bn`` unless told."""
    return _node("relu", f"{name}.relu", source or f"{name}.bn", {}, {})


def max_pool(name: str, source: str, *, kernel: int, stride: int, padding: int = 0) -> Node:
    """A maximum over windows."""
    attributes = {"kernel": kernel, "stride": stride, "padding": padding}
    return _node("max_pool2d", name, source, attributes, {})


def biased_convolution(
    name: str,
    source: str,
    inputs: int,
    outputs: int,
    *,
    side: int,
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
) -> Node:
    """A convolution with a bias and no normalisation, as networks before 2015 have it."""
    attributes = {"stride": (stride, stride), "padding": (padding, padding)}
    shapes = {"w": (outputs, inputs // groups, side, side), "b": (outputs,)}
    return _node(
        "conv2d", name, source, attributes | ({"groups": groups} if groups > 1 else {}), shapes
    )


def fully_connected(name: str, source: str, inputs: int, outputs: int) -> Node:
    """A linear layer with a bias."""
    return _node("linear", name, source, {}, {"w": (outputs, inputs), "b": (outputs,)})


def _attention_shapes(inputs: int, outputs: int) -> Shapes:
    return dict.fromkeys(("w_q", "w_k", "w_v"), (outputs, inputs))


def _node(
    kind: str, name: str, source: str, attributes: Mapping[str, Any], shapes: Mapping[str, Any]
) -> Node:
    return Node(name=name, kind=kind, inputs=(source,), attributes=attributes, shapes=shapes)
