"""What enters a node of somebody's ONNX model, to the bit: everything before it, run in order.

Convolutions and matrix products are summed in binary32 in the declared order (never by BLAS);
elementwise steps are single IEEE operations, data movement moves. An operator whose bits a library
would choose (an exponential, a mean) is refused by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulate import kernel_rows, patches, sum_float32
from refimpl.onnx_graph.graph import require_onnx
from refimpl.ops.conv2d import conv_geometry

EXACT = frozenset({
    "Abs", "Add", "Cast", "Clip", "Concat", "Constant", "ConstantOfShape", "Div", "Expand",
    "Flatten", "Gather", "Identity", "LeakyRelu", "Max", "MaxPool", "Min", "Mul", "Neg", "Pad",
    "Relu", "Reshape", "Shape", "Slice", "Split", "Sqrt", "Squeeze", "Sub", "Tile", "Transpose",
    "Unsqueeze", "Where",
})  # fmt: skip
SUMMED = frozenset({"Conv", "MatMul", "Gemm", "BatchNormalization"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolution:
    """A convolution of an ONNX model: what enters it, its weights, its geometry.

    ``x`` is padded already where the model pads the sides differently.
    """

    x: Array
    w: Array
    b: Array
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int


def convolution_in(model: Any, node: str, feeds: Mapping[str, Array]) -> Convolution:
    """The convolution by that name (or that output) of a model, with what enters it.

    ``feeds`` are the model's own inputs by name, or the node's input itself.

    Raises
    ------
    ValueError
        If there is none, it is no plain 2-D convolution, or what is before it cannot be run.
    """
    graph = model.graph
    found = [each for each in graph.node if node in (each.name, *each.output)]
    if len(found) != 1:
        known = [each.name or each.output[0] for each in graph.node if each.op_type == "Conv"]
        raise ValueError(
            f"node must be one of {', '.join(known) or 'no convolutions'}, not {node!r}"
        )
    (conv,) = found
    if conv.op_type != "Conv":
        raise ValueError(f"node {node} must be a Conv, not {conv.op_type}")
    attributes = _attributes(conv)
    names = [name for name in conv.input if name]
    values = _evaluated(model, names, feeds)
    x, w = (np.asarray(value) for value in values[:2])
    if x.ndim != 4 or w.ndim != 4:
        raise ValueError(f"node {node} must be a 2-D convolution, not of {x.ndim - 2} dimensions")
    for name, value in zip(("its input", "its kernels"), (x, w), strict=True):
        if value.dtype != np.float32:
            raise ValueError(f"node {node} must have {name} in float32, not {value.dtype}")
    b = values[2] if len(values) > 2 else np.zeros(len(w), np.float32)
    stride, dilation = (
        (tuple(int(each) for each in attributes.get(key, (1, 1))))
        for key in ("strides", "dilations")
    )
    pads = _pads(x.shape, w.shape, stride, dilation, attributes)
    top, left, bottom, right = pads
    groups = int(attributes.get("group", 1))
    if (top, left) != (bottom, right):
        x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
        top = left = 0
    geometry = conv_geometry(
        x.shape,
        w.shape,
        stride=(stride[0], stride[1]),
        padding=(top, left),
        dilation=(dilation[0], dilation[1]),
        groups=groups,
    )
    return Convolution(
        x=np.ascontiguousarray(x),
        w=w,
        b=np.asarray(b),
        stride=geometry.stride,
        padding=geometry.padding,
        dilation=geometry.dilation,
        groups=groups,
    )


def _pads(
    x: tuple[int, ...],
    w: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    attributes: Mapping[str, Any],
) -> tuple[int, int, int, int]:
    auto = attributes.get("auto_pad", b"NOTSET")
    auto = auto.decode() if isinstance(auto, bytes) else auto
    if auto == "VALID":
        return 0, 0, 0, 0
    if auto == "NOTSET":
        top, left, bottom, right = (int(each) for each in attributes.get("pads", (0, 0, 0, 0)))
        return top, left, bottom, right
    ends = []
    for size, kernel, step, apart in zip(x[2:], w[2:], stride, dilation, strict=True):
        total = max((-(-size // step) - 1) * step + apart * (kernel - 1) + 1 - size, 0)
        less, more = total // 2, total - total // 2
        ends.append((less, more) if auto == "SAME_UPPER" else (more, less))
    return ends[0][0], ends[1][0], ends[0][1], ends[1][1]


def _evaluated(model: Any, names: list[str], feeds: Mapping[str, Array]) -> list[Any]:
    """Values of the named tensors: constants, fed, or computed of what is before them."""
    onnx = require_onnx()
    graph = model.graph
    constants = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    wanted = [name for name in names if name not in constants and name not in feeds]
    computed: dict[str, Any] = {}
    if wanted:
        nodes = _before(graph, wanted, set(feeds) | set(constants))
        needed = {name for each in nodes for name in each.input}
        missing = sorted({each.name for each in graph.input} & needed - set(feeds) - set(constants))
        if missing:
            raise ValueError(f"the model's inputs {', '.join(missing)} must be given")
        computed = dict(zip(wanted, _run(model, nodes, wanted, feeds), strict=True))
    known = {**constants, **feeds, **computed}
    return [known[name] for name in names]


def _before(graph: Any, wanted: list[str], given: set[str]) -> list[Any]:
    """The nodes that the wanted tensors depend on, in order; refused where bits are a library's."""
    makers = {output: each for each in graph.node for output in each.output}
    needed, stack = set(), list(wanted)
    while stack:
        name = stack.pop()
        maker = makers.get(name)
        if name in given or maker is None or id(maker) in needed:
            continue
        if maker.op_type not in EXACT | SUMMED or maker.domain not in ("", "ai.onnx"):
            raise ValueError(
                f"{maker.op_type} ({maker.name or maker.output[0]}) before the node must be an "
                f"operator whose bits are no library's choice; give the node's own input instead"
            )
        needed.add(id(maker))
        stack += [each for each in maker.input if each]
    return [each for each in graph.node if id(each) in needed]


def _run(model: Any, nodes: list[Any], wanted: list[str], feeds: Mapping[str, Array]) -> list[Any]:
    """Run a part of a graph in ONNX's own evaluator, with our sums in place of its."""
    onnx = require_onnx()
    from onnx.reference import ReferenceEvaluator  # noqa: PLC0415 - an extra

    graph = model.graph
    names = {name for each in nodes for name in each.input}
    part = onnx.helper.make_graph(
        nodes,
        "before",
        [each for each in graph.input if each.name in names and each.name in feeds]
        + [
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
            for name in sorted(names & set(feeds) - {each.name for each in graph.input})
        ],
        [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in wanted],
        initializer=[each for each in graph.initializer if each.name in names],
    )
    whole = onnx.helper.make_model(part, opset_imports=list(model.opset_import))
    whole.ir_version = model.ir_version
    evaluator = ReferenceEvaluator(whole, new_ops=_summed_operators())
    given = {name: feeds[name] for name in feeds if name in names}
    return list(evaluator.run(wanted, given))


def _summed_operators() -> list[Any]:
    """ONNX operators that sum, in the order that bit-exact networks sum in."""
    from onnx.reference.op_run import OpRun  # noqa: PLC0415 - an extra

    class Conv(OpRun):
        """Group by group, ``cuv``, bias last."""

        def _run(self, x: Array, w: Array, b: Array | None = None, **attributes: Any) -> Any:
            own = {key: value for key, value in attributes.items() if value is not None}
            stride = tuple(int(each) for each in own.get("strides", (1, 1)))
            dilation = tuple(int(each) for each in own.get("dilations", (1, 1)))
            top, left, bottom, right = _pads(x.shape, w.shape, stride, dilation, own)
            padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
            groups = int(own.get("group", 1))
            parts = [
                _conv(part, kernel, stride, dilation)
                for part, kernel in zip(
                    np.split(padded, groups, axis=1), np.split(w, groups), strict=True
                )
            ]
            y = np.concatenate(parts, axis=1)
            return (y if b is None else y + b[:, None, None],)

    class MatMul(OpRun):
        """Rows by columns, k in order."""

        def _run(self, a: Array, b: Array, **_: Any) -> Any:
            return (_product(a, b),)

    class Gemm(OpRun):
        """α·A·B + β·C, each step rounded."""

        def _run(self, a: Array, b: Array, c: Array | None = None, **attributes: Any) -> Any:
            left = a.T if attributes.get("transA") else a
            right = b.T if attributes.get("transB") else b
            y = _product(left, right) * np.float32(attributes.get("alpha", 1.0))
            scale = np.float32(attributes.get("beta", 1.0))
            return (y if c is None else y + c * scale,)

    class BatchNormalization(OpRun):
        """(x − μ)·(γ/√(σ² + ε)) + β, each step rounded."""

        def _run(
            self, x: Array, gamma: Array, beta: Array, mean: Array, var: Array, **attributes: Any
        ) -> Any:
            if attributes.get("training_mode"):
                raise ValueError("BatchNormalization must be in inference mode")
            epsilon = np.float32(attributes.get("epsilon") or 1e-5)
            wide = (slice(None), *[None] * (x.ndim - 2))
            scale = gamma / np.sqrt(var + epsilon)
            return ((x - mean[wide]) * scale[wide] + beta[wide],)

    return [Conv, MatMul, Gemm, BatchNormalization]


def _conv(x: Array, w: Array, stride: tuple[int, ...], dilation: tuple[int, ...]) -> Array:
    geometry = conv_geometry(
        x.shape, w.shape, stride=(stride[0], stride[1]), dilation=(dilation[0], dilation[1])
    )
    sums = sum_float32(kernel_rows(w, "cuv"), patches(x, geometry, "cuv"))
    return sums.reshape(len(x), len(w), *geometry.output)


def _product(a: Array, b: Array) -> Array:
    """A matrix product of binary32 numbers summed in order; batches of equal shape."""
    if a.ndim == b.ndim == 2:
        return sum_float32(a, b[None])[0]
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    left = np.broadcast_to(a, (*batch, *a.shape[-2:])).reshape(-1, *a.shape[-2:])
    right = np.broadcast_to(b, (*batch, *b.shape[-2:])).reshape(-1, *b.shape[-2:])
    each = [sum_float32(m, n[None])[0] for m, n in zip(left, right, strict=True)]
    return np.stack(each).reshape(*batch, a.shape[-2], b.shape[-1])


def _attributes(node: Any) -> dict[str, Any]:
    onnx = require_onnx()
    return {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
