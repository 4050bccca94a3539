"""int8 operators as ONNX nodes, exact: ConvInteger on x + 128, int32 sums, requantisation.

Source: ONNX operator set 17; ConvInteger's uint8 is what runtimes implement.
"""

from collections.abc import Callable, Mapping

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.call import groups_of
from refimpl.onnx_graph.graph import Graph, add, join
from refimpl.onnx_graph.shifts import shift
from refimpl.ops.shift_product import offsets
from refimpl.vectors.case import Case
from refimpl.vectors.onnx_rounding import constant, scaled

INT8, INT32, INT64, UINT8 = 3, 6, 7, 2  # ONNX's numbers of element types


def reached(case: Case) -> list[tuple[int, int]]:
    """Offsets (down, right) of a case's directions."""
    directions = [tuple(each) for each in case.attributes["directions"]]
    return list(offsets(directions, case.attributes["length"]))


def _summed(graph: Graph, source: str, case: Case, zero: int, w: Array) -> str:
    """int32 Σ (source − zero)·w of an int8 tensor."""
    wide = add(graph, "Cast", (source,), {"to": INT32})
    moved = add(graph, "Add", (wide, constant(graph, "offset", np.array(128, np.int32))))
    unsigned = add(graph, "Cast", (moved,), {"to": UINT8})
    zeros = constant(graph, "zero", np.array(zero + 128, np.uint8))
    padding = list(case.attributes.get("padding") or [(side - 1) // 2 for side in w.shape[2:]])
    attributes = {
        "strides": list(case.attributes["stride"]),
        "dilations": list(case.attributes["dilation"]),
        "pads": [*padding, *padding],
        "group": groups_of(case.attributes),
    }
    kernels = constant(graph, "w", w)
    return add(graph, "ConvInteger", (unsigned, kernels, zeros), attributes)


def _requantised(
    graph: Graph, wide: str, case: Case, factor: tuple[Array, Array], zero: int
) -> str:
    """int8 of an int32 tensor."""
    whole = scaled(graph, wide, factor, case.attributes["rounding"])
    before = add(graph, "Add", (whole, constant(graph, "zero", np.array(zero, np.int64))))
    return _clipped(graph, before)


def _clipped(graph: Graph, before: str) -> str:
    low, high = (constant(graph, "limit", np.array(limit, np.int64)) for limit in (-128, 127))
    return add(graph, "Cast", (add(graph, "Clip", (before, low, high)),), {"to": INT8})


def _biased(graph: Graph, sums: str, b: Array | None) -> str:
    if b is None:
        return sums
    return add(graph, "Add", (sums, constant(graph, "b", b.reshape(1, -1, 1, 1))))


def _factor(case: Case, suffix: str = "", prefix: str = "") -> tuple[Array, Array]:
    multiplier = case.tensors[f"{prefix}multiplier{suffix}"]
    none = np.zeros(len(multiplier), np.int8)  # a binary32 scale has no shift
    return multiplier, case.tensors.get(f"{prefix}shift{suffix}", none)


def _conv2d(graph: Graph, case: Case, suffix: str = "", zero: int | None = None) -> str:
    sums = _summed(graph, "x", case, case.attributes["x_zero"], case.tensors[f"w{suffix}"])
    biased = _biased(graph, sums, case.tensors.get(f"b{suffix}"))
    y_zero = case.attributes["y_zero"] if zero is None else zero
    return _requantised(graph, biased, case, _factor(case, suffix), y_zero)


def _centred(graph: Graph, case: Case) -> str:
    wide = add(graph, "Cast", ("x",), {"to": INT32})
    zero = constant(graph, "zero", np.array(case.attributes["x_zero"], np.int32))
    return add(graph, "Sub", (wide, zero))


def _shift_product(graph: Graph, case: Case) -> str:
    centred = _centred(graph, case)
    products = [
        add(graph, "Mul", (centred, shift(graph, centred, offset, case.attributes["boundary"])))
        for offset in reached(case)
    ]
    joined = join(graph, products, axis=1)
    return _requantised(graph, joined, case, _factor(case, "", "t_"), case.attributes["t_zero"])


def _pssa(graph: Graph, case: Case, suffix: str = "", zero: int | None = None) -> str:
    product = _shift_product(graph, case)
    sums = _summed(graph, product, case, case.attributes["t_zero"], case.tensors[f"w{suffix}"])
    biased = _biased(graph, sums, case.tensors.get(f"b{suffix}"))
    y_zero = case.attributes["y_zero"] if zero is None else zero
    return _requantised(graph, biased, case, _factor(case, suffix), y_zero)


def _fused(graph: Graph, case: Case) -> str:
    product, w = _shift_product(graph, case), case.tensors["w"]
    channels = case.tensors["x"].shape[1]
    own = _summed(graph, "x", case, case.attributes["x_zero"], w[:, :channels])
    other = _summed(graph, product, case, case.attributes["t_zero"], w[:, channels:])
    biased = _biased(graph, add(graph, "Add", (own, other)), case.tensors.get("b"))
    return _requantised(graph, biased, case, _factor(case), case.attributes["y_zero"])


def _xvolution(graph: Graph, case: Case) -> str:
    branches = [
        add(graph, "Cast", (branch,), {"to": INT64})
        for branch in (_conv2d(graph, case, "_c", 0), _pssa(graph, case, "_a", 0))
    ]
    zero = constant(graph, "zero", np.array(case.attributes["y_zero"], np.int64))
    return _clipped(graph, add(graph, "Add", (add(graph, "Add", branches), zero)))


def _batch_norm(graph: Graph, case: Case) -> str:
    """A gain and a bias per channel."""
    gain = case.tensors["g"].astype(np.int32).reshape(1, -1, 1, 1)
    total = add(graph, "Mul", (_centred(graph, case), constant(graph, "g", gain)))
    biased = _biased(graph, total, case.tensors["b"])
    return _requantised(graph, biased, case, _factor(case), case.attributes["y_zero"])


INTEGER: Mapping[str, Callable[[Graph, Case], str]] = {
    "conv2d": _conv2d,
    "shift_product": _shift_product,
    "pssa": _pssa,
    "xvolution": _xvolution,
    "xvolution_fused": _fused,
    "batch_norm": _batch_norm,
}
