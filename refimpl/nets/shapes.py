"""Shapes of a network at a size of image: what enters and leaves each node, and what it takes.

Nothing is computed but sizes: a network of any size takes no memory. ``refimpl/nets/work.py`` has
the formula of every node's parameters, multiply-accumulates and elementwise products.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from refimpl.arrays import pair
from refimpl.nets.graph import Network, Node
from refimpl.nets.work import Part, Shape, parts
from refimpl.ops.conv2d import conv_geometry


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeShape:
    """One node: the shapes of one image's data in and out, and what its steps take."""

    name: str
    kind: str
    inputs: tuple[Shape, ...]
    output: Shape
    parts: tuple[Part, ...]

    @property
    def parameters(self) -> int:
        """Trainable numbers."""
        return sum(part.parameters for part in self.parts)

    @property
    def macs(self) -> int:
        """Multiply-accumulates, on an array."""
        return sum(part.macs for part in self.parts)

    @property
    def products(self) -> int:
        """Products of single numbers, element by element."""
        return sum(part.products for part in self.parts)


def node_shapes(
    network: Network, height: int, width: int, *, channels: int = 3
) -> tuple[NodeShape, ...]:
    """Shapes of every node, in order, for one image (channels, height, width).

    Raises
    ------
    ValueError
        If a node cannot take what reaches it; the sentence begins with the node's name.
    """
    if min(height, width) < 1:
        raise ValueError(f"an image must be at least 1×1, not {height}×{width}")
    known: dict[str, Shape] = {"image": (channels, height, width)}
    rows = []
    for node in network.nodes:
        inputs = tuple(known[name] for name in node.inputs)
        try:
            output = _OUTPUT[node.kind](node, *inputs)
        except ValueError as error:
            raise ValueError(f"{node.name}: {error}") from error
        known[node.name] = output
        rows.append(
            NodeShape(
                name=node.name,
                kind=node.kind,
                inputs=inputs,
                output=output,
                parts=parts(node, inputs, output),
            )
        )
    return tuple(rows)


def total(rows: Sequence[NodeShape]) -> Part:
    """Parameters, multiply-accumulates and products of all the nodes together."""
    return Part(
        "total",
        parameters=sum(row.parameters for row in rows),
        macs=sum(row.macs for row in rows),
        products=sum(row.products for row in rows),
    )


def _conv2d(node: Node, x: Shape) -> Shape:
    w, attributes = node.shapes["w"], node.attributes
    geometry = conv_geometry(
        (1, *x),
        w,
        stride=attributes["stride"],
        padding=attributes["padding"],
        groups=attributes.get("groups", 1),
    )
    return w[0], *geometry.output


def _max_pool2d(node: Node, x: Shape) -> Shape:
    sides = pair("kernel", node.attributes["kernel"], least=1)
    steps = {name: node.attributes[name] for name in ("stride", "padding")}
    return x[0], *conv_geometry((1, *x), (1, x[0], *sides), **steps).output


def _in_place_of_a_convolution(node: Node, x: Shape) -> Shape:
    """A "same" operator between c and o channels: as many pixels as the stride leaves."""
    down, right = node.attributes["stride"]
    inputs, outputs = _ends(node)
    if x[0] != inputs:
        raise ValueError(f"x must have {inputs} channels, not {x[0]}")
    return outputs, -(-x[1] // down), -(-x[2] // right)


def _ends(node: Node) -> tuple[int, int]:
    """Input and output channels, by the weights."""
    if "w_v" in node.shapes:
        outputs, inputs = node.shapes["w_v"]
    elif "w_c" in node.shapes:
        outputs, inputs, *_ = node.shapes["w_c"]
    else:
        outputs, channels, *_ = node.shapes["w"]
        copies = len(node.attributes["directions"]) + (node.kind == "xvolution_fused")
        inputs = channels // copies
    return inputs, outputs


def _linear(node: Node, x: Shape) -> Shape:
    outputs, inputs = node.shapes["w"]
    if x != (inputs,):
        raise ValueError(f"x must have shape ({inputs},), not {x}")
    return (outputs,)


def _add(_: Node, x: Shape, shortcut: Shape) -> Shape:
    if x != shortcut:
        raise ValueError(f"both terms must have one shape, not {x} and {shortcut}")
    return x


_OUTPUT: Mapping[str, Callable[..., Shape]] = {
    "conv2d": _conv2d,
    "linear": _linear,
    "add": _add,
    "max_pool2d": _max_pool2d,
    "batch_norm": lambda _, x: x,
    "relu": lambda _, x: x,
    "local_response_norm": lambda _, x: x,
    "global_avg_pool": lambda _, x: x[:1],
    "flatten": lambda _, x: (prod(x),),
    "upsample_nearest": lambda _, x, like: (x[0], *like[1:]),
    "pssa": _in_place_of_a_convolution,
    "local_attention": _in_place_of_a_convolution,
    "global_attention": _in_place_of_a_convolution,
    "xvolution": _in_place_of_a_convolution,
    "xvolution_local": _in_place_of_a_convolution,
    "xvolution_global": _in_place_of_a_convolution,
    "xvolution_fused": _in_place_of_a_convolution,
}
