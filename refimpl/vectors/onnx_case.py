"""A case as an ONNX backend test: ``model.onnx``, and its input and output as ``.pb``. Pure.

    fp32    Conv, Mul, Concat, Add, Softmax as they are: right within the bound, in whatever order
            they sum
    int8    exact: ConvInteger on x + 128 as uint8 (the zero point moves with it), int32 sums, and
            every rounding rule as integer nodes (``onnx_integer.py``, ``onnx_rounding.py``)

Kernels and every other constant are in the model; x is its one input, "output" its one output.

Source: ONNX operator set 17.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.call import groups_of
from refimpl.onnx_graph.attention import global_attention, local_attention
from refimpl.onnx_graph.graph import (
    IR_VERSION,
    OPSET,
    Graph,
    add,
    join,
    number,
    require_onnx,
    weight,
)
from refimpl.onnx_graph.pixel_shift import feature, pssa
from refimpl.onnx_graph.shifts import convolve, shift
from refimpl.vectors.case import Case
from refimpl.vectors.onnx_integer import INTEGER, reached

Build: TypeAlias = Callable[[Graph, Case], str]
NOT_IN_ONNX = frozenset(  # declared choices that a graph here would not follow
    {"product", "product_format", "clip", "output_format", "w_zero"}
    | {"output", "product_cast", "accumulation", "softmax", "probabilities", "rsqrt"}
)


def onnx_files(case: Case, output: Array) -> Iterator[tuple[str, bytes]]:
    """Files of a backend test, by name within its directory; ``output`` is the golden one.

    Raises
    ------
    ValueError
        If the case has no ONNX graph, or the onnx extra is not installed.
    """
    onnx = require_onnx()
    model = onnx_model(case)
    yield "model.onnx", model.SerializeToString(deterministic=True)
    for name, array in (("input_0", case.tensors["x"]), ("output_0", output)):
        tensor = onnx.numpy_helper.from_array(np.ascontiguousarray(array), name[:-2])
        yield f"test_data_set_0/{name}.pb", tensor.SerializeToString(deterministic=True)


def onnx_model(case: Case) -> Any:
    """An ONNX model of one case, checked.

    Raises
    ------
    ValueError
        If the case has no graph.
    """
    onnx = require_onnx()
    helper = onnx.helper
    must_be_onnx(case)
    x = case.tensors["x"]
    graph = Graph(dtype=np.dtype(np.float32), size=(x.shape[2], x.shape[3]))
    result = BUILDERS[case.operator, case.arithmetic](graph, case)
    graph.nodes.append(helper.make_node("Identity", [result], ["output"], "output"))
    kind = helper.np_dtype_to_tensor_dtype(x.dtype)
    made = helper.make_graph(
        graph.nodes,
        case.id,
        [helper.make_tensor_value_info("x", kind, list(x.shape))],
        [helper.make_tensor_value_info("output", kind, None)],
        [onnx.numpy_helper.from_array(array, name) for name, array in graph.constants.items()],
    )
    model = onnx.shape_inference.infer_shapes(
        helper.make_model(
            made,
            producer_name="xvolution",
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
        )
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def must_be_onnx(case: Case) -> None:
    """Refuse a case that has no ONNX graph.

    Raises
    ------
    ValueError
        With what there are graphs of.
    """
    if (case.operator, case.arithmetic) not in BUILDERS:
        known = ", ".join(
            f"{arithmetic} ({', '.join(o for o, a in BUILDERS if a == arithmetic)})"
            for arithmetic in dict.fromkeys(arithmetic for _, arithmetic in BUILDERS)
        )
        raise ValueError(
            f"case {case.id} must be in {known} to have an ONNX graph, not {case.operator} in "
            f"{case.arithmetic}"
        )
    if groups_of(case.attributes) > 1 and case.operator != "conv2d":
        raise ValueError(f"case {case.id} must have 1 group, or be a conv2d, to have an ONNX graph")
    own = NOT_IN_ONNX & set(case.attributes)
    declared = case.attributes.get("accumulator", {})
    plain = declared.get("bits", 32) == 32 and declared.get("overflow", "wrap") == "wrap"
    if own or not plain:
        what = f"without {', '.join(sorted(own))}" if own else "of an int32 accumulator that wraps"
        raise ValueError(f"case {case.id} must be {what} to have an ONNX graph")
    if case.attributes.get("statistics", "given") != "given":
        raise ValueError(f"case {case.id} must be given its statistics to have an ONNX graph")


def _options(case: Case) -> dict[str, Any]:
    """Attributes as ``onnx_graph`` takes them."""
    found: dict[str, Any] = {
        key: tuple(case.attributes[key]) for key in ("stride", "dilation") if key in case.attributes
    }
    if "directions" in case.attributes:
        found["directions"] = [tuple(each) for each in case.attributes["directions"]]
        found |= {key: case.attributes[key] for key in ("length", "boundary")}
    return found


def _conv2d(graph: Graph, case: Case) -> str:
    padding = case.attributes.get("padding")
    steps = {key: value for key, value in _options(case).items() if key in {"stride", "dilation"}}
    return convolve(
        graph,
        "x",
        ("w", case.tensors["w"]),
        case.tensors.get("b"),
        padding=None if padding is None else (padding[0], padding[1]),
        groups=groups_of(case.attributes),
        **steps,
    )


def _shift_product(graph: Graph, case: Case) -> str:
    products = [
        add(graph, "Mul", ("x", shift(graph, "x", offset, case.attributes["boundary"])))
        for offset in reached(case)
    ]
    return join(graph, products, axis=1)


def _pssa(graph: Graph, case: Case) -> str:
    return pssa(graph, "x", case.tensors, _options(case))


def _fused(graph: Graph, case: Case) -> str:
    return feature(graph, "x", case.tensors, _options(case), None)


def _xvolution(graph: Graph, case: Case) -> str:
    steps = {key: value for key, value in _options(case).items() if key in {"stride", "dilation"}}
    branches = []
    for which in "ca":
        graph.prefix = f"{which}_"
        own = {"w": case.tensors[f"w_{which}"]}
        if f"b_{which}" in case.tensors:
            own["b"] = case.tensors[f"b_{which}"]
        if which == "c":
            y = convolve(graph, "x", ("w", own["w"]), own.get("b"), **steps)
        else:
            y = pssa(graph, "x", own, _options(case))
        scale, offset = (
            weight(graph, name, case.tensors[f"{name}_{which}"].reshape(-1, 1, 1)) for name in "st"
        )
        branches.append(add(graph, "Add", (add(graph, "Mul", (y, scale)), offset)))
    graph.prefix = ""
    return add(graph, "Add", branches)


def _batch_norm(graph: Graph, case: Case) -> str:
    """Operation by operation: runtimes give BatchNormalization another order of its own."""
    mean, variance = (
        weight(graph, name, case.tensors[name].reshape(-1, 1, 1)) for name in ("mean", "var")
    )
    return _affine(graph, add(graph, "Sub", ("x", mean)), variance, case)


def _training(graph: Graph, case: Case) -> str:
    """Both branches, each normalised by the mean and variance of its own batch."""
    steps = {key: value for key, value in _options(case).items() if key in {"stride", "dilation"}}
    branches = []
    for which in "ca":
        graph.prefix = f"{which}_"
        own = {"w": case.tensors[f"w_{which}"]}
        if f"b_{which}" in case.tensors:
            own["b"] = case.tensors[f"b_{which}"]
        if which == "c":
            y = convolve(graph, "x", ("w", own["w"]), own.get("b"), **steps)
        else:
            y = pssa(graph, "x", own, _options(case))
        branches.append(_normalised(graph, y, case, which))
    graph.prefix = ""
    return add(graph, "Add", branches)


def _normalised(graph: Graph, y: str, case: Case, which: str) -> str:
    axes = {"axes": [0, 2, 3], "keepdims": 1}
    apart = add(graph, "Sub", (y, add(graph, "ReduceMean", (y,), axes)))
    variance = add(graph, "ReduceMean", (add(graph, "Mul", (apart, apart)),), axes)
    return _affine(graph, apart, variance, case, f"_{which}")


def _affine(graph: Graph, apart: str, variance: str, case: Case, suffix: str = "") -> str:
    """Centred numbers times γ/√(σ² + ε), plus β."""
    raised = add(graph, "Add", (variance, number(graph, case.attributes["eps"])))
    gamma, beta = (
        weight(graph, name, case.tensors[f"{name}{suffix}"].reshape(-1, 1, 1))
        for name in ("gamma", "beta")
    )
    factor = add(graph, "Div", (gamma, add(graph, "Sqrt", (raised,))))
    return add(graph, "Add", (add(graph, "Mul", (apart, factor)), beta))


def _attention(graph: Graph, case: Case) -> str:
    arrays = {name: case.tensors[name][:, :, 0, 0] for name in ("w_q", "w_k", "w_v")}
    keys = ("heads", "scale", "normalise", "stride", "kernel", "dilation")
    options = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in case.attributes.items()
        if key in keys
    }
    make = {"global_attention": global_attention, "local_attention": local_attention}
    return make[case.operator](graph, "x", arrays, options)


BUILDERS: Mapping[tuple[str, str], Build] = {
    ("conv2d", "fp32"): _conv2d,
    ("shift_product", "fp32"): _shift_product,
    ("pssa", "fp32"): _pssa,
    ("xvolution", "fp32"): _xvolution,
    ("xvolution_fused", "fp32"): _fused,
    ("batch_norm", "fp32"): _batch_norm,
    ("xvolution_training", "fp32"): _training,
    ("global_attention", "fp32"): _attention,
    ("local_attention", "fp32"): _attention,
    **{(operator, "int8"): make for operator, make in INTEGER.items()},
}
