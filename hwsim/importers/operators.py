"""From a node of a graph to the primitives that do its work, by the names that ONNX gives.

    array         Conv, ConvTranspose, Gemm, MatMul, Einsum of two tensors, and integer variants.
                  A transposed convolution is one matrix product and a sum of its overlapping parts
    element-wise  as many inputs are read as have the size of the output; a smaller one (a bias, a
                  scale) is a constant of the unit
    reduction     pooling and Reduce…: one operation per number in a window
    normalisation LayerNormalization and its kin: mean, difference, square, mean, root, product,
                  scale and shift, one after another
    moved         what changes places: read once, written once. Part of a tensor reads what it keeps
    view          the same numbers under another shape: nothing moves

Biases are summed where partial sums are, and not counted. What is in none of these is unmodelled.
"""

from collections.abc import Callable, Mapping
from math import prod
from typing import Any, NamedTuple, TypeAlias

from hwsim.importers.geometry import UnmodelledError, convolution, window_of
from hwsim.importers.graph import Graph, Node, Shape
from hwsim.workload import (
    Copy,
    Elementwise,
    Pooling,
    Primitive,
    Softmax,
    matrix_product,
)

VIEWS = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout"})
"""The same numbers under another shape."""
FOLLOWERS = frozenset({"Relu", "Clip", "LeakyRelu", "PRelu"})
"""What is applied on the way out of the node before, if nobody else reads between them."""
NORMALISED = frozenset({"LayerNormalization", "GroupNormalization", "InstanceNormalization"})

TRANSCENDENTAL = (
    *("Erf", "Exp", "Log", "Pow", "Reciprocal", "Sigmoid", "Softplus", "Sqrt", "Tanh"),
    *("Gelu", "Sin", "Cos"),
)
MOVED = ("Transpose", "Concat", "Pad", "Expand", "Tile", "DepthToSpace", "SpaceToDepth", "Cast")
MOVED_IN_PART = ("Slice", "Split", "Gather", "GatherElements")

Primitives: TypeAlias = tuple[Primitive, ...]


class Call(NamedTuple):
    """A node with the shapes of what it reads and writes, all of them known."""

    node: Node
    inputs: tuple[Shape | None, ...]
    outputs: tuple[Shape, ...]
    reads_constant: tuple[bool, ...]

    @property
    def attributes(self) -> Mapping[str, Any]:
        """The node's attributes."""
        return self.node.attributes

    @property
    def written(self) -> int:
        """Numbers in all outputs."""
        return sum(prod(shape) for shape in self.outputs)

    def shape(self, index: int) -> Shape:
        """Shape of an input; ``ValueError`` if it is left out."""
        found = self.inputs[index] if index < len(self.inputs) else None
        if found is None:
            raise ValueError(f"input {index + 1} must be there, with a known shape")
        return found


def primitives_of(graph: Graph, node: Node, constants: frozenset[str]) -> Primitives:
    """What a node takes; ``UnmodelledError`` with the reason if no primitive describes it.

    ``constants`` are the tensors that are there before the network runs.
    """
    if node.domain not in {"", "ai.onnx"}:
        raise UnmodelledError(f"operator {node.operator} of {node.domain} has no primitive")
    if node.operator in VIEWS:
        return _view(graph, node)
    make = OPERATORS.get(node.operator)
    if make is None:
        raise UnmodelledError(f"operator {node.operator} has no primitive")
    missing = [
        name
        for name in (*node.inputs, *node.outputs)
        if name not in graph.shapes and name not in constants
    ]
    if missing:
        raise UnmodelledError(f"the shape of {missing[0]} depends on data")
    call = Call(
        node,
        tuple(graph.shapes.get(name) for name in node.inputs),
        tuple(graph.shapes[name] for name in node.outputs if name in graph.shapes),
        tuple(name in constants for name in node.inputs),
    )
    if not call.outputs:
        raise ValueError("there must be an output")
    return make(call)


def _view(graph: Graph, node: Node) -> Primitives:
    """Nothing; ``ValueError`` if the numbers cannot be the same."""
    before, after = (graph.shapes.get(tensor) for tensor in (node.inputs[0], node.outputs[0]))
    if before is None or after is None:
        raise UnmodelledError(f"the shape of {node.outputs[0]} depends on data")
    if prod(before) != prod(after):
        raise ValueError(
            f"the {prod(before)} numbers of {before} must stay as many under another shape, not "
            f"become {after}; was it exported for other sizes than those asked?"
        )
    return ()


def _conv(call: Call, first: int = 0, second: int = 1) -> Primitives:
    image, weights = call.shape(first), call.shape(second)
    conv = convolution(image, weights, call.attributes, call.node.name)
    if conv.out_elements != call.written:
        raise ValueError(f"output must have {conv.out_elements} numbers, not {call.written}")
    return (conv,)


def _transposed(call: Call) -> Primitives:
    image, weights = call.shape(0), call.shape(1)
    groups = int(call.attributes.get("group", 1))
    window_of(call.attributes, image[2:], weights[2:])
    if groups < 1 or image[1] != weights[0] or image[1] % groups:
        raise ValueError(f"weights must be for {image[1]} channels, not {weights[0]}")
    pixels, taps = image[0] * prod(image[2:]), prod(weights[2:])
    label = call.node.name
    product = matrix_product(
        pixels, weights[1] * taps, image[1] // groups, count=groups, label=label
    )
    return product, Elementwise(kind="add", elements=product.out_elements, inputs=1, label=label)


def _gemm(call: Call) -> Primitives:
    a, b = call.shape(0), call.shape(1)
    a = a[::-1] if call.attributes.get("transA") else a
    b = b[::-1] if call.attributes.get("transB") else b
    return _matrix_product(a, b, call)


def _matmul(call: Call, first: int = 0, second: int = 1) -> Primitives:
    a, b = call.shape(first), call.shape(second)
    a = (1, *a) if len(a) == 1 else a
    b = (*b, 1) if len(b) == 1 else b
    return _matrix_product(a, b, call)


def _matrix_product(a: Shape, b: Shape, call: Call) -> Primitives:
    if len(a) < 2 or len(b) < 2 or a[-1] != b[-2]:
        raise ValueError(f"operands must have an inner size in common, not {a} and {b}")
    rows, inner, cols = a[-2], a[-1], b[-1]
    label = call.node.name
    if prod(b[:-2]) == 1:
        return (matrix_product(prod(a[:-2]) * rows, cols, inner, label=label),)
    count = call.written // (rows * cols)
    return (matrix_product(rows, cols, inner, count=count, label=label),)


def _einsum(call: Call) -> Primitives:
    equation = str(call.attributes.get("equation", "")).replace(" ", "")
    left, arrow, out = equation.partition("->")
    terms = left.split(",")
    plain = all(term.isalpha() and len(set(term)) == len(term) for term in (*terms, out))
    if len(terms) != 2 or not arrow or not plain:
        raise UnmodelledError(f"equation {equation!r} has no primitive")
    sizes: dict[str, int] = {}
    for term, index in zip(terms, range(2), strict=True):
        sizes |= dict(zip(term, call.shape(index), strict=True))
    first, second = (set(term) for term in terms)
    if set(out) - (first | second) or (first ^ second) - set(out):
        raise UnmodelledError(f"equation {equation!r} has no primitive")

    def size(letters: set[str]) -> int:
        return prod(sizes[letter] for letter in letters)

    both = first & second
    product = matrix_product(
        size(first - second),
        size(second - first),
        size(both - set(out)),
        count=size(both & set(out)),
        label=call.node.name,
    )
    return (product,)


def _elementwise(kind: str, times: int = 1) -> Callable[[Call], Primitives]:
    def make(call: Call) -> Primitives:
        elements = prod(call.outputs[0])
        full = [
            shape
            for shape, constant in zip(call.inputs, call.reads_constant, strict=True)
            if shape is not None and not constant and prod(shape) == elements
        ]
        inputs = max(1, len(full))
        each = Elementwise(kind=kind, elements=elements, inputs=inputs, label=call.node.name)
        return (each,) * times

    return make


def _sum_of_many(call: Call) -> Primitives:
    add = Elementwise(kind="add", elements=call.written, inputs=2, label=call.node.name)
    return (add,) * max(1, len(call.inputs) - 1)


def _composed(*kinds: str) -> Callable[[Call], Primitives]:
    """Several passes: the first from memory, the others on the way out of it."""

    def make(call: Call) -> Primitives:
        return tuple(
            Elementwise(kind=kind, elements=call.written, fused=bool(i), label=call.node.name)
            for i, kind in enumerate(kinds)
        )

    return make


def _pool(kind: str) -> Callable[[Call], Primitives]:
    def make(call: Call) -> Primitives:
        image, outputs = call.shape(0), prod(call.outputs[0])
        kernel = tuple(call.attributes.get("kernel_shape", ()))
        window_of(call.attributes, image[2:], kernel)
        label = call.node.name
        pooling = Pooling(
            kind=kind, inputs=prod(image), outputs=outputs, window=prod(kernel), label=label
        )
        return (pooling,)

    return make


def _reduce(kind: str) -> Callable[[Call], Primitives]:
    def make(call: Call) -> Primitives:
        inputs, outputs = prod(call.shape(0)), prod(call.outputs[0])
        window = max(1, inputs // outputs)
        label = call.node.name
        return (Pooling(kind=kind, inputs=inputs, outputs=outputs, window=window, label=label),)

    return make


def _softmax(call: Call) -> Primitives:
    shape = call.shape(0)
    axis = int(call.attributes.get("axis", -1))
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"axis must be one of the {len(shape)} of its input, not {axis}")
    cols = shape[axis]
    softmax = Softmax(rows=prod(shape) // cols, cols=cols, label=call.node.name)
    if call.node.operator == "Softmax":
        return (softmax,)
    logarithm = Elementwise(
        kind="transcendental", elements=prod(shape), fused=True, label=call.node.name
    )
    return softmax, logarithm


def _normalisation(call: Call) -> Primitives:
    shape = call.shape(0)
    elements, label = prod(shape), call.node.name
    rows = _normalised_rows(call, shape)
    mean = Pooling(kind="mean", inputs=elements, outputs=rows, window=elements // rows, label=label)
    return (
        mean,
        Elementwise(kind="add", elements=elements, label=label),
        Elementwise(kind="multiply", elements=elements, label=label),
        mean,
        Elementwise(kind="transcendental", elements=rows, label=label),
        Elementwise(kind="multiply", elements=elements, label=label),
        Elementwise(kind="affine", elements=elements, fused=True, label=label),
    )


def _normalised_rows(call: Call, shape: Shape) -> int:
    """How many means a normalisation takes."""
    if call.node.operator == "LayerNormalization":
        axis = int(call.attributes.get("axis", -1)) % len(shape)
        return prod(shape[:axis])
    if call.node.operator == "GroupNormalization":
        return shape[0] * int(call.attributes.get("num_groups", 1))
    return prod(shape[:2])


def _moved(*, part: bool = False) -> Callable[[Call], Primitives]:
    def make(call: Call) -> Primitives:
        tensors = zip(call.inputs, call.reads_constant, strict=True)
        whole = sum(prod(shape) for shape, constant in tensors if shape and not constant)
        read = call.written if part else whole
        return (Copy(read_elements=read, write_elements=call.written, label=call.node.name),)

    return make


def _resize(call: Call) -> Primitives:
    read, written, label = prod(call.shape(0)), call.written, call.node.name
    copy = Copy(read_elements=read, write_elements=written, label=label)
    mode = call.attributes.get("mode", "nearest")
    if mode == "nearest":
        return (copy,)
    if mode == "linear":
        corners = 2 ** sum(a != b for a, b in zip(call.shape(0), call.outputs[0], strict=True))
        weighted = Elementwise(kind="affine", elements=written * corners, fused=True, label=label)
        return copy, weighted
    raise UnmodelledError(f"mode {mode} has no primitive")


OPERATORS: Mapping[str, Callable[[Call], Primitives]] = {
    "Conv": _conv,
    "ConvInteger": _conv,
    "QLinearConv": lambda call: _conv(call, 0, 3),
    "ConvTranspose": _transposed,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "MatMulInteger": _matmul,
    "QLinearMatMul": lambda call: _matmul(call, 0, 3),
    "Einsum": _einsum,
    "BatchNormalization": _elementwise("affine"),
    **dict.fromkeys(NORMALISED, _normalisation),
    "LRN": _elementwise("response_norm"),
    **dict.fromkeys(("Relu", "Clip", "LeakyRelu", "PRelu", "Max", "Min"), _elementwise("relu")),
    **dict.fromkeys(("Add", "Sub"), _elementwise("add")),
    "Sum": _sum_of_many,
    "Mul": _elementwise("multiply"),
    "Div": _elementwise("divide"),
    **dict.fromkeys(("QuantizeLinear", "DequantizeLinear"), _elementwise("affine")),
    **dict.fromkeys(
        [
            "Erf",
            "Exp",
            "Log",
            "Pow",
            "Reciprocal",
            "Sigmoid",
            "Softplus",
            "Sqrt",
            "Tanh",
            "Gelu",
            "Sin",
            "Cos",
        ],
        _elementwise("transcendental"),
    ),
    "HardSigmoid": _composed("affine", "relu"),
    "HardSwish": _composed("affine", "relu", "multiply"),
    **dict.fromkeys(("Elu", "Selu", "Celu", "Mish"), _composed("transcendental", "affine")),
    "MaxPool": _pool("maximum"),
    "AveragePool": _pool("mean"),
    **dict.fromkeys(("GlobalMaxPool", "ReduceMax", "ReduceMin"), _reduce("maximum")),
    **dict.fromkeys(("GlobalAveragePool", "ReduceMean", "ReduceSum"), _reduce("mean")),
    "ArgMax": _reduce("maximum"),
    **dict.fromkeys(("Softmax", "LogSoftmax"), _softmax),
    **dict.fromkeys(
        ["Transpose", "Concat", "Pad", "Expand", "Tile", "DepthToSpace", "SpaceToDepth", "Cast"],
        _moved(),
    ),
    **dict.fromkeys(["Slice", "Split", "Gather", "GatherElements"], _moved(part=True)),
    "Resize": _resize,
    "Upsample": _resize,
}
"""The operators that have primitives, and how each gets them."""
