"""Shapes of all tensors of an ONNX graph, node by node, from its inputs.

The ``onnx`` package infers what each operator writes. Exporters leave arithmetic on sizes in the
graph (a reshape to a batch times a number of heads): what depends only on sizes and small constants
is computed with the package's reference implementation, if it is one of ``COMPUTED`` and no larger
than ``MOST_COMPUTED`` numbers. What stays unknown depends on data.
"""

from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from hwsim.importers.graph import Shape

if TYPE_CHECKING:
    import onnx

MOST_COMPUTED = 1024
"""Numbers of a tensor that is computed: ours; a shape has a handful."""
COMPUTED = frozenset(
    {
        *("Shape", "Size", "Constant", "ConstantOfShape", "Identity", "Cast", "Range"),
        *("Gather", "Concat", "Slice", "Unsqueeze", "Squeeze", "Reshape", "Transpose", "Expand"),
        *("Add", "Sub", "Mul", "Div", "Mod", "Neg", "Floor", "Ceil", "Sqrt", "Pow", "Min", "Max"),
        *("Equal", "Not", "And", "Or", "Less", "Greater", "Where", "ReduceProd", "ReduceSum"),
    }
)
"""Operators that sizes are computed with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What is known so far: types of tensors, and contents of the small ones."""

    opsets: list["onnx.OperatorSetIdProto"]
    types: dict[str, "onnx.TypeProto"] = field(default_factory=dict)
    contents: dict[str, "onnx.TensorProto"] = field(default_factory=dict)

    @property
    def versions(self) -> dict[str, int]:
        """Version of the operators of each domain."""
        return {each.domain: each.version for each in self.opsets}


def inferred_shapes(model: "onnx.ModelProto") -> dict[str, Shape]:
    """Shapes whose sizes are all numbers above zero; ``ValueError`` names a node that has none."""
    known = _Known(opsets=list(model.opset_import))
    for value in model.graph.input:
        known.types[value.name] = value.type
    for tensor in model.graph.initializer:
        _learn(known, tensor.name, tensor)
    for sparse in model.graph.sparse_initializer:
        _learn(known, sparse.values.name, sparse.values, sparse.dims)
    for node in model.graph.node:
        _infer(known, node)
    shapes = {name: _shape(kind) for name, kind in known.types.items()}
    return {name: shape for name, shape in shapes.items() if shape is not None and all(shape)}


def _learn(known: _Known, name: str, tensor: "onnx.TensorProto", dims: Any = None) -> None:
    import onnx  # noqa: PLC0415 - an extra, and slow

    sizes = list(tensor.dims if dims is None else dims)
    known.types[name] = onnx.helper.make_tensor_type_proto(tensor.data_type, sizes)
    if dims is None and prod(sizes) <= MOST_COMPUTED and _has_content(tensor):
        known.contents[name] = tensor


def _infer(known: _Known, node: "onnx.NodeProto") -> None:
    """Add what is known of the outputs of a node."""
    from onnx import checker, defs, shape_inference  # noqa: PLC0415

    read = [name for name in node.input if name]
    if any(name not in known.types for name in read) or node.domain not in {"", "ai.onnx"}:
        return
    version = known.versions.get("", known.versions.get("ai.onnx", defs.onnx_opset_version()))
    try:
        schema = defs.get_schema(node.op_type, version, "")
        found = shape_inference.infer_node_outputs(
            schema,
            node,
            {name: known.types[name] for name in read},
            {name: known.contents[name] for name in read if name in known.contents},
            opset_imports=known.opsets,
        )
    except defs.SchemaError:
        return
    except (
        checker.ValidationError,
        shape_inference.InferenceError,
        RuntimeError,
        UnicodeDecodeError,
    ) as error:
        sentence = " ".join(str(error).split())
        raise ValueError(f"node {node.name or node.op_type}: {sentence}") from error
    known.types.update(found)
    _compute(known, node)


def _compute(known: _Known, node: "onnx.NodeProto") -> None:
    """Add the contents of what a node writes, if they are sizes."""
    shapes = [_shape(known.types[name]) for name in node.output if name in known.types]
    if node.op_type not in COMPUTED or len(shapes) != 1:
        return
    if shapes[0] is None or prod(shapes[0]) > MOST_COMPUTED:
        return
    if node.op_type in {"Shape", "Size"}:
        _sizes_of(known, node)
    elif all(not name or name in known.contents for name in node.input):
        _evaluate(known, node)


def _sizes_of(known: _Known, node: "onnx.NodeProto") -> None:
    import onnx  # noqa: PLC0415

    shape = _shape(known.types[node.input[0]])
    if shape is None:
        return
    given = {each.name: each.i for each in node.attribute}
    part = shape[given.get("start", 0) : given.get("end", len(shape))]
    content = np.array(part if node.op_type == "Shape" else prod(shape), np.int64)
    known.contents[node.output[0]] = onnx.numpy_helper.from_array(content)


def _evaluate(known: _Known, node: "onnx.NodeProto") -> None:
    import onnx  # noqa: PLC0415
    from onnx.reference import ReferenceEvaluator  # noqa: PLC0415

    try:
        given = {
            name: onnx.numpy_helper.to_array(known.contents[name]) for name in node.input if name
        }
        with np.errstate(all="ignore"):
            (content,) = ReferenceEvaluator(node, opsets=known.versions).run(None, given)
        found = np.asarray(content)
        if found.size <= MOST_COMPUTED:
            known.contents[node.output[0]] = onnx.numpy_helper.from_array(found)
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError):
        return  # it stays unknown, and what needs it is named


def _has_content(tensor: "onnx.TensorProto") -> bool:
    """Whether the numbers of a tensor are here, neither left out nor in another file."""
    import onnx  # noqa: PLC0415

    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        return False
    fields = ("raw_data", "int64_data", "int32_data", "float_data", "double_data", "uint64_data")
    return any(len(getattr(tensor, name)) for name in fields)


def _shape(kind: "onnx.TypeProto") -> Shape | None:
    """Sizes of a tensor, if all are numbers."""
    if not kind.HasField("tensor_type") or not kind.tensor_type.HasField("shape"):
        return None
    dims = kind.tensor_type.shape.dim
    return tuple(d.dim_value for d in dims) if all(d.HasField("dim_value") for d in dims) else None
