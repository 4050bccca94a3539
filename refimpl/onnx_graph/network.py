"""A network's layers as ONNX nodes: from a node's kind to the function that adds it.

    conv2d Conv · linear Gemm · batch_norm BatchNormalization · relu Relu · add Add
    max_pool2d MaxPool · global_avg_pool GlobalAveragePool, Flatten · flatten Flatten
    upsample_nearest Shape, Concat, Resize · local_response_norm LRN

LRN divides α by its size, and ours does not: α·S is stored, in binary32, as attributes are. Resize
rounds i·h/H down, from the first corner ("asymmetric", "floor").

Source: ``refimpl.ops``; ONNX operator set 17.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from refimpl.arrays import pair
from refimpl.onnx_graph.attention import global_attention, local_attention
from refimpl.onnx_graph.graph import Graph, add, join, weight
from refimpl.onnx_graph.pixel_shift import feature, pssa
from refimpl.onnx_graph.shifts import convolve


class Layer(Protocol):
    """One operator of a network: its kind, where its inputs come from, and its attributes."""

    @property
    def name(self) -> str:
        """What others know it by."""

    @property
    def kind(self) -> str:
        """A key of ``LAYERS``."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of layers before it, or "image"."""

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Options of the operator."""


def add_layer(graph: Graph, layer: Layer, weights: Mapping[str, Any], eps: float) -> None:
    """Append the nodes of one layer; the last one's output has the layer's name.

    Raises
    ------
    ValueError
        If its kind has no graph.
    """
    if layer.kind not in LAYERS:
        raise ValueError(
            f"{layer.name} must be of a kind that has a graph ({', '.join(LAYERS)}), not "
            f"{layer.kind}"
        )
    graph.prefix = f"{layer.name}/"
    LAYERS[layer.kind](graph, layer, weights, eps)


def _conv2d(graph: Graph, layer: Layer, weights: Mapping[str, Any], _: float) -> None:
    options = dict(layer.attributes)
    kernels = ("w", weights["w"])
    convolve(
        graph,
        layer.inputs[0],
        kernels,
        weights.get("b"),
        stride=options.get("stride", 1),
        padding=options.get("padding", 0),
        groups=options.get("groups", 1),
        output=layer.name,
    )


def _linear(graph: Graph, layer: Layer, weights: Mapping[str, Any], _: float) -> None:
    arrays = [weight(graph, name, weights[name]) for name in ("w", "b")]
    add(graph, "Gemm", (layer.inputs[0], *arrays), {"transB": 1}, output=layer.name)


def _batch_norm(graph: Graph, layer: Layer, weights: Mapping[str, Any], eps: float) -> None:
    arrays = [weight(graph, name, each) for name, each in weights["bn"]._asdict().items()]
    attributes = {"epsilon": eps}
    add(graph, "BatchNormalization", (layer.inputs[0], *arrays), attributes, output=layer.name)


def _max_pool2d(graph: Graph, layer: Layer, _: Mapping[str, Any], __: float) -> None:
    sides, steps, pads = (
        pair(name, layer.attributes.get(name, 0), least=0)
        for name in ("kernel", "stride", "padding")
    )
    attributes = {"kernel_shape": sides, "strides": steps, "pads": (*pads, *pads)}
    add(graph, "MaxPool", layer.inputs, attributes, output=layer.name)


def _global_avg_pool(graph: Graph, layer: Layer, _: Mapping[str, Any], __: float) -> None:
    pooled = add(graph, "GlobalAveragePool", layer.inputs)
    add(graph, "Flatten", (pooled,), output=layer.name)


def _upsample(graph: Graph, layer: Layer, _: Mapping[str, Any], __: float) -> None:
    x, like = layer.inputs
    kept = add(graph, "Shape", (x,), {"end": 2})
    shape = join(graph, [kept, add(graph, "Shape", (like,), {"start": 2})], axis=0)
    attributes = {
        "mode": "nearest",
        "coordinate_transformation_mode": "asymmetric",
        "nearest_mode": "floor",
    }
    add(graph, "Resize", (x, "", "", shape), attributes, output=layer.name)


def _response_norm(graph: Graph, layer: Layer, _: Mapping[str, Any], __: float) -> None:
    options = layer.attributes
    attributes = {
        "alpha": float(options["alpha"] * options["size"]),
        "beta": float(options["beta"]),
        "bias": float(options["k"]),
        "size": options["size"],
    }
    add(graph, "LRN", layer.inputs, attributes, output=layer.name)


def _plain(kind: str) -> "Build":
    return lambda graph, layer, _, __: _named(add(graph, kind, layer.inputs, output=layer.name))


def _operator(build: Callable[..., str]) -> "Build":
    return lambda graph, layer, weights, _: _named(
        build(graph, layer.inputs[0], weights, layer.attributes, layer.name)
    )


def _named(_: str) -> None:
    """The output has the layer's name: nothing more to say of it."""


Build = Callable[[Graph, Layer, Mapping[str, Any], float], None]
LAYERS: Mapping[str, Build] = {
    "conv2d": _conv2d,
    "pssa": _operator(pssa),
    "xvolution_fused": _operator(feature),
    "local_attention": _operator(local_attention),
    "global_attention": _operator(global_attention),
    "linear": _linear,
    "batch_norm": _batch_norm,
    "relu": _plain("Relu"),
    "add": _plain("Add"),
    "flatten": _plain("Flatten"),
    "max_pool2d": _max_pool2d,
    "global_avg_pool": _global_avg_pool,
    "upsample_nearest": _upsample,
    "local_response_norm": _response_norm,
}
