"""Attention as ONNX nodes: over all pixels, over a window, and the forms that merge.

    global_attention   Conv 1×1 ×3 · Reshape to heads · MatMul · Softmax · MatMul · Reshape
    local_attention    Conv 1×1 ×3 · Pad and Slice per tap · Mul, ReduceSum · Softmax · Mul, Add
    kernel (local)     the same of x instead of values, Conv 1×1 with W_v; plus Conv of x
    SA                 G = values·keysᵀ, M = scale·W_o·G·W_q, M·x by MatMul; plus Conv of x

ONNX has no convolution with kernels of its own for every image of a batch, so M(x)·x is a matrix
product beside the static convolution. Outside the image scores are −∞ before the softmax.

Source: ``refimpl.ops.global_attention``, ``refimpl.ops.local_attention``, ``refimpl.forms``.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from refimpl.arrays import Array
from refimpl.onnx_graph.graph import Graph, add, integers, join, number, require_onnx, total, weight
from refimpl.onnx_graph.shifts import convolve, windows
from refimpl.ops.global_attention import attention_scale
from refimpl.ops.local_attention import window_scale

Arrays: TypeAlias = Mapping[str, Array]
Options: TypeAlias = Mapping[str, Any]


def global_attention(
    graph: Graph, x: str, arrays: Arrays, options: Options, output: str | None = None
) -> str:
    """Attention of every strided pixel to all pixels; b, if there is one, is added at the end."""
    heads, normalise = options.get("heads", 1), options.get("normalise", "softmax")
    queries = _project(graph, x, "w_q", arrays, stride=options.get("stride", 1))
    tokens = [queries, *(_project(graph, x, name, arrays) for name in ("w_k", "w_v"))]
    q, k, v = (
        _by_heads(graph, each, heads, len(arrays[name]) // heads)
        for each, name in zip(tokens, ("w_q", "w_k", "w_v"), strict=True)
    )
    scores = add(graph, "MatMul", (_transposed(graph, q), k))
    scale = attention_scale(options.get("scale"), arrays["w_q"], heads, normalise)
    weights = add(graph, "Mul", (scores, number(graph, scale)))
    if normalise == "softmax":
        weights = add(graph, "Softmax", (weights,), {"axis": 3})
    attended = add(graph, "MatMul", (v, _transposed(graph, weights)))
    shape = join(
        graph,
        [
            add(graph, "Shape", (queries,), {"end": 1}),
            integers(graph, [len(arrays["w_v"])]),
            add(graph, "Shape", (queries,), {"start": 2}),
        ],
        axis=0,
    )
    image = add(graph, "Reshape", (attended, shape))
    if "w_o" in arrays:
        image = _project(graph, image, "w_o", arrays)
    return _biased(graph, image, arrays, output)


def local_attention(
    graph: Graph, x: str, arrays: Arrays, options: Options, output: str | None = None
) -> str:
    """Attention of every strided pixel to a window; b, if there is one, is added at the end."""
    values = _project(graph, x, "w_v", arrays)
    gathered = _gather(graph, x, values, arrays, options)
    return _biased(graph, gathered, arrays, output)


def local_kernel(graph: Graph, x: str, arrays: Arrays, options: Options, output: str | None) -> str:
    """A static convolution, and pixels of x weighed by scores and then mixed once."""
    static = _static(graph, x, arrays, options)
    mixed = _project(graph, _gather(graph, x, x, arrays, options), "w_v", arrays)
    return add(graph, "Add", (static, mixed), output=output)


def per_image(graph: Graph, x: str, arrays: Arrays, options: Options, output: str | None) -> str:
    """A static convolution, and every image mixed by its own matrix M(x)."""
    heads, channels = options["heads"], arrays["w_q"].shape[1]
    depth, many = len(arrays["w_q"]) // heads, len(arrays["w_v"])
    k, v = (
        _by_heads(graph, _project(graph, x, name, arrays), heads, len(arrays[name]) // heads)
        for name in ("w_k", "w_v")
    )
    context = add(graph, "MatMul", (v, _transposed(graph, k)))
    queries = weight(graph, "w_q", arrays["w_q"].reshape(heads, depth, channels))
    mixing = add(graph, "MatMul", (context, queries))
    mixing = add(graph, "Reshape", (mixing, integers(graph, [0, many, channels])))
    if "w_o" in arrays:
        mixing = add(graph, "MatMul", (weight(graph, "w_o", arrays["w_o"]), mixing))
    mixing = add(graph, "Mul", (mixing, number(graph, options["scale"])))
    static = _static(graph, x, arrays, options)
    seen = windows(graph, x, 1, options["stride"], 1)[0]
    pixels = add(graph, "Reshape", (seen, integers(graph, [0, channels, -1])))
    mixed = add(graph, "MatMul", (mixing, pixels))
    image = add(graph, "Reshape", (mixed, add(graph, "Shape", (static,))))
    return add(graph, "Add", (static, image), output=output)


def _gather(graph: Graph, x: str, values: str, arrays: Arrays, options: Options) -> str:
    """Values of each window, weighed by its scores and summed."""
    grid = (options.get("kernel", 3), options.get("stride", 1), options.get("dilation", 1))
    normalise = options.get("normalise", "none")
    queries = _project(graph, x, "w_q", arrays, stride=grid[1])
    keys = windows(graph, _project(graph, x, "w_k", arrays), *grid)
    sums = [_over_channels(graph, add(graph, "Mul", (queries, key))) for key in keys]
    scale = window_scale(options.get("scale"), arrays["w_q"], normalise)
    scores = add(graph, "Mul", (join(graph, sums, axis=1), number(graph, scale)))
    if normalise == "softmax":
        scores = _masked_softmax(graph, x, scores, grid)
    weights = [
        add(graph, "Slice", (scores, *(integers(graph, [each]) for each in (tap, tap + 1, 1))))
        for tap in range(len(keys))
    ]
    seen = windows(graph, values, *grid)
    terms = [add(graph, "Mul", both) for both in zip(weights, seen, strict=True)]
    return total(graph, terms)


def _masked_softmax(graph: Graph, x: str, scores: str, grid: tuple[Any, Any, Any]) -> str:
    """Softmax over the taps that lie inside the image."""
    onnx = require_onnx()
    one = onnx.numpy_helper.from_array(np.ones(1, graph.dtype))
    shape = join(graph, [integers(graph, [1, 1]), add(graph, "Shape", (x,), {"start": 2})], axis=0)
    ones = add(graph, "ConstantOfShape", (shape,), {"value": one})
    inside = join(graph, windows(graph, ones, *grid), axis=1)
    mask = add(graph, "Cast", (inside,), {"to": onnx.TensorProto.BOOL})
    masked = add(graph, "Where", (mask, scores, number(graph, -np.inf)))
    return add(graph, "Softmax", (masked,), {"axis": 1})


def _static(graph: Graph, x: str, arrays: Arrays, options: Options) -> str:
    steps = {name: options[name] for name in ("stride", "dilation")}
    return convolve(graph, x, ("w_c", arrays["w_c"]), arrays["b"], **steps)


def _project(graph: Graph, x: str, name: str, arrays: Arrays, *, stride: Any = 1) -> str:
    return convolve(graph, x, (name, arrays[name][:, :, None, None]), stride=stride)


def _by_heads(graph: Graph, image: str, heads: int, each: int) -> str:
    return add(graph, "Reshape", (image, integers(graph, [0, heads, each, -1])))


def _transposed(graph: Graph, matrices: str) -> str:
    return add(graph, "Transpose", (matrices,), {"perm": [0, 1, 3, 2]})


def _over_channels(graph: Graph, image: str) -> str:
    return add(graph, "ReduceSum", (image, integers(graph, [1])), {"keepdims": 1})


def _biased(graph: Graph, image: str, arrays: Arrays, output: str | None) -> str:
    if "b" not in arrays:
        return add(graph, "Identity", (image,), output=output) if output else image
    return add(
        graph, "Add", (image, weight(graph, "b", arrays["b"].reshape(1, -1, 1, 1))), output=output
    )
