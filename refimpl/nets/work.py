"""What one node of a network takes: parameters, multiply-accumulates, elementwise products.

A *MAC* is a product that is added to a sum over channels, taps or pixels: what an array of
multiply-accumulate elements does. An elementwise *product* stands alone: what a vector unit does.
Products with the zeros of padding count as MACs. Additions, divisions, comparisons, exponentials
and roots are not counted. With c inputs of h×w pixels, n = h·w; o outputs of i×j pixels, m = i·j;
a K×K kernel or window; d query channels; D directions; g groups:

    node                   MACs                                        products
    conv2d                 m·o·(c/g)·K²                                –
    linear                 o·c                                         –
    batch_norm             –                                           m·o        (x − μ)·s + β
    pssa                   m·o·(D·c)·K²                                D·c·n      shift product
    local_attention        d·c·m + d·c·n + o·c·n + K²·m·d + K²·m·o     K²·m       scale
    global_attention       d·c·m + d·c·n + o·c·n + m·n·d + m·n·o       m·n        scale
                           (query, key, value, scores, weighted sum)
    xvolution              m·o·c·K² + those of pssa                     + 2·m·o    normalisation
    xvolution_local        m·o·c·K² + those of local_attention          + 2·m·o
    xvolution_global       m·o·c·K² + those of global_attention         + 2·m·o
    xvolution_fused        m·o·(1 + D)·c·K²                            D·c·n
    local_response_norm    –                                           4·c·n      x², α·, β·, x·

The counts are per image. Parameters are weights, biases, γ and β; running statistics are none.

Source: each operator's definition in ``refimpl/ops``; derived above.
"""

from collections.abc import Callable, Mapping
from math import prod
from typing import NamedTuple, TypeAlias

from refimpl.nets.graph import Node

Shape: TypeAlias = tuple[int, ...]


class Part(NamedTuple):
    """One step of a node, and what it takes."""

    name: str
    parameters: int = 0
    macs: int = 0
    products: int = 0


Parts: TypeAlias = tuple[Part, ...]


def parts(node: Node, inputs: tuple[Shape, ...], output: Shape) -> Parts:
    """The steps of ``node`` that have parameters or multiply; none for those that only move data.

    Shapes are those of one image: (channels, height, width), or (features,).
    """
    return _PARTS[node.kind](node, inputs[0], output)


def _convolution(node: Node, _: Shape, output: Shape, of: str = "", after: str = "") -> Parts:
    weights = prod(node.shapes[f"w{of}"])
    macs = weights * prod(output[1:])
    return (Part(f"{after}convolution", weights + _bias(node), macs),)


def _linear(node: Node, _: Shape, __: Shape) -> Parts:
    weights = prod(node.shapes["w"])
    return (Part("matrix product", weights + _bias(node), macs=weights),)


def _bias(node: Node) -> int:
    return prod(node.shapes["b"]) if "b" in node.shapes else 0


def _batch_norm(_: Node, __: Shape, output: Shape) -> Parts:
    return (Part("normalisation", 2 * output[0], products=prod(output)),)


def _response_norm(_: Node, __: Shape, output: Shape) -> Parts:
    return (Part("normalisation", products=4 * prod(output)),)


def _shift_product(node: Node, x: Shape) -> Part:
    return Part("shift product", products=len(node.attributes["directions"]) * prod(x))


def _pssa(node: Node, x: Shape, output: Shape, of: str = "", after: str = "") -> Parts:
    return _shift_product(node, x), *_convolution(node, x, output, of, after)


def _attention(node: Node, x: Shape, output: Shape) -> Parts:
    pixels, queries = prod(x[1:]), prod(output[1:])
    window = node.attributes.get("kernel")
    seen = pixels if window is None else window * window
    (d, _), (o, _) = node.shapes["w_q"], node.shapes["w_v"]
    sizes = {name: prod(node.shapes[name]) for name in ("w_q", "w_k", "w_v")}
    return (
        Part("query", sizes["w_q"], macs=sizes["w_q"] * queries),
        Part("key", sizes["w_k"], macs=sizes["w_k"] * pixels),
        Part("value", sizes["w_v"] + _bias(node), macs=sizes["w_v"] * pixels),
        Part("scores", macs=queries * seen * d, products=queries * seen),
        Part("weighted sum", macs=queries * seen * o),
    )


def _two_branches(attention: Callable[[Node, Shape, Shape], Parts]) -> "Count":
    def count(node: Node, x: Shape, output: Shape) -> Parts:
        norms = Part("normalisation", 4 * output[0], products=2 * prod(output))
        return *_convolution(node, x, output, "_c"), *attention(node, x, output), norms

    return count


def _nothing(_: Node, __: Shape, ___: Shape) -> Parts:
    return ()


def _shifted_branch(node: Node, x: Shape, output: Shape) -> Parts:
    return _pssa(node, x, output, "_a", "attention ")


Count: TypeAlias = Callable[[Node, Shape, Shape], Parts]
_PARTS: Mapping[str, Count] = {
    "conv2d": _convolution,
    "linear": _linear,
    "batch_norm": _batch_norm,
    "local_response_norm": _response_norm,
    "pssa": _pssa,
    "local_attention": _attention,
    "global_attention": _attention,
    "xvolution": _two_branches(_shifted_branch),
    "xvolution_local": _two_branches(_attention),
    "xvolution_global": _two_branches(_attention),
    "xvolution_fused": _pssa,
    "relu": _nothing,
    "add": _nothing,
    "max_pool2d": _nothing,
    "global_avg_pool": _nothing,
    "flatten": _nothing,
    "upsample_nearest": _nothing,
}
