"""A case as an ONNX backend test: ``model.onnx``, and its input and output as ``.pb``. Pure.

    fp32    Conv, Mul, Concat, Add as they are: right within the bound, whatever order they sum in
    int8    exact: ConvInteger on x + 128 as uint8 (the zero point moves with it), int32 sums, and
            requantisation in int64: v = a·m + 2^(s−1) (half_up) or a·m (floor);
            (v − Mod(v, 2^s)) / 2^s is the floor, whatever the sign

Kernels and every other constant are in the model; x is its one input, "output" its one output.

Source: ONNX operator set 17; ConvInteger's uint8 is what runtimes implement.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.call import groups_of
from refimpl.onnx_graph.graph import IR_VERSION, OPSET, Graph, add, join, require_onnx, weight
from refimpl.onnx_graph.pixel_shift import feature, pssa
from refimpl.onnx_graph.shifts import convolve, shift
from refimpl.ops.shift_product import offsets
from refimpl.vectors.case import Case

Build = Callable[["Model", Case], str]
ROUNDINGS = ("half_up", "floor")


class Model(Graph):
    """A graph whose constants may be of any type."""

    def constant(self, name: str, values: Array) -> str:
        """Store an array under a name of its own."""
        key = f"{name}_{len(self.constants)}"
        self.constants[key] = np.ascontiguousarray(values)
        return key


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
    graph = Model(dtype=np.dtype(np.float32), size=(x.shape[2], x.shape[3]))
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
        known = ", ".join(sorted({arithmetic for _, arithmetic in BUILDERS}))
        raise ValueError(f"case {case.id} must be in {known} to have an ONNX graph")
    if groups_of(case.attributes) > 1 and case.operator != "conv2d":
        raise ValueError(f"case {case.id} must have 1 group, or be a conv2d, to have an ONNX graph")
    if case.arithmetic == "int8" and case.attributes["rounding"] not in ROUNDINGS:
        raise ValueError(
            f"case {case.id} must round {' or '.join(ROUNDINGS)} to have an ONNX graph, not "
            f"{case.attributes['rounding']}"
        )


def _options(case: Case) -> dict[str, Any]:
    """Attributes as ``onnx_graph`` takes them."""
    found: dict[str, Any] = {
        key: tuple(case.attributes[key]) for key in ("stride", "dilation") if key in case.attributes
    }
    if "directions" in case.attributes:
        found["directions"] = [tuple(each) for each in case.attributes["directions"]]
        found |= {key: case.attributes[key] for key in ("length", "boundary")}
    return found


def _conv2d(graph: Model, case: Case) -> str:
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


def _shift_product(graph: Model, case: Case) -> str:
    products = [
        add(graph, "Mul", ("x", shift(graph, "x", offset, case.attributes["boundary"])))
        for offset in _reached(case)
    ]
    return join(graph, products, axis=1)


def _pssa(graph: Model, case: Case) -> str:
    return pssa(graph, "x", case.tensors, _options(case))


def _fused(graph: Model, case: Case) -> str:
    return feature(graph, "x", case.tensors, _options(case), None)


def _xvolution(graph: Model, case: Case) -> str:
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


def _reached(case: Case) -> list[tuple[int, int]]:
    directions = [tuple(each) for each in case.attributes["directions"]]
    return list(offsets(directions, case.attributes["length"]))


def _sum_int8(graph: Model, source: str, case: Case, zero: int, w: Array) -> str:
    """int32 Σ (source − zero)·w of an int8 tensor."""
    wide = add(graph, "Cast", (source,), {"to": 6})
    moved = add(graph, "Add", (wide, graph.constant("offset", np.array(128, np.int32))))
    unsigned = add(graph, "Cast", (moved,), {"to": 2})
    zeros = graph.constant("zero", np.array(zero + 128, np.uint8))
    padding = list(case.attributes.get("padding") or [(side - 1) // 2 for side in w.shape[2:]])
    attributes = {
        "strides": list(case.attributes["stride"]),
        "dilations": list(case.attributes["dilation"]),
        "pads": [*padding, *padding],
        "group": groups_of(case.attributes),
    }
    kernels = graph.constant("w", w)
    return add(graph, "ConvInteger", (unsigned, kernels, zeros), attributes)


def _requantised(
    graph: Model, wide: str, case: Case, factor: tuple[Array, Array], zero: int
) -> tuple[str, str]:
    """int64 before the clip, and int8 after it."""
    shape = (1, -1, 1, 1)
    multiplier, shifts = (each.astype(np.int64).reshape(shape) for each in factor)
    power = np.int64(1) << shifts
    value = add(graph, "Cast", (wide,), {"to": 7})
    value = add(graph, "Mul", (value, graph.constant("multiplier", multiplier)))
    if case.attributes["rounding"] == "half_up":
        value = add(graph, "Add", (value, graph.constant("half", power // 2)))
    step = graph.constant("power", power)
    rest = add(graph, "Mod", (value, step))
    whole = add(graph, "Div", (add(graph, "Sub", (value, rest)), step))
    before = add(graph, "Add", (whole, graph.constant("zero", np.array(zero, np.int64))))
    return before, _clipped(graph, before)


def _clipped(graph: Model, before: str) -> str:
    low, high = (graph.constant("limit", np.array(limit, np.int64)) for limit in (-128, 127))
    return add(graph, "Cast", (add(graph, "Clip", (before, low, high)),), {"to": 3})


def _biased(graph: Model, sums: str, b: Array | None) -> str:
    if b is None:
        return sums
    return add(graph, "Add", (sums, graph.constant("b", b.reshape(1, -1, 1, 1))))


def _factor(case: Case, suffix: str = "", prefix: str = "") -> tuple[Array, Array]:
    return (
        case.tensors[f"{prefix}multiplier{suffix}"],
        case.tensors[f"{prefix}shift{suffix}"],
    )


def _conv2d_int8(graph: Model, case: Case, suffix: str = "", zero: int | None = None) -> str:
    sums = _sum_int8(graph, "x", case, case.attributes["x_zero"], case.tensors[f"w{suffix}"])
    biased = _biased(graph, sums, case.tensors.get(f"b{suffix}"))
    y_zero = case.attributes["y_zero"] if zero is None else zero
    return _requantised(graph, biased, case, _factor(case, suffix), y_zero)[1]


def _shift_product_int8(graph: Model, case: Case) -> str:
    wide = add(graph, "Cast", ("x",), {"to": 6})
    zero = graph.constant("zero", np.array(case.attributes["x_zero"], np.int32))
    centred = add(graph, "Sub", (wide, zero))
    products = [
        add(graph, "Mul", (centred, shift(graph, centred, offset, case.attributes["boundary"])))
        for offset in _reached(case)
    ]
    joined = join(graph, products, axis=1)
    return _requantised(graph, joined, case, _factor(case, "", "t_"), case.attributes["t_zero"])[1]


def _pssa_int8(graph: Model, case: Case, suffix: str = "", zero: int | None = None) -> str:
    product = _shift_product_int8(graph, case)
    sums = _sum_int8(graph, product, case, case.attributes["t_zero"], case.tensors[f"w{suffix}"])
    biased = _biased(graph, sums, case.tensors.get(f"b{suffix}"))
    y_zero = case.attributes["y_zero"] if zero is None else zero
    return _requantised(graph, biased, case, _factor(case, suffix), y_zero)[1]


def _fused_int8(graph: Model, case: Case) -> str:
    product, w = _shift_product_int8(graph, case), case.tensors["w"]
    channels = case.tensors["x"].shape[1]
    own = _sum_int8(graph, "x", case, case.attributes["x_zero"], w[:, :channels])
    other = _sum_int8(graph, product, case, case.attributes["t_zero"], w[:, channels:])
    biased = _biased(graph, add(graph, "Add", (own, other)), case.tensors.get("b"))
    return _requantised(graph, biased, case, _factor(case), case.attributes["y_zero"])[1]


def _xvolution_int8(graph: Model, case: Case) -> str:
    branches = [
        add(graph, "Cast", (branch,), {"to": 7})
        for branch in (_conv2d_int8(graph, case, "_c", 0), _pssa_int8(graph, case, "_a", 0))
    ]
    zero = graph.constant("zero", np.array(case.attributes["y_zero"], np.int64))
    return _clipped(graph, add(graph, "Add", (add(graph, "Add", branches), zero)))


BUILDERS: Mapping[tuple[str, str], Build] = {
    ("conv2d", "fp32"): _conv2d,
    ("shift_product", "fp32"): _shift_product,
    ("pssa", "fp32"): _pssa,
    ("xvolution", "fp32"): _xvolution,
    ("xvolution_fused", "fp32"): _fused,
    ("conv2d", "int8"): _conv2d_int8,
    ("shift_product", "int8"): _shift_product_int8,
    ("pssa", "int8"): _pssa_int8,
    ("xvolution", "int8"): _xvolution_int8,
    ("xvolution_fused", "int8"): _fused_int8,
}
