"""Operators as TOSA graphs: what each one is in TOSA's own operators, channels last.

    shift           SLICE and CONCAT around the image, or SLICE and PAD
    shift product   int8: RESCALE to centred int32, MUL, CONCAT, RESCALE ; fp32: MUL, CONCAT
    convolution     CONV2D ; of two inputs with two zero points: two CONV2D, ADD of their sums
    requantisation  RESCALE (scale32, per channel), SINGLE_ROUND or DOUBLE_ROUND
    two branches    int8: RESCALE both, ADD, RESCALE, which saturates ; fp32: MUL, ADD

A RESCALE by 2³⁰/2³⁰ is exact: it only moves a zero point or a width. The flatbuffer is written by
the serializer of TOSA's own tools (``tosa-tools``), which is handed in.

Source: TOSA 1.0 specification, the operators named above; the compositions are stated here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.ops.shift_product import offsets
from refimpl.vectors.case import Case

MODES = {"half_up": "SINGLE_ROUND", "tosa_double": "DOUBLE_ROUND"}
TYPES = {"int8": "INT8", "int16": "INT16", "int32": "INT32", "float32": "FP32", "int64": "SHAPE"}
ONE = (np.array([2**30], np.int32), np.array([30], np.int8))  # a factor of 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A tensor of the graph: its serialised self, shape (n, h, w, c) and NumPy type."""

    tensor: Any
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """TOSA's own modules, and the graph that is being written with them."""

    graph: Any
    writer: Any
    dtype: Any
    op: Any
    rounding: Any

    def kind(self, dtype: str) -> Any:
        """TOSA's number of a NumPy type."""
        return getattr(self.dtype, TYPES[dtype])

    def constant(self, values: Array) -> Value:
        """A constant; int64 is a shape."""
        name, kind = values.dtype.name, self.kind(values.dtype.name)
        tensor = self.graph.addConst(list(values.shape), kind, values)
        return Value(tensor=tensor, shape=values.shape, dtype=name)

    def input(self, values: Array) -> Value:
        """An input of the graph, read from a file."""
        kind = self.kind(values.dtype.name)
        tensor = self.graph.addPlaceholder(list(values.shape), kind, None)
        return Value(tensor=tensor, shape=values.shape, dtype=values.dtype.name)

    def node(
        self,
        operator: str,
        inputs: Sequence[Value],
        shape: Sequence[int],
        dtype: str,
        attribute: tuple[str, tuple[Any, ...]] | None = None,
        *,
        last: bool = False,
    ) -> Value:
        """One operator and its result, which may be the output of the graph."""
        add = self.graph.addOutput if last else self.graph.addIntermediate
        tensor = add(list(shape), self.kind(dtype))
        said = self.writer.TosaSerializerAttribute()
        name, values = attribute or (f"{operator.title()}Attribute", ())
        getattr(said, name)(*values)
        names = [each.tensor.name for each in inputs]
        self.graph.addOperator(getattr(self.op, operator), names, [tensor.name], said)
        return Value(tensor=tensor, shape=tuple(shape), dtype=dtype)


def build(tools: Tools, case: Case, x: Value) -> Value:
    """The graph of a case, from its input to its output."""
    integer = case.arithmetic == "int8"
    if case.operator == "shift_product":
        return _product(tools, case, x, last=True)
    if case.operator == "xvolution":
        return (_branches_int8 if integer else _branches_fp32)(tools, case, x)
    parts = {
        "conv2d": lambda: [(x, case.attributes.get("x_zero", 0))],
        "pssa": lambda: [(_product(tools, case, x), case.attributes.get("t_zero", 0))],
        "xvolution_fused": lambda: [
            (x, case.attributes.get("x_zero", 0)),
            (_product(tools, case, x), case.attributes.get("t_zero", 0)),
        ],
    }[case.operator]()
    sums = _convolved(tools, case, parts, last=not integer)
    if not integer:
        return sums
    factor = (case.tensors["multiplier"], case.tensors["shift"])
    zeros = (0, case.attributes["y_zero"])
    return rescaled(tools, sums, factor, zeros, "int8", case.attributes["rounding"], last=True)


def rescaled(
    tools: Tools,
    of: Value,
    factor: tuple[Array, Array],
    zeros: tuple[int, int],
    dtype: str,
    rounding: str,
    *,
    last: bool = False,
) -> Value:
    """RESCALE: (of − z_in)·m/2^s, rounded, plus z_out, saturated to the type."""
    multiplier, shift = factor
    inputs = [
        of,
        tools.constant(multiplier.astype(np.int32)),
        tools.constant(shift.astype(np.int8)),
        tools.constant(np.array([zeros[0]], of.dtype)),
        tools.constant(np.array([zeros[1]], dtype)),
    ]
    mode = getattr(tools.rounding, MODES[rounding])
    attribute = (True, mode, len(multiplier) > 1, False, False)
    return tools.node(
        "RESCALE", inputs, of.shape, dtype, ("RescaleAttribute", attribute), last=last
    )


def exactly_read(shape: Sequence[int], kernel: Sequence[int], case: Case) -> tuple[Any, list[int]]:
    """Rows and columns that taps read, and pads (top, bottom, left, right): TOSA wants no more."""
    sizes, pads = [], []
    for axis in (0, 1):
        step, apart = (case.attributes.get(key, [1, 1])[axis] for key in ("stride", "dilation"))
        pad = (case.attributes.get("padding") or [apart * (side - 1) // 2 for side in kernel])[axis]
        idle = (shape[axis] + 2 * pad - apart * (kernel[axis] - 1) - 1) % step
        after = pad - min(idle, pad)
        sizes.append(shape[axis] - (idle - (pad - after)))
        pads += [pad, after]
    return sizes, pads


def _convolved(
    tools: Tools,
    case: Case,
    parts: Sequence[tuple[Value, int]],
    suffix: str = "",
    *,
    last: bool = False,
) -> Value:
    """Sums of all parts with their own channels of the kernels; the bias is in the first."""
    w, total, first = case.tensors[f"w{suffix}"], None, 0
    bias = case.tensors.get(f"b{suffix}")
    for at, (part, zero) in enumerate(parts):
        own = w[:, first : first + part.shape[3]]
        first += part.shape[3]
        end = last and len(parts) == 1
        sums = _conv2d(tools, case, part, zero, own, bias if at == 0 else None, last=end)
        if total is None:
            total = sums
        else:
            end = last and at == len(parts) - 1
            total = tools.node("ADD", [total, sums], sums.shape, sums.dtype, last=end)
    if total is None:
        raise AssertionError("a convolution reads something")
    return total


def _conv2d(
    tools: Tools, case: Case, x: Value, zero: int, w: Array, bias: Array | None, *, last: bool
) -> Value:
    sizes, pads = exactly_read(x.shape[1:3], w.shape[2:], case)
    if tuple(sizes) != x.shape[1:3]:
        x = _slice(tools, x, (0, 0, 0, 0), (x.shape[0], *sizes, x.shape[3]))
    dtype = "int32" if x.dtype == "int8" else x.dtype
    stride, dilation = (list(case.attributes.get(key, [1, 1])) for key in ("stride", "dilation"))
    side = [
        (size + pads[2 * axis] + pads[2 * axis + 1] - dilation[axis] * (w.shape[2 + axis] - 1) - 1)
        // stride[axis]
        + 1
        for axis, size in enumerate(sizes)
    ]
    inputs = [
        x,
        tools.constant(channels_last(w)),
        tools.constant(np.zeros(len(w), dtype) if bias is None else bias.astype(dtype)),
        tools.constant(np.array([zero], x.dtype)),
        tools.constant(np.array([0], x.dtype)),
    ]
    attribute = (pads, stride, dilation, False, tools.kind(dtype))
    shape = (x.shape[0], *side, len(w))
    return tools.node("CONV2D", inputs, shape, dtype, ("Conv2dAttribute", attribute), last=last)


def _product(tools: Tools, case: Case, x: Value, *, last: bool = False) -> Value:
    """The shift product, requantised in int8."""
    integer, rounding = x.dtype == "int8", case.attributes.get("rounding", "half_up")
    if integer:
        zeros = (case.attributes["x_zero"], 0)
        x = rescaled(tools, x, ONE, zeros, "int32", "half_up")
    reached = offsets(
        [tuple(each) for each in case.attributes["directions"]], case.attributes["length"]
    )
    shift = tools.constant(np.zeros(1, np.int8))
    products = [
        tools.node("MUL", [x, _shifted(tools, x, offset, case.attributes), shift], x.shape, x.dtype)
        for offset in reached
    ]
    joined = _concat(tools, products, 3, last=last and not integer)
    if not integer:
        return joined
    factor = (case.tensors["t_multiplier"], case.tensors["t_shift"])
    zeros = (0, case.attributes["t_zero"])
    return rescaled(tools, joined, factor, zeros, "int8", rounding, last=last)


def _shifted(
    tools: Tools, x: Value, offset: tuple[int, int], attributes: Mapping[str, Any]
) -> Value:
    """What stands at (i + down, j + right): around the image, or 0 outside of it."""
    for axis, by in ((1, offset[0]), (2, offset[1])):
        size = x.shape[axis]
        if attributes["boundary"] == "circular":
            cut = by % size
            if cut:
                x = _concat(
                    tools, [_along(tools, x, axis, cut, size), _along(tools, x, axis, 0, cut)], axis
                )
        elif by:
            x = _moved(tools, x, axis, by)
    return x


def _moved(tools: Tools, x: Value, axis: int, by: int) -> Value:
    """Shifted along an axis; zeros come in."""
    size, by = x.shape[axis], max(-x.shape[axis], min(by, x.shape[axis]))
    if abs(by) == size:
        return tools.constant(np.zeros(x.shape, x.dtype))
    kept = _along(tools, x, axis, by, size) if by > 0 else _along(tools, x, axis, 0, size + by)
    pads = np.zeros(8, np.int64)
    pads[2 * axis + (1 if by > 0 else 0)] = abs(by)
    inputs = [kept, tools.constant(pads), tools.constant(np.zeros(1, x.dtype))]
    return tools.node("PAD", inputs, x.shape, x.dtype)


def _along(tools: Tools, x: Value, axis: int, first: int, end: int) -> Value:
    start, size = [0] * 4, list(x.shape)
    start[axis], size[axis] = first, end - first
    return _slice(tools, x, start, size)


def _slice(tools: Tools, x: Value, start: Sequence[int], size: Sequence[int]) -> Value:
    inputs = [x, *(tools.constant(np.array(each, np.int64)) for each in (start, size))]
    return tools.node("SLICE", inputs, size, x.dtype)


def _concat(tools: Tools, parts: Sequence[Value], axis: int, *, last: bool = False) -> Value:
    shape = list(parts[0].shape)
    shape[axis] = sum(part.shape[axis] for part in parts)
    attribute = ("ConcatAttribute", (axis,))
    return tools.node("CONCAT", parts, shape, parts[0].dtype, attribute, last=last)


def _branches_int8(tools: Tools, case: Case, x: Value) -> Value:
    """Both branches with zero point 0, saturated; their sum plus the zero point, saturated."""
    wide = []
    for suffix, part, zero in _inputs(tools, case, x):
        sums = _convolved(tools, case, [(part, zero)], suffix)
        factor = (case.tensors[f"multiplier{suffix}"], case.tensors[f"shift{suffix}"])
        own = rescaled(tools, sums, factor, (0, 0), "int8", case.attributes["rounding"])
        wide.append(rescaled(tools, own, ONE, (0, 0), "int32", "half_up"))
    total = tools.node("ADD", wide, wide[0].shape, "int32")
    zeros = (0, case.attributes["y_zero"])
    return rescaled(tools, total, ONE, zeros, "int8", "half_up", last=True)


def _branches_fp32(tools: Tools, case: Case, x: Value) -> Value:
    """Each branch times s plus t, then added."""
    branches, none = [], tools.constant(np.zeros(1, np.int8))
    for suffix, part, _ in _inputs(tools, case, x):
        y = _convolved(tools, case, [(part, 0)], suffix)
        s, t = (
            tools.constant(case.tensors[f"{name}{suffix}"].reshape(1, 1, 1, -1)) for name in "st"
        )
        scaled = tools.node("MUL", [y, s, none], y.shape, y.dtype)
        branches.append(tools.node("ADD", [scaled, t], y.shape, y.dtype))
    return tools.node("ADD", branches, branches[0].shape, branches[0].dtype, last=True)


def _inputs(tools: Tools, case: Case, x: Value) -> list[tuple[str, Value, int]]:
    """What each branch convolves, with its zero point."""
    product = _product(tools, case, x)
    return [
        ("_c", x, case.attributes.get("x_zero", 0)),
        ("_a", product, case.attributes.get("t_zero", 0)),
    ]


def channels_last(array: Array) -> Array:
    """(n, c, h, w) as TOSA has it, (n, h, w, c)."""
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1))
